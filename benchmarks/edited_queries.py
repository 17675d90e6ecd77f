"""The query files of planned copies, with exact truth: each source is decoded once, and all its queries cut from that.

Query files are made once: a folder is named by all that they depend on, and holds `queries.json` when it is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks import copies, edits
from benchmarks.copies import COPY, Plan
from benchmarks.datasets import Video
from benchmarks.edits import EDITS, Edit, Picture
from benchmarks.excerpts import timed_frames
from benchmarks.report import BenchmarkError, say
from vsearch.media.writer import write_video

LEAST_STEP_S = 0.079  # between frames of a query: every second frame of 25 or 24, every third of 30
MOST_PIXELS = 512 * 288  # of a picture before it is edited
TICK = Fraction(1, 1000)
OTHERS, OTHERS_S = 12, 5.0  # excerpts of absent videos: backgrounds, neighbours, and what surrounds an excerpt
THUMBNAIL = 16
LEAST_CONTENT = 8.0  # standard deviation of the luma of a thumbnail, of 255
TRIES = 8

# Two places of one video look the same where their thumbnails differ by less than this on average, of 255 ...
SAME_PLACE = 3.0
# ... and an excerpt is self-similar where that holds for it and the footage at least so much earlier or later.
OTHER_PLACE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Frames of a video, RGB with square pixels, their seconds since the first one, and where the last of all ends."""

    frames: list[Picture]
    times_s: NDArray[np.float64]
    end_s: float

    def between(self, start_s: float, end_s: float) -> slice:
        """The frames from `start_s` until before `end_s`."""
        first, stop = np.searchsorted(self.times_s, [start_s - 1e-6, end_s - 1e-6])
        return slice(int(first), int(stop))

    def until(self, number: int) -> float:
        """When that frame ends: at the next one, the last one at the end."""
        return float(self.times_s[number + 1]) if number + 1 < len(self.times_s) else self.end_s


@dataclass(frozen=True, slots=True)
class Query:
    """A query file, and which seconds of `source` (since its first frame) which of its own seconds show.

    self_similar: other seconds of the source look the same, so that no one can say which they are.
    """

    file: str
    kind: str
    source: str
    edit: str
    start_s: float
    end_s: float
    query_start_s: float
    query_end_s: float
    self_similar: bool

    @property
    def still(self) -> bool:
        return EDITS[self.edit].still


@dataclass(frozen=True, slots=True)
class QuerySet:
    """The queries of a run and the folder of their files."""

    folder: Path
    queries: tuple[Query, ...]

    def path(self, query: Query) -> Path:
        return self.folder / query.file


def make_queries(plans: Sequence[Plan], others: Sequence[Video], folder: Path, *, workers: int) -> QuerySet:
    """All planned queries, below `folder`; those that an earlier run made are read. Raises BenchmarkError."""
    told = [
        [[plan.name, plan.source.name, plan.length_s, plan.place, plan.edit, plan.seed] for plan in plans],
        [video.name for video in others],
    ]
    return keep_queries(folder, told, lambda made: _make_all(plans, others, made, workers=workers))


