"""`vsearch cluster`: what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vsearch.cli.context import (
    BlurOption,
    DatabaseOption,
    GreyOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
)
from vsearch.cli.text import print_json, table
from vsearch.text import clock, counted

CLIPS_SHOWN = 3

CountOption = Annotated[
    int | None,
    typer.Option("-n", "--number", min=1, metavar="N", help="So many groups. [default: chosen from the data]"),
]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page with pictures of every group's central clips.")
]


def cluster(
    n: CountOption = None,
    json: JsonOption = False,
    report: ReportOption = None,
    blur: BlurOption = False,
    grey: GreyOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Group the clips of the library by what they look like.

    \b
      vsearch cluster                                 the groups, with their most central clips
      vsearch cluster -n 12 --report groups.html      twelve groups, as a page of pictures
      vsearch search face.jpg --cluster 3             what is in one of them

    The groups are kept, for 'vsearch search --cluster N', until the library changes or is grouped again.
    """
    configure_logging(verbose)
    with open_library(library, database, blur=blur, grey=grey) as opened:
        found = opened.cluster(n, report=report)
    if json:
        print_json(found)
        return
    typer.echo("\n".join(describe(found)))


def describe(found: dict[str, Any]) -> list[str]:
    """The groups, largest first, each with its most central clips."""
    if not found["groups"]:
        return ["no clips to group"]
    lines = []
    for group in found["groups"]:
        lines.append(f"group {group['group']}: {counted(group['size'], 'clip')}")
        rows = [
            [f"c{clip['clip_id']}", f"{clock(clip['start_seconds'])} - {clock(clip['end_seconds'])}", clip["video"]]
            for clip in group["clips"][:CLIPS_SHOWN]
        ]
        lines += [f"  {line}" for line in table(rows)]
    return lines
