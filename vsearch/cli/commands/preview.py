"""`vsearch preview`: look at what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsearch.cli.context import (
    BlurOption,
    DatabaseOption,
    GreyOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
    progress_shown,
)
from vsearch.cli.text import parse_time
from vsearch.text import counted, printable

TargetsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="VIDEO_OR_CLIP", help="A path, v12 or c345; id:12 and path:NAME force one reading."),
]
OutOption = Annotated[
    str | None,
    typer.Option("-o", "--out", metavar="FILE|DIR/", help="FILE.png, .webp, .gif or .mp4; DIR/ for a sheet each."),
]
FramesOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="One NNNNNNNNN.png a stored frame, named by its time in milliseconds."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Every video of the library, with -o DIR/.")]
StartOption = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="S", help="From here on: seconds or h:mm:ss.s.")
]
EndOption = Annotated[float | None, typer.Option(parser=parse_time, metavar="S", help="Up to here.")]
EveryOption = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="S", help="One picture each so many seconds.")
]
SpeedOption = Annotated[float, typer.Option(metavar="X", help="Times real time, for .mp4, .gif and --animate.")]
AnimateOption = Annotated[bool, typer.Option("--animate", help="Make a .webp move (without: a contact sheet).")]


def preview(
    targets: TargetsArgument = None,
    out: OutOption = None,
    frames: FramesOption = None,
    every_video: AllOption = False,
    start: StartOption = None,
    end: EndOption = None,
    every: EveryOption = None,
    speed: SpeedOption = 4.0,
    animate: AnimateOption = False,
    blur: BlurOption = False,
    grey: GreyOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Draw what is stored: sheets, animations, videos, frames.

    \b
      vsearch preview v12 -o sheet.png                     a contact sheet with times
      vsearch preview v12 -o hit.mp4 --start 61.2 --end 68 a hit, moving, at 4 times its speed
      vsearch preview c345 -o clip.gif
      vsearch preview v12 --frames frames/                 every stored frame
      vsearch preview --all -o sheets/                     a sheet each, and an index.html

    No original is needed. Pictures are reconstructions from stored latents, and say so in the picture or in the
    file's metadata.
    """
    configure_logging(verbose)
    if bool(targets) == every_video:
        raise typer.BadParameter("name videos or clips, or --all (not both)")
    if (out is None) == (frames is None):
        raise typer.BadParameter("say where to: -o FILE, -o DIR/ or --frames DIR (one of them)")
    with open_library(library, database, blur=blur, grey=grey) as opened, progress_shown() as progress:
        report = opened.preview(
            None if every_video else list(targets or []),
            Path(out) if out is not None else frames or Path(),
            start_s=start,
            end_s=end,
            every_s=every,
            speed=speed,
            form=form_of(out, animate),
            progress=progress,
        )
    where = printable(str(report.files[0] if out is not None else frames))
    typer.echo(f"{where}: {counted(report.frames, 'picture')}", err=True)


def form_of(out: str | None, animate: bool) -> str:
    """The form that the options ask for, in the words of `render`."""
    if out is None:
        return "frames"
    if out.endswith(("/", "\\")):
        return "folder"
    return "animation" if animate else "auto"
