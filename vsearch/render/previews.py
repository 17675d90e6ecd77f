"""Previews as files: sheets, animations, videos, numbered frames, a folder of sheets with an index page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsearch.errors import InputError, VsearchError
from vsearch.media.writer import write_video
from vsearch.progress import Progress, SilentProgress
from vsearch.render.files import make_folder, written_whole
from vsearch.render.frames import Excerpt, Picture, decode_pictures, pick_frames
from vsearch.render.marks import MARK, SOFTWARE, save_options
from vsearch.render.reports import SheetEntry, write_sheet_index
from vsearch.render.sheets import ACCENT, FAINT, PAPER, describe, save_sheet, sheet_of
from vsearch.text import clock, printable

FORMS = ("auto", "sheet", "animation", "video", "frames", "folder")
SUFFIX_FORMS = {".png": "sheet", ".webp": "sheet", ".gif": "animation", ".mp4": "video"}
FORM_SUFFIXES = {"sheet": (".png", ".webp"), "animation": (".gif", ".webp"), "video": (".mp4",)}

ANIMATION_PICTURES = 150  # a GIF of so many is a few megabytes
LONGEST_STEP_S = 0.5  # an animation of few pictures of a long video still moves
SHORTEST_STEP_S = 0.02  # browsers slow down what is faster
STRIP = 20  # height in pixels of the caption under moving pictures
VIDEO_TIME_BASE = Fraction(1, 10_000)


@dataclass(frozen=True, slots=True)
class PreviewReport:
    """What was written: the files, and how many pictures they show."""

    files: tuple[Path, ...]
    frames: int


def write_preview(
    excerpts: Sequence[Excerpt],
    out: Path,
    *,
    every_s: float | None = None,
    speed: float = 4.0,
    form: str = "auto",
    progress: Progress | None = None,
) -> PreviewReport:
    """Draw excerpts to `out`, in the form that its name asks for: a file for one excerpt, a folder for any number.

    `.png` and `.webp` are contact sheets (`form="animation"` moves the `.webp`), `.gif` is an animation, `.mp4` a video
    at `speed` times real time; a folder gets a sheet each and an index.html, or with `form="frames"` numbered pictures.
    Raises InputError for what cannot be drawn so, LatentError for damaged latents.
    """
    if not excerpts:
        raise InputError("there is nothing to preview")
    if speed <= 0:
        raise InputError(f"the speed must be above 0, not {speed:g}")
    form = resolve_form(out, form)
    if form == "folder":
        return write_folder(excerpts, out, every_s=every_s, progress=progress or SilentProgress())
    if len(excerpts) > 1:
        raise InputError(f"{len(excerpts)} previews do not fit one file: name a folder, -o {out.with_suffix('')}/")
    if form == "frames":
        return write_frames(excerpts[0], out, every_s=every_s)
    if form == "sheet":
        return write_sheet(excerpts[0], out, every_s=every_s)
    if form == "animation":
        return write_animation(excerpts[0], out, every_s=every_s, speed=speed)
    return write_movie(excerpts[0], out, every_s=every_s, speed=speed)


def resolve_form(out: Path, form: str) -> str:
    """The form that `out` gets: one of FORMS but auto. Raises InputError where name and form disagree."""
    if form not in FORMS:
        raise InputError(f"unknown form {form!r}; known: {', '.join(FORMS)}")
    if form in ("frames", "folder"):
        return form
    suffix = out.suffix.lower()
    if out.is_dir() or not suffix:
        if form in ("auto", "sheet"):
            return "folder"
        raise InputError(f"{form} is written to one file, not to the folder {out}")
    if suffix not in SUFFIX_FORMS:
        raise InputError(f"{out.name}: a preview is a .png, .webp, .gif or .mp4 file, or a folder ending in /")
    if form == "auto":
        return SUFFIX_FORMS[suffix]
    if suffix not in FORM_SUFFIXES[form]:
        raise InputError(f"{out.name}: {form} is written to {' or '.join(FORM_SUFFIXES[form])}")
    return form


def write_sheet(excerpt: Excerpt, out: Path, *, every_s: float | None = None) -> PreviewReport:
    """A contact sheet as PNG or WebP."""
    sheet = sheet_of(excerpt, every_s=every_s)
    save_sheet(sheet, out)
    return PreviewReport((out,), sheet.shown)


def write_folder(
    excerpts: Sequence[Excerpt], out: Path, *, every_s: float | None = None, progress: Progress | None = None
) -> PreviewReport:
    """A WebP sheet for each excerpt and an index.html that opens from disk. What cannot be drawn is named there."""
    progress = progress or SilentProgress()
    progress.start("drawing", total_files=len(excerpts))
    entries, names, shown = [], _unique_names(excerpts), 0
    make_folder(out)
    for excerpt, name in zip(excerpts, names, strict=True):
        progress.file(excerpt.footage.name)
        try:
            sheet = sheet_of(excerpt, every_s=every_s)
        except VsearchError as error:
            progress.message(f"{excerpt.footage.name}: {error}")
            entries.append(SheetEntry(excerpt.label, excerpt.footage.name, None, str(error), None))
            continue
        save_sheet(sheet, out / name)
        note = describe(excerpt, sheet.shown)
        entries.append(SheetEntry(excerpt.label, excerpt.footage.name, name, note, sheet.image.size))
        shown += sheet.shown
        progress.advance(files=1)
    write_sheet_index(out / "index.html", entries)
    progress.finish()
    drawn = tuple(out / entry.file for entry in entries if entry.file)
    return PreviewReport((out / "index.html", *drawn), shown)


def write_frames(excerpt: Excerpt, out: Path, *, every_s: float | None = None) -> PreviewReport:
    """One `NNNNNNNNN.png` a stored frame in the folder `out`, named by its time in milliseconds; pixels unmarked."""
    footage = excerpt.footage
    numbers = pick_frames(footage, start_s=excerpt.start_s, end_s=excerpt.end_s, every_s=every_s)
    footage.source()  # before anything is made
    make_folder(out)
    files = []
    for picture in decode_pictures(footage, numbers):
        path = out / f"{round(picture.time_s * 1000):09d}.png"
        options = save_options(".png", f"{footage.name} {clock(picture.time_s)}", footage.notice([picture.number]))
        with written_whole(path) as temporary:
            picture.image.save(temporary, **options)
        files.append(path)
    return PreviewReport(tuple(files), len(files))


def write_animation(excerpt: Excerpt, out: Path, *, every_s: float | None = None, speed: float = 4.0) -> PreviewReport:
    """An endless GIF or WebP of at most 150 pictures, each shown for its time at `speed`, half a second at most."""
    footage = excerpt.footage
    at_most = ANIMATION_PICTURES if every_s is None else None
    numbers = pick_frames(footage, start_s=excerpt.start_s, end_s=excerpt.end_s, every_s=every_s, at_most=at_most)
    steps = np.clip(np.diff(_times(excerpt, numbers)) / speed, SHORTEST_STEP_S, LONGEST_STEP_S)
    durations = [round(step * 1000) for step in steps.tolist()]
    first, *rest = (with_caption(picture) for picture in decode_pictures(footage, numbers))
    options = save_options(out.suffix.lower(), footage.name, footage.notice(numbers.tolist()))
    with written_whole(out) as temporary:
        first.save(temporary, save_all=True, append_images=rest, duration=durations, loop=0, **options)
    return PreviewReport((out,), len(numbers))


def write_movie(excerpt: Excerpt, out: Path, *, every_s: float | None = None, speed: float = 4.0) -> PreviewReport:
    """An H.264 MP4 of all stored frames at their real times divided by `speed`."""
    footage = excerpt.footage
    numbers = pick_frames(footage, start_s=excerpt.start_s, end_s=excerpt.end_s, every_s=every_s)
    ticks = _ticks(_times(excerpt, numbers) / speed)
    frames: Iterator[NDArray[np.uint8]] = (_even_planes(with_caption(p)) for p in decode_pictures(footage, numbers))
    metadata = {"title": printable(footage.name), "comment": footage.notice(numbers.tolist()), "encoder": SOFTWARE}
    with written_whole(out) as temporary:
        write_video(
            temporary,
            frames,
            pts=ticks[:-1],
            last_duration=ticks[-1] - ticks[-2],
            time_base=VIDEO_TIME_BASE,
            metadata=metadata,
        )
    return PreviewReport((out,), len(numbers))


def with_caption(picture: Picture) -> Image.Image:
    """The picture above a strip with its time and the mark."""
    width, height = picture.image.size
    framed = Image.new("RGB", (width, height + STRIP), PAPER)
    framed.paste(picture.image)
    draw, font = ImageDraw.Draw(framed), ImageFont.load_default(13)
    draw.text((4, height + 3), clock(picture.time_s), FAINT, font)
    if width >= 150:
        draw.text((width - 4, height + 3), MARK, ACCENT, font, anchor="ra")
    return framed


def _times(excerpt: Excerpt, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n + 1,) seconds: when each frame begins, then when the last one ends."""
    footage = excerpt.footage
    times = [footage.time_s(number) for number in numbers.tolist()]
    following = int(numbers[-1]) + 1
    after = footage.time_s(following) if following < len(footage.frame_pts) else footage.duration_s
    return np.array([*times, max(after, times[-1])])


def _ticks(times: NDArray[np.float64]) -> list[int]:
    """Times in ticks from the first on, strictly ascending however close they are."""
    ticks = np.round((times - times[0]) / float(VIDEO_TIME_BASE)).astype(np.int64)
    order = np.arange(len(ticks))
    return [int(tick) for tick in np.maximum.accumulate(ticks - order) + order]


def _even_planes(image: Image.Image) -> NDArray[np.uint8]:
    """(3, H, W) uint8 with both sides even, as H.264 in 4:2:0 needs them; the last row or column is repeated."""
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _unique_names(excerpts: Sequence[Excerpt]) -> list[str]:
    """File names for sheets that are plain ASCII, whatever the videos are called, and different even without case."""
    names: list[str] = []
    taken: set[str] = set()
    for excerpt in excerpts:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePosixPath(excerpt.footage.name).stem)[:60].strip("_") or "video"
        base = f"{excerpt.label}-{stem}" if excerpt.label else stem
        name, n = base, 1
        while name.lower() in taken:
            n += 1
            name = f"{base}-{n}"
        taken.add(name.lower())
        names.append(f"{name}.webp")
    return names
