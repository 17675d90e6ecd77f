"""`vsearch search`: where is this from?"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Iterator, Sequence
from itertools import chain
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsearch._version import __version__
from vsearch.cli.context import (
    BlurOption,
    DatabaseOption,
    GreyOption,
    IndexMemoryOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    models_elsewhere,
    open_library,
)
from vsearch.cli.limits import parse_days, parse_limits, parse_lines, parse_size
from vsearch.cli.text import parse_export, parse_region, parse_threshold, parse_time, print_json, table
from vsearch.config import INDEX_MEMORY_BYTES, Region
from vsearch.request import Examples, SearchRequest, VideoFilter
from vsearch.text import clock, printable

if TYPE_CHECKING:
    from vsearch.records import Hit
    from vsearch.searching import SearchResult

MATCHED = 3  # the exit status of `--fail-on-match` when something was found

QueriesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="QUERY",
        help="Videos, pictures, or folders of them; what is stored (v12, c345, VIDEO@1:02.5, VIDEO@1:02-1:30); '-': "
        "names, a line each, from stdin.",
    ),
]
LikeOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="QUERY", help="Find what is like any of these examples, as one query. Repeatable."),
]
UnlikeOption = Annotated[
    list[Path] | None, typer.Option(metavar="QUERY", help="... and not more like one of these. Repeatable.")
]
ClipOption = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Ask with a clip of the library (345 or c345). Repeatable.")
]
RegionOption = Annotated[
    Region | None,
    typer.Option(
        parser=parse_region,
        metavar="X,Y,W,H",
        help="Use this part of the query's pictures, in pixels or like 10%,20%,50%,50%.",
    ),
]
PathOption = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="GLOB", help="Only videos at a path like this: a folder, or a glob. Repeatable."),
]
DurationOption = Annotated[str | None, typer.Option(metavar="MIN..MAX", help="Only videos so long: 10..60, 1:00:00..")]
DateOption = Annotated[
    str | None, typer.Option("--date", metavar="FROM..TO", help="Only videos recorded then: 2019, 2019-05..2020-03-31.")
]
SizeOption = Annotated[str | None, typer.Option(metavar="MIN..MAX", help="Only files so large: 100MB.., ..2GB.")]
ResolutionOption = Annotated[
    str | None, typer.Option(metavar="MIN..MAX", help="Only videos with so many lines (the shorter side): 720..1080.")
]
OnlineOption = Annotated[
    bool | None, typer.Option("--online/--offline", help="Only videos whose originals can, or cannot, be seen now.")
]
NotInOption = Annotated[
    list[str] | None, typer.Option(metavar="VIDEO", help="Leave this video of the library out. Repeatable.")
]
ClusterOption = Annotated[
    list[int] | None,
    typer.Option(min=1, metavar="N", help="Only clips in this group of the last 'vsearch cluster'. Repeatable."),
]
CountOption = Annotated[
    int | None,
    typer.Option("-k", "--count", min=1, metavar="N", help="At most so many hits a query, or groups. [default: 10]"),
]
PerVideoOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="At most so many hits in one video, each elsewhere in it. [default: 1; with --group and --all-above all]",
    ),
]
AllAboveOption = Annotated[
    str | None,
    typer.Option(
        metavar="duplicate|similar|any|P", help="A threshold, but show all hits that reach it, however many there are."
    ),
]
GroupOption = Annotated[
    Literal["video", "clip", "shot"] | None,
    typer.Option(help="Show hits in the same video, clip or shot as one, the best standing for all."),
]
FailOption = Annotated[bool, typer.Option("--fail-on-match", help="Exit with status 3 if anything was found.")]
StartOption = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="S", help="Use the query from here on: seconds or h:mm:ss.s.")
]
EndOption = Annotated[float | None, typer.Option(parser=parse_time, metavar="S", help="Use the query up to here.")]
FloorOption = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=1.0, metavar="X", help="Show hits from this similarity (mean cosine) on instead. 0 shows all."
    ),
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        metavar="duplicate|similar|any|P",
        help="Show hits that are the same material with this probability. [default: similar]",
    ),
]
ViewsOption = Annotated[
    bool,
    typer.Option(
        "--views/--no-views",
        help="Ask a query that is in doubt again: mirrored, and with pictures found inside its pictures.",
    ),
]
ReversedOption = Annotated[bool, typer.Option("--reversed", help="Find what plays backwards as well.")]
RecurringOption = Annotated[
    bool,
    typer.Option(
        "--include-recurring", help="Let titles and adverts that many videos share count as much as the rest."
    ),
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the models run.")]
NewOption = Annotated[bool, typer.Option("--new", help="Print only the names of the queries that have no hit.")]
NullOption = Annotated[bool, typer.Option("-0", "--null", help="With --new: end names with a zero byte, for xargs -0.")]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page that shows query frames beside what was found.")
]
ExportOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_export,
        metavar="FILE",
        help="Write the hits for other programs: a table (.csv), an edit list (.edl) or a timeline (.otio).",
    ),
]


def search(
    queries: QueriesArgument = None,
    like: LikeOption = None,
    unlike: UnlikeOption = None,
    clip: ClipOption = None,
    start: StartOption = None,
    end: EndOption = None,
    region: RegionOption = None,
    path: PathOption = None,
    duration: DurationOption = None,
    date: DateOption = None,
    size: SizeOption = None,
    resolution: ResolutionOption = None,
    online: OnlineOption = None,
    not_in: NotInOption = None,
    cluster: ClusterOption = None,
    k: CountOption = None,
    per_video: PerVideoOption = None,
    threshold: ThresholdOption = None,
    all_above: AllAboveOption = None,
    group: GroupOption = None,
    min_similarity: FloorOption = None,
    views: ViewsOption = True,
    reversed_play: ReversedOption = False,
    include_recurring: RecurringOption = False,
    device: DeviceOption = "auto",
    index_memory: IndexMemoryOption = INDEX_MEMORY_BYTES,
    fail_on_match: FailOption = False,
    new: NewOption = False,
    null: NullOption = False,
    json: JsonOption = False,
    report: ReportOption = None,
    export: ExportOption = None,
    blur: BlurOption = False,
    grey: GreyOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Find where a video, a part of it, or a picture is from.

    \b
      vsearch search excerpt.mp4                      the best places, best first
      vsearch search still.jpg -k 3
      vsearch search film.mkv --start 1:02:00 --end 1:02:30
      vsearch search poster.jpg --region 10%,20%,50%,50%   a corner of a picture
      vsearch search v12@0:12:03.5 --clip 345         what is stored: a frame, a clip
      vsearch search --like a.jpg --like b.jpg --unlike c.jpg
      vsearch search face.jpg --path '/mnt/shelf*' --date 2019..2021 --duration 1:00..
      vsearch search v12@1:02-1:30 --not-in v12       where else it is
      vsearch search face.jpg --cluster 3             only in group 3 of the last 'vsearch cluster'
      vsearch search *.mp4 --json --report found.html
      vsearch search cut.mp4 -k 50 --export found.edl      for the editing program
      vsearch search jingle.mp4 --all-above similar   every place where it is
      vsearch search jingle.mp4 --group video         the videos that have it, with their places
      ls *.mp4 | vsearch search - --json                   each as it is done
      vsearch search upload.mp4 --threshold duplicate --fail-on-match && publish
      vsearch search Downloads --new -0 | xargs -0 ls      what is not there yet

    A hit names a video, the seconds in it that match, the seconds of the query that they match, how probable it is that
    both show the same material, and how similar they look (mean cosine). 'no match' is an answer. The originals may be
    offline; 'vsearch preview' shows a hit without them.
    """
    configure_logging(verbose)
    asked = all_asked(queries or [], clip or [], like or [], unlike or [])
    if null and not new:
        raise typer.BadParameter("-0 is for the names that --new prints")
    if threshold is not None and all_above is not None:
        raise typer.BadParameter("--all-above is a threshold already: --threshold or --all-above, not both")
    if k is not None and all_above is not None:
        raise typer.BadParameter("-k counts hits, --all-above shows all of them: one or the other")
    if new and json:
        raise typer.BadParameter("--new prints names: --new or --json, not both")
    request = SearchRequest(
        start_s=start,
        end_s=end,
        region=region,
        where=VideoFilter(
            paths=tuple(path or ()),
            duration_s=parse_limits("--duration", duration, parse_time),
            recorded=parse_days("--date", date),
            size_bytes=parse_limits("--size", size, parse_size),
            lines=parse_limits("--resolution", resolution, parse_lines),
            online=online,
            not_in=tuple(not_in or ()),
        ),
        clusters=tuple(cluster or ()),
        k=k,
        per_video=per_video,
        threshold=None if threshold is None else parse_threshold(threshold),
        all_above=None if all_above is None else parse_threshold(all_above, "--all-above"),
        group=group,
        min_similarity=min_similarity,
        views=views,
        reversed_play=reversed_play,
        include_recurring=include_recurring,
        device=device,
        index_memory_bytes=index_memory,
    )
    failed = found = False
    with (
        models_elsewhere(device) as models,
        open_library(library, database, blur=blur, grey=grey, models=models) as opened,
    ):
        for result in opened.search(asked, request, report=report, export=export):
            failed |= result.error is not None
            found |= bool(result.hits)
            if json:
                print_json(as_json(result))
            elif new:
                show_new(result, end=b"\0" if null else b"\n")
            else:
                show(result)
    raise typer.Exit(MATCHED if found and fail_on_match else 1 if failed else 0)


