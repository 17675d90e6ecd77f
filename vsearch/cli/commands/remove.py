"""`vsearch remove`: videos out of the library."""

from __future__ import annotations

from typing import Annotated

import typer

from vsearch.cli.context import DatabaseOption, LibraryOption, VerboseOption, configure_logging, open_library
from vsearch.text import counted

VideosArgument = Annotated[list[str], typer.Argument(metavar="VIDEO", help="A path, v12, or a name.")]


def remove(
    videos: VideosArgument,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take videos out of the library; no file is touched.

    \b
      vsearch remove v12 v13
      vsearch remove /mnt/shelf/draft.mov

    Pictures, embeddings, clips and known paths go; ids are not used again.
    """
    configure_logging(verbose)
    with open_library(library, database) as opened:
        n = opened.remove(videos)
    typer.echo(f"removed {counted(n, 'video')}", err=True)
