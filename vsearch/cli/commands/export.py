"""`vsearch export`: a copy of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsearch.cli.context import (
    DatabaseOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
)
from vsearch.cli.text import print_json
from vsearch.text import counted, printable, size

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")]
EmbeddingsOption = Annotated[
    bool, typer.Option("--embeddings-only", help="Leave the pictures out: videos are found by it, and not shown.")
]
NoPathsOption = Annotated[
    bool, typer.Option("--no-paths", help="Tell the names of files, but not where they lie, nor what was run.")
]


def export(
    folder: FolderArgument,
    embeddings_only: EmbeddingsOption = False,
    no_paths: NoPathsOption = False,
    json: JsonOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Copy the library to a folder, whole or to share.

    \b
      vsearch export /mnt/backup/library                        a copy as of now
      vsearch export shared --embeddings-only --no-paths        to be searched by others

    The copy is a library like any other. It may be made while another process indexes.
    """
    configure_logging(verbose)
    with open_library(library, database) as opened:
        figures = opened.export(folder, pictures=not embeddings_only, paths=not no_paths)
    if json:
        print_json(figures)
    else:
        where = printable(figures["library"])
        typer.echo(f"{where}: {counted(figures['videos'], 'video')}, {size(figures['bytes_database'])}")
