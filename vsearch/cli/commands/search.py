"""`vsearch search`: where is this from?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsearch.cli.context import (
    DatabaseOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
)
from vsearch.cli.text import parse_time, print_json, table
from vsearch.request import SearchRequest
from vsearch.text import clock, printable

if TYPE_CHECKING:
    from vsearch.records import Hit
    from vsearch.searching import SearchResult

MATCHED = 3  # the exit status of `--fail-on-match` when something was found

QueriesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="QUERY", help="Videos or pictures to look for; '-': their paths, a line each, from stdin."),
]
CountOption = Annotated[int, typer.Option("-k", "--count", min=1, metavar="N", help="At most so many hits a query.")]
PerVideoOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="At most so many of a query's hits in one video, each elsewhere in it.")
]
FailOption = Annotated[bool, typer.Option("--fail-on-match", help="Exit with status 3 if anything was found.")]
StartOption = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="S", help="Use the query from here on: seconds or h:mm:ss.s.")
]
EndOption = Annotated[float | None, typer.Option(parser=parse_time, metavar="S", help="Use the query up to here.")]
FloorOption = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=1.0, metavar="X", help="Show hits from this similarity on. 0 shows all. [default: measured]"
    ),
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the models run.")]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page that shows query frames beside what was found.")
]


def search(
    queries: QueriesArgument,
    k: CountOption = 10,
    per_video: PerVideoOption = 1,
    start: StartOption = None,
    end: EndOption = None,
    min_similarity: FloorOption = None,
    device: DeviceOption = "auto",
    fail_on_match: FailOption = False,
    json: JsonOption = False,
    report: ReportOption = None,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Find where a video, a part of it, or a picture is from.

    \b
      vsearch search excerpt.mp4                      the best places, best first
      vsearch search still.jpg -k 3
      vsearch search film.mkv --start 1:02:00 --end 1:02:30
      vsearch search *.mp4 --json --report found.html
      vsearch search jingle.mp4 --per-video 50 -k 50       every place where it is
      ls *.mp4 | vsearch search - --json                   each as it is done
      vsearch search upload.mp4 --fail-on-match && publish

    A hit names a video, the seconds in it that match, the seconds of the query that they match, and how similar they
    are. 'no match' is an answer. The originals may be offline; 'vsearch preview' shows a hit without them.
    """
    configure_logging(verbose)
    request = SearchRequest(
        start_s=start, end_s=end, k=k, per_video=per_video, min_similarity=min_similarity, device=device
    )
    failed = found = False
    with open_library(library, database) as opened:
        for result in opened.search(asked(queries), request, report=report):
            failed |= result.error is not None
            found |= bool(result.hits)
            if json:
                print_json(as_json(result))
            else:
                show(result)
    raise typer.Exit(MATCHED if found and fail_on_match else 1 if failed else 0)


def asked(queries: Sequence[Path]) -> Iterator[Path]:
    """The queries of a command line; in place of '-' those that standard input names, as they come."""
    for query in queries:
        if query != Path("-"):
            yield query
            continue
        for line in sys.stdin.buffer:
            if name := line.rstrip(b"\r\n"):
                yield Path(os.fsdecode(name))


def as_json(result: SearchResult) -> dict[str, Any]:
    """One line of `--json`: the query and its hits, or why it could not be read."""
    if result.error is not None:
        return {"format": 1, "query": result.query, "error": result.error, "code": result.error_code}
    hits = [hit_json(hit) for hit in result.hits]
    return {"format": 1, "query": result.query, "score_kind": result.score_kind, "hits": hits}


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit in the form that docs/cli.md promises."""
    b64 = {"video_b64": hit.video_b64} if hit.video_b64 is not None else {}
    return {
        "rank": hit.rank,
        "video": hit.video,
        **b64,
        "video_id": hit.video_id,
        "volume": hit.volume,
        "online": hit.online,
        "clip_id": hit.clip_id,
        "start_seconds": hit.start_s,
        "end_seconds": hit.end_s,
        "query_start_seconds": hit.query_start_s,
        "query_end_seconds": hit.query_end_s,
        "similarity": hit.similarity,
        "score": hit.score,
        "score_kind": hit.score_kind,
    }


def show(result: SearchResult) -> None:
    """A query and its hits for people; one that could not be read goes to stderr."""
    if result.error is not None:
        typer.echo(f"vsearch: error: {printable(result.error)}", err=True)
        return
    typer.echo(printable(result.query))
    if not result.hits:
        typer.echo("  no match")
    for line in table([row(hit) for hit in result.hits], right=[0]):
        typer.echo(f"  {line}")


def row(hit: Hit) -> list[str]:
    """A hit as cells of a table: rank, similarity, both ranges, ids, name, offline mark."""
    clip = f"c{hit.clip_id}" if hit.clip_id is not None else ""
    away = f"  [offline: {hit.volume or 'not mounted'}]" if not hit.online else ""
    query = ""
    if hit.query_start_s is not None and hit.query_end_s is not None:
        query = f"query {outward(hit.query_start_s, hit.query_end_s)}"
    found = outward(hit.start_s, hit.end_s)
    return [str(hit.rank), f"{hit.similarity:.3f}", found, query, f"v{hit.video_id}", clip, f"{hit.video}{away}"]


def outward(start_s: float, end_s: float) -> str:
    """A range in tenths of a second that holds the exact one, so that it can be pasted into `preview`."""
    return f"{clock(floor(start_s * 10 + 1e-6) / 10)} - {clock(ceil(end_s * 10 - 1e-6) / 10)}"
