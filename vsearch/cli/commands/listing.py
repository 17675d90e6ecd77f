"""`vsearch list`: what is in the library."""

from __future__ import annotations

import csv
import sys
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
)  # fmt: skip

PatternArgument = Annotated[
    str | None, typer.Argument(metavar="PATH|GLOB", help="Only this file or folder, or names that fit ('*.mkv').")
]
VolumeOption = Annotated[str | None, typer.Option(metavar="V", help="Only this volume, by its name.")]
StateOption = Annotated[
    Literal["ok", "partial", "failed", "offline"] | None, typer.Option(help="Only videos and files of this state.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a header line.")]


def listing(
    pattern: PatternArgument = None,
    volume: VolumeOption = None,
    state: StateOption = None,
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
    """
    configure_logging(verbose)
    if json and as_csv:
        raise typer.BadParameter("--json or --csv, not both")
    with open_library(library, database) as opened:
        entries = opened.list(pattern, volume=volume, state=state)
    if json:
        for entry in entries:
            print_json({"format": 1, **entry})
    elif as_csv:
        write_csv(entries)
    elif entries:
        head = ("id", "volume", "duration", "size", "recorded", "state", "path")
        typer.echo("\n".join(table([row(entry) for entry in entries], head=head, right=[2, 3])))


def write_csv(entries: list[dict[str, Any]]) -> None:
    """The main columns of --json on stdout, missing values empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([[csv_cell(entry.get(column)) for column in COLUMNS] for entry in entries])


def csv_cell(value: Any) -> str:
    """A value as --json writes it, without quotes; empty for none."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def row(entry: dict[str, Any]) -> list[str]:
    """An entry as cells of the table for people."""
    failed = entry["video_id"] is None
    state = f"{entry['state']}, offline" if entry["online"] is False else entry["state"]
    reason = f"  ({entry['reason']})" if entry.get("reason") else ""
    return [
        "-" if failed else f"v{entry['video_id']}",
        entry["volume"] or "",
        "" if entry["duration_seconds"] is None else clock(entry["duration_seconds"]),
        "" if entry["size_bytes"] is None else size(entry["size_bytes"]),
        (entry["recorded_at"] or "")[:10],
        state,
        f"{entry['path']}{reason}",
    ]