def keep_queries(folder: Path, told: Any, make: Callable[[Path], list[Query]]) -> QuerySet:
    """What `make` makes in a folder of its own below `folder`, named by `told` and the code that carries it out; read
    when it was made before. Raises BenchmarkError.
    """
    digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=6)
    for module in (copies.__file__, edits.__file__, __file__):
        digest.update(Path(str(module)).read_bytes())
    made = folder / f"queries-{digest.hexdigest()}"
    index = made / "queries.json"
    if not index.exists():
        made.mkdir(parents=True, exist_ok=True)
        queries = make(made)
        whole = index.with_suffix(".new")
        whole.write_text(json.dumps([asdict(query) for query in queries], indent=0), encoding="utf-8")
        whole.replace(index)
    try:
        return QuerySet(made, tuple(Query(**fields) for fields in json.loads(index.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise BenchmarkError(f"{index} is not what an earlier run wrote ({error!r}): delete its folder") from error


def _make_all(plans: Sequence[Plan], others: Sequence[Video], folder: Path, *, workers: int) -> list[Query]:
    """In the order of the plans."""
    say(f"making {len(plans)} queries")
    by_source: dict[Video, list[Plan]] = defaultdict(list)
    for plan in plans:
        by_source[plan.source].append(plan)
    jobs = sorted(by_source.values(), key=lambda job: -len(job) * job[0].length_s)  # the longest first
    made: dict[str, Query] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = pool.map(_make_of_one_source, jobs, [folder] * len(jobs), [tuple(others)] * len(jobs))
        for number, queries in enumerate(done, 1):
            made.update(queries)
            if number % 20 == 0:
                say(f"  of {number} of {len(jobs)} sources")
    return [made[plan.name] for plan in plans]


def _make_of_one_source(plans: Sequence[Plan], folder: Path, others: tuple[Video, ...]) -> dict[str, Query]:
    """In a process of the pool: the queries of one source, by the names of their plans."""
    pictures = read_pictures(plans[0].source.path)
    thumbnails = np.stack([thumbnail(frame) for frame in pictures.frames])
    return {plan.name: make_query(plan, pictures, thumbnails, folder, others) for plan in plans}


def make_query(
    plan: Plan, pictures: Pictures, thumbnails: NDArray[np.float32], folder: Path, others: Sequence[Video]
) -> Query:
    """One query file of `pictures`, whose `thumbnails` are (n, THUMBNAIL, THUMBNAIL)."""
    edit, random = EDITS[plan.edit], Random(plan.seed)
    part = choose_part(plan, pictures, thumbnails, random)
    taken = pictures.frames[part]
    background = _other_pictures(others, random.randrange(OTHERS)) if others else taken
    change = edit.prepare(random)
    edited = [even(change(frame, background[n % len(background)])) for n, frame in enumerate(taken)]
    start_s, end_s = float(pictures.times_s[part.start]), pictures.until(part.stop - 1)
    times_s = (pictures.times_s[part] - start_s) / edit.speed
    length_s = (end_s - start_s) / edit.speed
    if edit.still:
        path, before_s = folder / f"{plan.name}.jpg", 0.0
        edited[0].save(path, quality=80)
    else:
        path, before_s = folder / f"{plan.name}.mp4", 0.0
        if edit.whole_s is not None:
            before_s = random.uniform(0.1, 0.9) * (edit.whole_s - length_s)
            edited, times_s, length_s = _surrounded(
                edited, times_s, length_s, before_s=before_s, whole_s=edit.whole_s, others=others, random=random
            )
        write_pictures(path, edited, times_s, length_s, edit=edit)
    return Query(
        file=path.name,
        kind=plan.kind,
        source=plan.source.name,
        edit=plan.edit,
        start_s=start_s,
        end_s=end_s,
        query_start_s=before_s,
        query_end_s=before_s + (end_s - start_s) / edit.speed,
        self_similar=is_self_similar(thumbnails, pictures.times_s, part),
    )


def choose_part(plan: Plan, pictures: Pictures, thumbnails: NDArray[np.float32], random: Random) -> slice:
    """The frames that a query shows: at the planned place; a copy that would show nothing (black, a flat colour) is
    moved to another one, a few times.
    """
    room = max(0.0, pictures.end_s - plan.length_s)
    place = plan.place
    for _ in range(TRIES):
        part = pictures.between(place * room, place * room + plan.length_s)
        part = slice(min(part.start, len(pictures.frames) - 1), max(part.stop, part.start + 1))
        if EDITS[plan.edit].still:
            part = slice(part.start, part.start + 1)
        content = np.median(thumbnails[part].std(axis=(1, 2)))
        if plan.kind != COPY or content >= LEAST_CONTENT:
            break
        place = random.random()
    return part


def is_self_similar(thumbnails: NDArray[np.float32], times_s: NDArray[np.float64], part: slice) -> bool:
    """Whether the same number of frames, starting `OTHER_PLACE_S` or more earlier or later, look like `part`."""
    length = part.stop - part.start
    wanted = thumbnails[part]
    for first in range(len(thumbnails) - length + 1):
        if abs(times_s[first] - times_s[part.start]) < OTHER_PLACE_S:
            continue
        if np.abs(thumbnails[first : first + length] - wanted).mean() < SAME_PLACE:
            return True
    return False


def thumbnail(picture: Picture) -> NDArray[np.float32]:
    """(THUMBNAIL, THUMBNAIL) luma, 0 to 255."""
    small = picture.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


# ------------------------------------------------------------------------------------------------------------- files


def read_pictures(path: Path, *, until_s: float = float("inf"), least_step_s: float = LEAST_STEP_S) -> Pictures:
    """A video up to `until_s`, without frames that follow another one in less than `least_step_s`.

    Raises BenchmarkError when it cannot be decoded.
    """
    frames: list[Picture] = []
    times: list[float] = []
    end_s = 0.0
    for time_s, end_s, picture in timed_pictures(path, until_s=until_s, least_step_s=least_step_s):  # noqa: B007
        if picture is not None:
            frames.append(picture)
            times.append(time_s)
    return Pictures(frames, np.array(times), end_s)


def timed_pictures(
    path: Path, *, until_s: float = float("inf"), least_step_s: float
) -> Iterator[tuple[float, float, Picture | None]]:
    """Every frame that is shown before `until_s`: from when (seconds since the first one), until when if it lasts as
    long as the frame before it, and the picture; None less than `least_step_s` after the last picture.

    A file that breaks off gives what comes before. Raises BenchmarkError for one of which nothing can be decoded.
    """
    taken_s: float | None = None
    try:
        with av.open(str(path), metadata_errors="replace") as source:
            stream = source.streams.video[0]
            stream.thread_type = "AUTO"
            first: Fraction | None = None
            time_s, step_s = 0.0, float(1 / (stream.average_rate or Fraction(25)))
            for frame, time in timed_frames(source.decode(stream), stream):
                first = time if first is None else first
                last_s, time_s = time_s, float(time - first)
                if time_s >= until_s:
                    break
                step_s = time_s - last_s or step_s
                wanted = taken_s is None or time_s - taken_s >= least_step_s
                taken_s = time_s if wanted else taken_s
                shown = _picture(frame, stream.sample_aspect_ratio or Fraction(1)) if wanted else None
                yield time_s, min(time_s + step_s, until_s), shown
    except (av.error.FFmpegError, IndexError) as error:
        if taken_s is None:
            raise BenchmarkError(f"{path}: cannot be decoded: {error}") from error
    if taken_s is None:
        raise BenchmarkError(f"{path}: not one frame")


def _picture(frame: av.VideoFrame, pixel_aspect: Fraction) -> Picture:
    """As it is shown: square pixels, at most `MOST_PIXELS`, even sides, turned as the file says."""
    width = frame.width * float(pixel_aspect)
    scale = min(1.0, (MOST_PIXELS / (width * frame.height)) ** 0.5)
    wide, high = (max(2, round(side * scale / 2) * 2) for side in (width, frame.height))
    shown = Image.fromarray(frame.reformat(wide, high, "rgb24", interpolation="AREA").to_ndarray())
    return shown.rotate(frame.rotation, expand=True) if frame.rotation else shown


def even(picture: Picture) -> Picture:
    """Without the last row or column where there is an odd number of them: as 4:2:0 needs."""
    width, height = (side // 2 * 2 for side in picture.size)
    return picture if picture.size == (width, height) else picture.crop((0, 0, width, height))


def write_pictures(
    path: Path, frames: Sequence[Picture], times_s: NDArray[np.float64], length_s: float, *, edit: Edit
) -> None:
    """H.264 at the edit's scale and quality; the last frame ends at `length_s`."""
    size = [max(16, round(side * edit.scale / 2) * 2) for side in frames[0].size]
    scaled = (frame if edit.scale == 1 else frame.resize(size, Image.Resampling.BOX) for frame in frames)
    pts = [round(float(time) / TICK) for time in times_s]
    write_video(
        path,
        (np.asarray(frame).transpose(2, 0, 1) for frame in scaled),
        time_base=TICK,
        pts=pts,
        crf=edit.crf,
        options={"preset": "veryfast", "threads": "1"},
        last_duration=max(1, round(length_s / TICK) - pts[-1]),
    )


def _surrounded(
    frames: list[Picture],
    times_s: NDArray[np.float64],
    length_s: float,
    *,
    before_s: float,
    whole_s: float,
    others: Sequence[Video],
    random: Random,
) -> tuple[list[Picture], NDArray[np.float64], float]:
    """With other material before and after, until it is `whole_s` long."""
    size, step = frames[0].size, LEAST_STEP_S
    order = random.sample(range(OTHERS), OTHERS)
    material = _endless(others, order, size)
    before = np.arange(0, before_s - step / 2, step)
    after = np.arange(before_s + length_s, whole_s, step)
    whole = [*(next(material) for _ in before), *frames, *(next(material) for _ in after)]
    return whole, np.concatenate([before, times_s + before_s, after]), whole_s


def _endless(others: Sequence[Video], order: Sequence[int], size: tuple[int, int]) -> Iterator[Picture]:
    while True:
        for number in order:
            for frame in _other_pictures(tuple(others), number):
                yield ImageOps.fit(frame, size, Image.Resampling.BILINEAR)


@lru_cache(OTHERS)
def _other_pictures(others: tuple[Video, ...], number: int) -> list[Picture]:
    """Some seconds of one of the absent videos."""
    return read_pictures(others[number % len(others)].path, until_s=OTHERS_S).frames


def choose_others(videos: Sequence[Video], *, seed: int, at_most: int = OTHERS) -> tuple[Video, ...]:
    """Videos whose pictures stand behind, beside and around excerpts, out of some that are not searched.

    Raises BenchmarkError when none is long enough.
    """
    long = sorted((video for video in videos if video.duration_s >= OTHERS_S), key=lambda video: video.name)
    if not long or at_most < 1:
        raise BenchmarkError(f"no video of {OTHERS_S:g} s is left out of what is searched, to stand around excerpts")
    return tuple(Random(f"{seed} others").sample(long, min(at_most, len(long))))
