"""`vsearch duplicates` and `vsearch recurring`: what is in the library more than once?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vsearch.cli.commands.search import outward
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
from vsearch.cli.text import parse_threshold, print_json, table
from vsearch.request import RECURRING_VIDEOS
from vsearch.text import clock, counted, said, size

OCCURRENCES_SHOWN = 5

ThresholdOption = Annotated[
    str | None,
    typer.Option(metavar="duplicate|similar|any|P", help="Show what reaches this score. [default: duplicate]"),
]
RecurringOption = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="What N videos show (titles, adverts) makes no duplicates; 0: it does."),
]
VideosOption = Annotated[int, typer.Option("--recurring", min=2, metavar="N", help="List what at least N videos show.")]
NotSameOption = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="A B", help="Remember that two videos are not the same, and list nothing."),
]
SameOption = Annotated[tuple[str, str] | None, typer.Option(metavar="A B", help="Take that back.")]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page with pictures of what is the same.")
]


def duplicates(
    threshold: ThresholdOption = None,
    recurring: RecurringOption = RECURRING_VIDEOS,
    not_same: NotSameOption = None,
    same: SameOption = None,
    json: JsonOption = False,
    report: ReportOption = None,
    blur: BlurOption = False,
    grey: GreyOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Find copies, excerpts and overlapping recordings.

    \b
      vsearch duplicates                              groups, the best copy of each first
      vsearch duplicates --report copies.html         with pictures of what is the same
      vsearch duplicates --not-same v12 v40           a person looked: they are two things

    The originals may be offline, and none is touched. The best copy is the first by these rules: it decodes to its end,
    it is not a part of another one, it has the most pixels, the highest bit rate, it is the longest, recorded first,
    indexed first.
    """
    configure_logging(verbose)
    least = None if threshold is None else parse_threshold(threshold)
    if not_same and same:
        raise typer.BadParameter("--not-same and --same cannot be done at once")
    with open_library(library, database, blur=blur, grey=grey) as opened:
        if marked := not_same or same:
            changed = (opened.mark_not_same if not_same else opened.unmark_not_same)(*marked)
            told = {"format": 1, "a": marked[0], "b": marked[1], "not_same": bool(not_same), "changed": changed}
            if json:
                print_json(told)
            else:
                typer.echo(describe_mark(told), err=True)
            return
        found = opened.duplicates(least, recurring=recurring, report=report)
    if json:
        print_json(found)
    else:
        typer.echo("\n".join(describe(found)))


def recurring(
    videos: VideosOption = RECURRING_VIDEOS,
    json: JsonOption = False,
    report: ReportOption = None,
    blur: BlurOption = False,
    grey: GreyOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List what many videos show: titles, idents, adverts.

    \b
      vsearch recurring
      vsearch recurring --recurring 5 --report idents.html
    """
    configure_logging(verbose)
    with open_library(library, database, blur=blur, grey=grey) as opened:
        found = opened.recurring(videos, report=report)
    if json:
        print_json(found)
    else:
        typer.echo("\n".join(describe_recurring(found)))


def describe_mark(told: dict[str, Any]) -> str:
    """What holds now of two videos."""
    how = "are not the same" if told["not_same"] else "may be the same"
    return f"{told['a']} and {told['b']} {how}" + ("" if told["changed"] else ", as before")


def describe(found: dict[str, Any]) -> list[str]:
    """The groups, largest first: their videos, best copy first, then what pairs of them share."""
    lines = [] if found["groups"] else ["no duplicates"]
    for group in found["groups"]:
        lines.append(
            f"group {group['group']}: {counted(group['size'], 'video')}; best is v{group['best']}: {group['reason']}"
        )
        lines += [f"  {line}" for line in table([copy_row(video) for video in group["videos"]], right=[1, 2, 3])]
        rows = [pair_row(pair) for pair in group["pairs"]]
        lines += [f"    {line}" for line in table(rows)]
    if found["recurring"]:
        lines.append(f"left out: {counted(found['recurring'], 'recurring range')} ('vsearch recurring' lists them)")
    return lines


def copy_row(video: dict[str, Any]) -> list[str]:
    """A video as cells of a table."""
    away = "" if video["online"] else f"  [offline: {video['volume'] or 'not mounted'}]"
    pixels = f"{video['width']}x{video['height']}"
    name = f"{video['video']}{away}"
    return [f"v{video['video_id']}", clock(video["duration_seconds"]), pixels, size(video["size_bytes"]), name]


def pair_row(pair: dict[str, Any]) -> list[str]:
    """How two videos are related, the score, and their best range."""
    best = pair["ranges"][0]
    ranges = [
        f"v{pair[side]} {outward(best[f'{side}_start_seconds'], best[f'{side}_end_seconds'])}" for side in ("a", "b")
    ]
    more = len(pair["ranges"]) - 1
    return [
        said(pair["a"], pair["b"], pair["contained"], pair["relation"]),
        f"{pair['score']:.3f}",
        *ranges,
        f"and {counted(more, 'range')} more" if more else "",
    ]


def describe_recurring(found: dict[str, Any]) -> list[str]:
    """The material, what is in most videos first, with the first places where it is."""
    if not found["materials"]:
        return [f"nothing recurs in {found['least_videos']} videos or more"]
    lines = []
    for material in found["materials"]:
        lines.append(f"{material['material']}: {material['length_seconds']:.1f} s in {material['videos']} videos")
        shown = material["occurrences"][:OCCURRENCES_SHOWN]
        rows = [
            [f"v{one['video_id']}", outward(one["start_seconds"], one["end_seconds"]), one["video"]] for one in shown
        ]
        lines += [f"  {line}" for line in table(rows)]
    return lines
