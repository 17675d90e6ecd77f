"""`vsearch explain`: why do these two match, or why not?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsearch.cli.commands.search import (
    DeviceOption,
    EndOption,
    FloorOption,
    RecurringOption,
    RegionOption,
    ReversedOption,
    StartOption,
    ThresholdOption,
    ViewsOption,
)
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
from vsearch.cli.text import parse_threshold, print_json
from vsearch.text import printable

NO_MATCH = 4  # the exit status when the two do not match

QueryArgument = Annotated[
    Path, typer.Argument(metavar="QUERY", help="A video or picture, or what is stored (v12, c345, VIDEO@1:02.5).")
]
VideoArgument = Annotated[
    str, typer.Argument(metavar="VIDEO", help="A path, v12 or a name; id:12 and path:NAME force one reading.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="Draw it, as .png or .webp."),
]
CountOption = Annotated[int, typer.Option("-k", "--count", min=1, metavar="N", help="At most so many ranges.")]


def explain(
    query: QueryArgument,
    video: VideoArgument,
    out: OutOption = None,
    k: CountOption = 5,
    start: StartOption = None,
    end: EndOption = None,
    region: RegionOption = None,
    threshold: ThresholdOption = None,
    min_similarity: FloorOption = None,
    views: ViewsOption = True,
    reversed_play: ReversedOption = False,
    include_recurring: RecurringOption = False,
    device: DeviceOption = "auto",
    blur: BlurOption = False,
    grey: GreyOption = False,
    json: JsonOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say why a query and a video match, or why they do not.

    \b
      vsearch explain excerpt.mp4 v12
      vsearch explain excerpt.mp4 v12 -o why.png      with pictures
      vsearch explain film.mkv@1:02-1:30 v12 --reversed

    The picture shows how similar every query frame is to every stored frame, the lines along which both run, and the
    frames that they put side by side. Exit status: 0 the two match, 4 they do not.
    """
    configure_logging(verbose)
    with open_library(library, database, blur=blur, grey=grey) as opened:
        found = opened.explain(
            query,
            video,
            out=out,
            start_s=start,
            end_s=end,
            region=region,
            k=k,
            threshold=None if threshold is None else parse_threshold(threshold),
            min_similarity=min_similarity,
            views=views,
            reversed_play=reversed_play,
            include_recurring=include_recurring,
            device=device,
        )
    if json:
        print_json(found)
    else:
        outcome, *remarks = found["words"]
        typer.echo("\n".join([printable(outcome), *(f"  {printable(remark)}" for remark in remarks)]))
    raise typer.Exit(0 if found["matches"] else NO_MATCH)
