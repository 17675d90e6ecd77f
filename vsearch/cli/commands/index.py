"""`vsearch index`: videos into the library."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vsearch.cli.context import (
    DatabaseOption,
    IndexMemoryOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
    progress_shown,
)
from vsearch.cli.text import parse_pixels, parse_rate, print_json
from vsearch.config import INDEX_MEMORY_BYTES, PREVIEW_PIXELS, IndexConfig, ReadConfig
from vsearch.errors import NotALibraryError
from vsearch.text import counted, printable, size, span

FAILURES_SHOWN = 20

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Files and folders. None: finish what an interrupted run left open."),
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the models run.")]
FpsOption = Annotated[
    Fraction, typer.Option(parser=parse_rate, metavar="F", help="Frames stored a second: 1, 0.5, 30000/1001.")
]
SamplingOption = Annotated[
    Literal["exact", "keyframes"],
    typer.Option(help="exact: decode every frame. keyframes: decode key frames only, many times faster, coarser."),
]
QualityOption = Annotated[
    Literal["low", "default", "high"], typer.Option(help="How fine the stored pictures are: smaller, or more like it.")
]
EffortOption = Annotated[
    Literal["fast", "default", "archive"],
    typer.Option(help="How hard to try for fewer bytes: archive takes longest and stores least."),
]
PreviewSizeOption = Annotated[
    int,
    typer.Option(
        "--preview-size",
        parser=parse_pixels,
        metavar="N|WxH",
        help="About how many pixels a stored picture has: 36864, or 256x144 (any shape of that area).",
    ),
]
UpgradeOption = Annotated[
    bool,
    typer.Option(
        "--upgrade", help="Read videos again that were stored with less than is asked for. No PATH: all originals here."
    ),
]
NoQualityCheckOption = Annotated[
    bool,
    typer.Option("--no-quality-check", help="Don't compare stored pictures with their frames; a little faster."),
]
NoPicturesOption = Annotated[
    bool, typer.Option("--no-pictures", help="Store what videos are found by, and nothing that shows them.")
]
VolumeOption = Annotated[str | None, typer.Option(metavar="NAME", help="The disk's name, instead of its label.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Try again what failed before, though it has not changed.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, how long and how large; write nothing.")
]
LogOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a line with the reason for each failed or ignored file.")
]


def index(
    paths: PathsArgument = None,
    device: DeviceOption = "auto",
    fps: FpsOption = Fraction(1),
    sampling: SamplingOption = "exact",
    quality: QualityOption = "default",
    effort: EffortOption = "default",
    preview_size: PreviewSizeOption = PREVIEW_PIXELS,
    upgrade: UpgradeOption = False,
    no_quality_check: NoQualityCheckOption = False,
    no_pictures: NoPicturesOption = False,
    volume: VolumeOption = None,
    index_memory: IndexMemoryOption = INDEX_MEMORY_BYTES,
    retry: RetryOption = False,
    dry_run: DryRunOption = False,
    log: LogOption = None,
    json: JsonOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Read videos into the library, each once.

    \b
      vsearch index ~/Videos                          a folder and everything below it
      vsearch index /mnt/shelf --volume "Shelf 7"     a disk that will go back on the shelf
      vsearch index ~/Videos --dry-run                how long, and how large?
      vsearch index                                   go on where an interrupted run stopped
      vsearch index --upgrade --quality high          finer pictures of all whose originals are here
      vsearch index /mnt/case --no-pictures           to find what may not be kept

    A video is known by its content, whatever it is called and wherever it lies, and is not read again; originals are
    only ever read. A file that cannot be read is named with its reason and skipped next time, unless it changed or
    --retry is given. After an interruption the same command goes on. Videos of one library may be stored with
    different settings; what is stored is only replaced with --upgrade, and never by less.
    """
    configure_logging(verbose)
    config = IndexConfig(
        read=ReadConfig(fps=fps, sampling=sampling, preview_pixels=preview_size),
        device=device,
        volume=volume,
        retry=retry,
        quality=quality,
        effort=effort,
        quality_check=not no_quality_check,
        upgrade=upgrade,
        pictures=not no_pictures,
        index_memory_bytes=index_memory,
    )
    wanted = list(paths or [])
    if dry_run:
        report = estimate(wanted, config, library, database)
    else:
        with open_library(library, database, create=True) as opened, progress_shown() as progress:
            report = opened.index(wanted, config, progress=progress, log=log)
    figures = report.as_json()
    if json:
        print_json(figures)
    else:
        print("\n".join(describe_plan(figures) if dry_run else describe(figures)))
    for problem in report.problems:
        typer.echo(f"vsearch: {printable(problem)}", err=True)
    raise typer.Exit(report.exit_status)


def estimate(paths: list[Path], config: IndexConfig, library: Path | None, database: str | None) -> Any:
    """What indexing would do. A library that does not exist yet is not made."""
    from vsearch.library import Library

    try:
        with open_library(library, database) as opened, progress_shown() as progress:
            return opened.plan(paths, config, progress=progress)
    except NotALibraryError:
        with progress_shown() as progress:
            return Library.plan_new(paths, config, progress=progress)


def describe(figures: dict[str, Any]) -> list[str]:
    """What a run did, in a few lines."""
    counts = [f"{figures[key]:,} {key}" for key in ("indexed", "partial") if figures[key]]
    counts += [f"{figures['upgraded']:,} of them upgraded"] if figures["upgraded"] else []
    counts += [f"{figures[key]:,} {key}" for key in ("unchanged", "copies") if figures[key]]
    failed = figures["failed"]
    counts += [f"{len(failed):,} failed"] if failed else []
    counts += [f"{figures[key]:,} {key}" for key in ("ignored", "offline") if figures[key]]
    lines = [", ".join(counts) or "nothing to index"]
    if figures["ignored"] and len(counts) == 1:
        lines.append("no videos there: --log FILE says of each file why it was ignored (links out of the folders, too)")
    video, elapsed = figures["seconds_of_video"], figures["elapsed_seconds"]
    if video:
        speed = video / max(elapsed, 1e-9)
        lines.append(f"{span(video)} of video in {span(elapsed)} ({speed:,.0f} times real time)")
        stored = figures["bytes_latents"] + figures["bytes_embeddings"]
        per_hour = size(stored / video * 3600)
        lines.append(f"{counted(figures['clips'], 'clip')}, {size(stored)} stored ({per_hour} per hour of video)")
    if figures["not_upgraded"]:
        missed = counted(figures["not_upgraded"], "video was", "videos were")
        lines.append(f"{missed} not upgraded: offline (--log FILE names them)")
    lines += [f"failed: {printable(one['path'])}: {printable(one['reason'])}" for one in failed[:FAILURES_SHOWN]]
    if len(failed) > FAILURES_SHOWN:
        lines.append(f"and {len(failed) - FAILURES_SHOWN:,} more (--log FILE names them all)")
    return lines


def describe_plan(figures: dict[str, Any]) -> list[str]:
    """What a run would do, in a few lines."""
    return [
        f"{counted(figures['files'], 'file')} to read, {span(figures['seconds_of_video'])} of video",
        f"about {span(figures['estimated_seconds'])} here, and {size(figures['estimated_bytes'])} in the library",
        "nothing was written (--dry-run)",
    ]
