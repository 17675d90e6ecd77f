"""`vsearch list`: what is in the library."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from vsearch.cli.context import (
    DatabaseOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
)
from vsearch.cli.text import print_json, table
from vsearch.text import clock, size

COLUMNS = (
    "video_id", "volume", "path", "duration_seconds", "size_bytes", "recorded_at", "state", "online", "reason",
    "pictures",
)  # fmt: skip
CLIP_COLUMNS = (
    "clip_id", "video_id", "volume", "video", "start_seconds", "end_seconds", "psnr_db", "ssim", "quality", "effort",
    "online",
)  # fmt: skip

PatternArgument = Annotated[
    str | None, typer.Argument(metavar="PATH|GLOB", help="Only this file or folder, or names that fit ('*.mkv').")
]
VolumeOption = Annotated[str | None, typer.Option(metavar="V", help="Only this volume, by its name.")]
StateOption = Annotated[
    Literal["ok", "partial", "failed", "offline"] | None, typer.Option(help="Only videos and files of this state.")
]
WorstClipsOption = Annotated[
    int | None,
    typer.Option("--worst-clips", min=1, metavar="N", help="The N clips whose pictures are least like the frames."),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a header line.")]


def listing(
    pattern: PatternArgument = None,
    volume: VolumeOption = None,
    state: StateOption = None,
    worst_clips: WorstClipsOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List videos and unreadable files, a line each.

    \b
      vsearch list
      vsearch list '*.mkv' --volume "Shelf 7"
      vsearch list --state failed
      vsearch list --csv > library.csv
      vsearch list --worst-clips 20
    """
    configure_logging(verbose)
    if json and as_csv:
        raise typer.BadParameter("--json or --csv, not both")
    if worst_clips is not None and state == "failed":
        raise typer.BadParameter("files that failed have no clips: --worst-clips or --state failed, not both")
    with open_library(library, database) as opened:
        if worst_clips is None:
            entries = opened.list(pattern, volume=volume, state=state)
        else:
            entries = opened.worst_clips(worst_clips, pattern, volume=volume, state=state)
    if json:
        for entry in entries:
            print_json({"format": 1, **entry})
    elif as_csv:
        write_csv(entries, COLUMNS if worst_clips is None else CLIP_COLUMNS)
    elif entries:
        lines = video_table(entries) if worst_clips is None else clip_table(entries)
        typer.echo("\n".join(lines))


def write_csv(entries: list[dict[str, Any]], columns: Sequence[str]) -> None:
    """The main columns of --json on stdout, missing values empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[csv_cell(entry.get(column)) for column in columns] for entry in entries])


def csv_cell(value: Any) -> str:
    """A value as --json writes it, without quotes; empty for none."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def video_table(entries: list[dict[str, Any]]) -> list[str]:
    """Videos and failed files for people."""
    head = ("id", "volume", "duration", "size", "recorded", "state", "path")
    return table([row(entry) for entry in entries], head=head, right=[2, 3])


def clip_table(entries: list[dict[str, Any]]) -> list[str]:
    """Clips for people, with what `preview` takes to show them."""
    rows = [
        [
            f"c{entry['clip_id']}",
            f"{entry['psnr_db']:.1f} dB",
            f"{entry['ssim']:.3f}",
            entry["quality"],
            f"{clock(entry['start_seconds'])} - {clock(entry['end_seconds'])}",
            f"v{entry['video_id']}",
            entry["video"] or "",
        ]
        for entry in entries
    ]
    return table(rows, head=("clip", "PSNR", "SSIM", "quality", "at", "id", "path"), right=[1])


def row(entry: dict[str, Any]) -> list[str]:
    """An entry as cells of the table for people."""
    failed = entry["video_id"] is None
    away = ", offline" if entry["online"] is False else ""
    bare = ", no pictures" if entry["pictures"] is False else ""
    reason = f"  ({entry['reason']})" if entry.get("reason") else ""
    return [
        "-" if failed else f"v{entry['video_id']}",
        entry["volume"] or "",
        "" if entry["duration_seconds"] is None else clock(entry["duration_seconds"]),
        "" if entry["size_bytes"] is None else size(entry["size_bytes"]),
        (entry["recorded_at"] or "")[:10],
        f"{entry['state']}{away}{bare}",
        f"{entry['path']}{reason}",
    ]
