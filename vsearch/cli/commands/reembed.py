"""`vsearch reembed`: embeddings again, from what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vsearch.cli.context import (
    DatabaseOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
    progress_shown,
)
from vsearch.cli.text import print_json
from vsearch.text import counted, printable, span

LEFT_SHOWN = 20

VideosArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="VIDEO", help="Only these: a path, v12, or a name. None: all that lack embeddings of it."),
]
HeadOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A head's folder. [default: the one that comes with vsearch, if it fits]"),
]
LeaveOutOption = Annotated[
    bool,
    typer.Option("--leave-out", help="Go on without videos that can't be embedded; they won't be found any more."),
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the head runs.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="So many processes. [default: one a core, where there is much]")
]


def reembed(
    videos: VideosArgument = None,
    head: HeadOption = None,
    leave_out: LeaveOutOption = False,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Compute embeddings again, from stored pictures.

    \b
      vsearch reembed                        with the head that came with a new vsearch
      vsearch reembed --head runs/head/model with one of your own (vsearch train embedding)
      vsearch reembed v12                    only this video, again

    No original is needed. The library is searched as before until every video has its new embeddings; then it changes
    to them at once. After an interruption the same command goes on.
    """
    configure_logging(verbose)
    with open_library(library, database) as opened, progress_shown() as progress:
        report = opened.reembed(
            videos or None, head=head, leave_out=leave_out, device=device, workers=workers, progress=progress
        )
    figures = report.as_json()
    if json:
        print_json(figures)
    else:
        typer.echo("\n".join(describe(figures)))
    raise typer.Exit(report.exit_status)


def describe(figures: dict[str, Any]) -> list[str]:
    """What was done, in a few lines."""
    lines = []
    if figures["videos"]:
        elapsed = figures["elapsed_seconds"]
        speed = f"{figures['frames'] / max(elapsed, 1e-9):,.0f} a second"
        done = f"{counted(figures['videos'], 'video')}, {counted(figures['frames'], 'frame')}"
        lines.append(f"embedded {done} in {span(elapsed)} ({speed})")
    if figures["unchanged"]:
        lines.append(f"{counted(figures['unchanged'], 'video')} had embeddings of this head already")
    left = figures["left"]
    lines += [
        f"v{one['video_id']} {printable(one['video'] or '')}: {printable(one['reason'])}" for one in left[:LEFT_SHOWN]
    ]
    lines += [f"and {len(left) - LEFT_SHOWN:,} more (--json names them all)"] if len(left) > LEFT_SHOWN else []
    return [*lines, state_of(figures)]


def state_of(figures: dict[str, Any]) -> str:
    """What is searched with now, and what to do where that is not what was asked for."""
    head, left, waiting = figures["head"][:12], len(figures["left"]), figures["waiting"]
    if figures["switched"]:
        without = f", without {counted(left, 'video')}: index their originals again to find them" if left else ""
        return f"the library is searched with head {head} now{without}"
    if left:
        remedy = "index their originals again, or go on without them (--leave-out)"
        return f"{counted(left, 'video')} can't be embedded by head {head}: {remedy}"
    if waiting:
        return f"{counted(waiting, 'video')} to go before the library is searched with head {head}: `vsearch reembed`"
    return f"the library is searched with head {head}"
