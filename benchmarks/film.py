"""A film of hours made of many short clips, and edited excerpts of it with exact truth.

Every clip of `dev` is shown once, those of `train` as often as it takes (mirrored every second time): excerpts are of
`dev`, and so each is in one place alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks import edited_queries
from benchmarks.copies import COPY, Plan
from benchmarks.datasets import Video
from benchmarks.edited_queries import (
    Pictures,
    Query,
    QuerySet,
    keep_queries,
    make_query,
    read_pictures,
    thumbnail,
)
from benchmarks.edits import EDITS, Picture
from benchmarks.report import BenchmarkError, say
from vsearch.media.writer import write_video

FPS = 10
SIZE = (320, 180)
CRF = 27
LONGEST_CLIP_S = 11.0
SHORTEST_S, LONGEST_S = 5.0, 10.0  # excerpts


@dataclass(frozen=True, slots=True)
class FilmClip:
    """Seconds [start_s, end_s) of a video, shown from `at_s` on."""

    video: Video
    start_s: float
    end_s: float
    mirrored: bool = False
    at_s: float = 0.0

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    def shows(self, time_s: float) -> bool:
        return self.at_s <= time_s < self.at_s + self.length_s


def plan_film(dev: Sequence[Video], train: Sequence[Video], *, seconds: float, seed: int) -> list[FilmClip]:
    """The clips in the order in which they are shown, at least so many seconds together.

    dev: one video of each group is used. Raises BenchmarkError when there is no `train` to fill a film with that `dev`
    does not fill.
    """
    random = Random(f"{seed} film")
    clips = [clip for video in _one_of_each_group(dev) for clip in _cut(video)]
    filling = [clip for video in train for clip in _cut(video)]
    missing_s, mirrored = seconds - sum(clip.length_s for clip in clips), False
    if missing_s > 0 and not filling:
        raise BenchmarkError(f"the footage is {missing_s:.0f} s too short for a film of {seconds:g} s")
    while missing_s > 0:
        for clip in random.sample(filling, len(filling)):
            if missing_s > 0:
                clips.append(FilmClip(clip.video, clip.start_s, clip.end_s, mirrored))
                missing_s -= clip.length_s
        mirrored = not mirrored
    random.shuffle(clips)
    frames = np.cumsum([0, *(round(clip.length_s * FPS) for clip in clips)])
    return [
        FilmClip(clip.video, clip.start_s, clip.end_s, clip.mirrored, float(at) / FPS)
        for clip, at in zip(clips, frames[:-1], strict=True)
    ]


def _one_of_each_group(videos: Sequence[Video]) -> list[Video]:
    return list({video.group: video for video in reversed(videos)}.values())[::-1]


def _cut(video: Video) -> list[FilmClip]:
    """Equal parts, whole frames of the film long, with a little left at the end: durations in manifests are rounded."""
    usable_s = video.duration_s - 0.3
    parts = max(1, math.ceil(usable_s / LONGEST_CLIP_S))
    length_s = math.floor(usable_s / parts * FPS) / FPS
    return [FilmClip(video, n * length_s, (n + 1) * length_s) for n in range(parts) if length_s >= 1]


def write_film(clips: Sequence[FilmClip], folder: Path) -> Path:
    """The film as H.264, below `folder`; one that an earlier run made is kept."""
    code = b"".join(Path(str(module)).read_bytes() for module in (edited_queries.__file__, __file__))
    name = hashlib.blake2b(json.dumps(describe(clips)).encode() + code, digest_size=6).hexdigest()
    path = folder / f"film-{name}.mp4"
    if not path.exists():
        say(f"making a film of {len(clips)} clips")
        unfinished = path.with_name(f"unfinished-{path.name}")
        frames = (np.asarray(frame).transpose(2, 0, 1) for clip in clips for frame in film_frames(clip))
        options = {"preset": "veryfast", "g": str(10 * FPS)}
        write_video(unfinished, frames, time_base=Fraction(1, FPS), crf=CRF, options=options)
        unfinished.replace(path)
    return path


def describe(clips: Sequence[FilmClip]) -> list[list[str | float]]:
    """All that a film depends on, JSON-ready."""
    return [[clip.video.name, clip.start_s, clip.end_s, clip.mirrored, clip.at_s] for clip in clips]


def film_frames(clip: FilmClip) -> Iterator[Picture]:
    """The clip's frames as the film shows them: `FPS` a second, in a frame of `SIZE`."""
    pictures = read_pictures(clip.video.path, until_s=clip.end_s)
    for number in range(round(clip.length_s * FPS)):
        at = int(np.searchsorted(pictures.times_s, clip.start_s + number / FPS + 1e-6)) - 1
        yield framed(pictures.frames[max(0, at)], mirrored=clip.mirrored)


def framed(picture: Picture, *, mirrored: bool = False) -> Picture:
    """The whole picture in a frame of `SIZE`, with black bars where the shape differs."""
    shown = ImageOps.mirror(picture) if mirrored else picture
    return ImageOps.pad(shown, SIZE, Image.Resampling.BOX, color=(0, 0, 0))


def make_excerpts(
    clips: Sequence[FilmClip], asked: Sequence[Video], others: Sequence[Video], folder: Path, *, count: int, seed: int
) -> QuerySet:
    """Edited excerpts of `count` clips of the videos asked for, below `folder`, their times those of the film.

    The edits take turns (those that make a picture or a minute left out); clips in which other seconds look the same
    are passed over, since nobody could say which second it is. Raises BenchmarkError when there are too few clips.
    """
    names = {video.name for video in asked}
    long = [clip for clip in clips if clip.video.name in names and clip.length_s >= SHORTEST_S + 1]
    told = [describe(long), [video.name for video in others], count, seed]
    return keep_queries(folder, told, lambda made: _make_excerpts(long, others, made, count=count, seed=seed))


def _make_excerpts(
    clips: Sequence[FilmClip], others: Sequence[Video], made: Path, *, count: int, seed: int
) -> list[Query]:
    say(f"making {count} excerpts of the film")
    random = Random(f"{seed} excerpts")
    turns = [edit.name for edit in EDITS.values() if not edit.still and edit.whole_s is None]
    queries: list[Query] = []
    for clip in random.sample(clips, len(clips)):
        if len(queries) == count:
            break
        length_s = random.uniform(SHORTEST_S, min(LONGEST_S, clip.length_s - 0.5))
        name = f"excerpt {len(queries):03d}"
        edit = turns[len(queries) % len(turns)]
        plan = Plan(name, COPY, clip.video, edit, length_s, random.random(), f"{seed} {name}")
        query = excerpt_of(clip, plan, made, others)
        if not query.self_similar:
            queries.append(query)
    if len(queries) < count:
        raise BenchmarkError(f"{len(queries)} excerpts can be made of the film, not {count}")
    return queries


def excerpt_of(clip: FilmClip, plan: Plan, folder: Path, others: Sequence[Video]) -> Query:
    """A query cut from the frames of one clip as the film shows them."""
    frames = list(film_frames(clip))
    times: NDArray[np.float64] = np.arange(len(frames)) / FPS
    pictures = Pictures(frames, times, len(frames) / FPS)
    thumbnails = np.stack([thumbnail(frame) for frame in frames])
    query = make_query(plan, pictures, thumbnails, folder, others)
    fields = {**asdict(query), "start_s": query.start_s + clip.at_s, "end_s": query.end_s + clip.at_s}
    return Query(**fields)


def clip_at(clips: Sequence[FilmClip], time_s: float) -> FilmClip | None:
    """What the film shows at that time; None behind its end."""
    return next((clip for clip in clips if clip.shows(time_s)), None)
