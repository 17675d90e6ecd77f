"""`vsearch demo`: everything once, on videos that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsearch.cli.commands.index import describe
from vsearch.cli.context import VerboseOption, configure_logging, progress_shown
from vsearch.cli.text import table
from vsearch.errors import InputError
from vsearch.text import clock, counted, printable, span

if TYPE_CHECKING:
    from vsearch.cli.demo_clips import EditedCopy, Pixels
    from vsearch.progress import Progress
    from vsearch.records import Hit
    from vsearch.searching import SearchResult

MADE = {"videos", "queries", "library", "sheets", "report.html", "clusters.html"}

OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where everything goes.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the models run.")]


def demo(out: OutOption = Path("vsearch-demo"), device: DeviceOption = "auto", verbose: VerboseOption = False) -> None:
    """Try everything on videos made here.

    \b
      vsearch demo
      vsearch demo -o /tmp/demo

    Makes a dozen short videos and some edited copies of parts of them, indexes the videos with the ordinary pipeline,
    searches with the edited copies and with a video that is not in the library, and leaves the library, an HTML report,
    contact sheets and groups of clips. Exit status 1 when a copy was not found.
    """
    configure_logging(verbose)
    from vsearch.config import IndexConfig
    from vsearch.library import Library

    check_folder(out)
    with progress_shown() as progress:
        queries = make_videos(out, progress)
        with Library.open(out / "library", create=True) as library:
            indexed = library.index([out / "videos"], IndexConfig(device=device), progress=progress)
            typer.echo("\n".join(describe(indexed.as_json())))
            found = list(library.search(queries, k=3, device=device, report=out / "report.html"))
            library.preview(None, out / "sheets", form="folder", progress=progress)
            library.cluster(report=out / "clusters.html")
    missed = report(found)
    for name, what in (("report.html", "hits"), ("sheets/index.html", "contact sheets"), ("clusters.html", "groups")):
        typer.echo(f"{what}: {(out / name).resolve().as_uri()}")
    raise typer.Exit(1 if missed or indexed.exit_status else 0)


def check_folder(out: Path) -> None:
    """Raise InputError for a folder that holds something else than an earlier demo."""
    try:
        others = sorted(path.name for path in out.iterdir() if path.name not in MADE) if out.exists() else []
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    if others:
        raise InputError(f"{out} holds other files ({printable(others[0])}): choose another folder with -o")


def make_videos(out: Path, progress: Progress) -> list[Path]:
    """Write the clips and the queries; the queries' paths, the stranger last."""
    from vsearch.cli.demo_clips import FPS, demo_clips, edited_copies, stranger

    clips, copies, began = demo_clips(), edited_copies(), monotonic()
    videos, queries = out / "videos", out / "queries"
    for folder in (videos, queries):
        folder.mkdir(parents=True, exist_ok=True)
    progress.start("making videos", total_files=len(clips) + len(copies) + 1)
    for clip in clips:
        write(videos / f"{clip.name}.mp4", clip.frames(), progress, tick=Fraction(1, FPS))
    asked = [queries / f"{copy.name}.mp4" for copy in copies]
    for path, copy in zip(asked, copies, strict=True):
        write(path, copy.frames(), progress, tick=Fraction(1, FPS) / Fraction(copy.speed), crf=copy.crf)
    asked.append(queries / "stranger.mp4")
    write(asked[-1], stranger().frames(), progress, tick=Fraction(1, FPS))
    progress.finish()
    made = f"{counted(len(clips), 'video')} ({span(sum(clip.duration_s for clip in clips))})"
    typer.echo(f"made {made} and {counted(len(asked), 'query', 'queries')} in {span(monotonic() - began)}")
    return asked


def write(path: Path, frames: Iterable[Pixels], progress: Progress, *, tick: Fraction, crf: int = 20) -> None:
    """Write a video, unless an earlier demo has done so."""
    from vsearch.media.writer import write_video

    progress.file(path.name)
    if not path.exists():
        unfinished = path.with_name(f"unfinished-{path.name}")
        write_video(unfinished, frames, time_base=tick, crf=crf, options={"preset": "veryfast"})
        unfinished.replace(path)
    progress.advance(files=1)


def report(found: Sequence[SearchResult]) -> int:
    """Print what was found of what was expected; how many copies were missed."""
    from vsearch.cli.demo_clips import edited_copies

    copies = edited_copies()
    verdicts = [judge(copy, result) for copy, result in zip(copies, found, strict=False)]
    rows = [
        [copy.name, copy.what, verdict, *answer(result)]
        for copy, verdict, result in zip(copies, verdicts, found, strict=False)
    ]
    stray = found[-1]
    rows.append(["stranger", "not in the library", "found?!" if stray.hits else "no match", *answer(stray)])
    head = ("query", "what was done to it", "", "similarity", "in", "at")
    typer.echo("\n".join(table(rows, head=head, right=[3])))
    n_found = sum(verdict == "found" for verdict in verdicts)
    typer.echo(f"{n_found} of {len(copies)} edited copies found")
    return len(copies) - n_found


def judge(copy: EditedCopy, result: SearchResult) -> str:
    """Whether the best hit is the right video at the right time."""
    if result.error is not None:
        return f"error: {result.error}"
    if not result.hits:
        return "not found"
    best = result.hits[0]
    if Path(best.video).name != f"{copy.clip}.mp4":
        return "wrong video"
    return "found" if min(best.end_s, copy.end_s) > max(best.start_s, copy.start_s) else "wrong time"


def answer(result: SearchResult) -> list[str]:
    """Similarity, video and range of the best hit, as cells."""
    if not result.hits:
        return ["", "", ""]
    best: Hit = result.hits[0]
    return [f"{best.similarity:.3f}", Path(best.video).name, f"{clock(best.start_s)} - {clock(best.end_s)}"]