def all_asked(
    queries: Sequence[Path], clips: Sequence[str], like: Sequence[Path], unlike: Sequence[Path]
) -> Iterator[Path | str | Examples]:
    """What a command line asks, in its order: queries, clips, then all examples as one. Raises BadParameter."""
    if unlike and not like:
        raise typer.BadParameter("--unlike takes away from what is --like something: name an example of that as well")
    if not (queries or clips or like):
        raise typer.BadParameter("name at least one QUERY, or examples with --like")
    stored = [f"id:{clip if clip.startswith('c') else f'c{clip}'}" for clip in clips]
    for given, name in zip(clips, stored, strict=True):
        if not name[4:].isdecimal():
            raise typer.BadParameter(f"--clip takes the number of a clip (345 or c345), not {given!r}")
    examples = [Examples(tuple(like), tuple(unlike))] if like else []
    return chain(read_names(queries), stored, examples)


def read_names(queries: Sequence[Path]) -> Iterator[Path]:
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
    b64 = {"query_b64": result.query_b64} if result.query_b64 is not None else {}
    state = {"head": result.head, "generation": result.generation, "version": __version__}
    line = {"format": 1, "query": result.query, **b64, **state}
    if result.error is not None:
        return {**line, "error": result.error, "code": result.error_code}
    blank = {"blank": True} if result.blank else {}
    return {**line, **blank, "score_kind": result.score_kind, "hits": [hit_json(hit) for hit in result.hits]}


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit in the form that docs/cli.md promises."""
    b64 = {"video_b64": hit.video_b64} if hit.video_b64 is not None else {}
    example = {"example": hit.example} if hit.example is not None else {}
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
        "rate": hit.rate,
        "query_coverage": hit.query_coverage,
        "video_coverage": hit.video_coverage,
        "similarity": hit.similarity,
        "score": hit.score,
        "score_kind": hit.score_kind,
        "view": hit.view,
        "details": hit.details,
        **example,
        **({"others": [place_json(other) for other in hit.others]} if hit.others else {}),
    }


def place_json(hit: Hit) -> dict[str, Any]:
    """A further hit of a group: what differs from the one that stands for it."""
    shared = {"rank", "video", "video_b64", "video_id", "volume", "online", "score_kind"}
    return {key: value for key, value in hit_json(hit).items() if key not in shared}


def show(result: SearchResult) -> None:
    """A query and its hits for people; one that could not be read goes to stderr."""
    if result.error is not None:
        typer.echo(f"vsearch: error: {printable(result.error)}", err=True)
        return
    typer.echo(printable(result.query))
    if not result.hits:
        why = ": nothing in it can be compared (black, flat or test pictures)" if result.blank else ""
        typer.echo(f"  no match{why}")
    for line, hit in zip(table([row(hit) for hit in result.hits], right=[0, 1]), result.hits, strict=True):
        typer.echo(f"  {line}")
        if hit.others:
            typer.echo(f"     also at {', '.join(outward(other.start_s, other.end_s) for other in hit.others)}")


def show_new(result: SearchResult, *, end: bytes) -> None:
    """The name of a query without a hit, as the file system has it; one that could not be read goes to stderr."""
    if result.error is not None:
        show(result)
    elif not result.hits:
        name = result.query.encode() if result.query_b64 is None else b64decode(result.query_b64)
        sys.stdout.buffer.write(name + end)
        sys.stdout.buffer.flush()


def row(hit: Hit) -> list[str]:
    """A hit as cells of a table: rank, probability, similarity, both ranges, ids, name, offline mark."""
    clip = f"c{hit.clip_id}" if hit.clip_id is not None else ""
    away = f"  [offline: {hit.volume or 'not mounted'}]" if not hit.online else ""
    query = ""
    if hit.query_start_s is not None and hit.query_end_s is not None:
        query = f"{hit.example or 'query'} {outward(hit.query_start_s, hit.query_end_s)}"
    elif hit.example is not None:
        query = hit.example
    found = outward(hit.start_s, hit.end_s)
    if hit.view:
        query = f"{query} ({hit.view})".strip()
    chance = [f"{hit.score:.0%}"] if hit.score_kind == "probability" else []
    name = f"{hit.video}{away}"
    return [str(hit.rank), *chance, f"{hit.similarity:.3f}", found, query, f"v{hit.video_id}", clip, name]


def outward(start_s: float, end_s: float) -> str:
    """A range in tenths of a second that holds the exact one, so that it can be pasted into `preview`."""
    return f"{clock(floor(start_s * 10 + 1e-6) / 10)} - {clock(ceil(end_s * 10 - 1e-6) / 10)}"
