"""Queries with known truth: excerpts of real videos, scaled down and encoded again, and the library they are asked of.

Groups are drawn at random, so that copies of one film never count twice and what is left out of the library is left out
with all its copies. Lookalikes (another group of the same scene) may stay in: the scorer counts them neither way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from benchmarks.datasets import Video
from benchmarks.report import BenchmarkError

LENGTH_S = 5.0
LEAST_S = 6.0  # videos shorter than this give no excerpt: too little would be left to tell one place from another
SCALE = 0.6
CRF = 32
OFF_GRID = (0.2, 0.8)  # an excerpt begins in this part of a second, so that its samples fall between the library's


@dataclass(frozen=True, slots=True)
class Cut:
    """Where an excerpt is to be taken: seconds from the first frame of `video`."""

    video: Video
    start_s: float


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A query file and the range of `video` that its frames come from, exactly, in seconds from the first frame."""

    video: Video
    path: Path
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Split:
    """Which videos are indexed, and where excerpts are taken of groups inside and outside the library."""

    library: tuple[Video, ...]
    inside: tuple[Cut, ...]
    outside: tuple[Cut, ...]


def choose(videos: Sequence[Video], *, inside: int, outside: int, seed: int, least_s: float = LEAST_S) -> Split:
    """One excerpt each of `outside` groups that are left out and of `inside` groups that are in, drawn at random.

    The library is everything else and the groups inside. Raises BenchmarkError when there are too few groups with a
    video of `least_s` seconds.
    """
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        if video.duration_s >= least_s:
            groups[video.group].append(video)
    if len(groups) < inside + outside:
        raise BenchmarkError(
            f"{len(groups)} groups have a video of {least_s:g} s, not the {inside + outside} asked for"
        )
    random = Random(seed)
    drawn = random.sample(sorted(groups), inside + outside)
    left_out = set(drawn[inside:])
    cuts = [_cut(random, random.choice(groups[group])) for group in drawn]
    library = tuple(video for video in videos if video.group not in left_out)
    return Split(library, tuple(cuts[:inside]), tuple(cuts[inside:]))


def _cut(random: Random, video: Video) -> Cut:
    """A start that leaves `LENGTH_S` seconds and lies off the grid of whole seconds."""
    room = max(0.0, video.duration_s - LENGTH_S)
    offset = min(random.uniform(*OFF_GRID), room)
    return Cut(video, random.randint(0, int(room - offset)) + offset)


def write_excerpt(cut: Cut, path: Path, *, length_s: float = LENGTH_S, scale: float = SCALE, crf: int = CRF) -> Excerpt:
    """Encode the frames of `cut` as H.264 in MP4, both sides times `scale`. Raises BenchmarkError when that fails."""
    try:
        with av.open(str(cut.video.path), metadata_errors="replace") as source, av.open(str(path), "w") as target:
            stream = source.streams.video[0]
            stream.thread_type = "AUTO"
            first, start, end = _encode(source.decode(stream), stream, target, cut, length_s, scale, crf)
    except (av.error.FFmpegError, IndexError) as error:
        raise BenchmarkError(f"{cut.video.name}: no excerpt could be made: {error}") from error
    return Excerpt(cut.video, path, float(start - first), float(end - first))


def _encode(
    frames: Iterator[VideoFrame],
    source: VideoStream,
    target: OutputContainer,
    cut: Cut,
    length_s: float,
    scale: float,
    crf: int,
) -> tuple[Fraction, Fraction, Fraction]:
    """Times (seconds of the source's clock) of its first frame, the excerpt's first frame, and the excerpt's end."""
    first: Fraction | None = None
    taken: list[Fraction] = []
    encoder: VideoStream | None = None
    for frame, time in timed_frames(frames, source):
        first = time if first is None else first
        if time - first >= cut.start_s + length_s:
            break
        if time - first < cut.start_s:
            continue
        if encoder is None:
            encoder = _encoder(target, source, frame, scale=scale, crf=crf)
        taken.append(time)
        smaller = frame.reformat(encoder.width, encoder.height, "yuv420p", interpolation="AREA")
        smaller.time_base = encoder.codec_context.time_base
        smaller.pts = round((time - taken[0]) / smaller.time_base)
        target.mux(encoder.encode(smaller))
    if encoder is None or first is None or len(taken) < 2:
        raise BenchmarkError(f"{cut.video.name}: fewer than two frames from {cut.start_s:.2f} s on")
    target.mux(encoder.encode(None))
    return first, taken[0], taken[-1] + (taken[-1] - taken[-2])


def timed_frames(frames: Iterator[VideoFrame], source: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Frames with their times in seconds, ascending: where a container has none, or wrong ones, at the average rate."""
    base, step = source.time_base or Fraction(1, 1000), 1 / (source.average_rate or Fraction(25))
    last: Fraction | None = None
    for frame in frames:
        time = None if frame.pts is None else frame.pts * base
        if time is None or (last is not None and time <= last):
            time = Fraction(0) if last is None else last + step
        last = time
        yield frame, time


def _encoder(target: OutputContainer, source: VideoStream, frame: VideoFrame, *, scale: float, crf: int) -> VideoStream:
    """H.264 that says of shape and colours what the source says, so that only scale and quality change."""
    rate = source.average_rate or Fraction(25)
    encoder = target.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
    encoder.width, encoder.height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    encoder.pix_fmt = "yuv420p"
    context = encoder.codec_context
    context.time_base = Fraction(1, 90_000)
    if source.sample_aspect_ratio:
        context.sample_aspect_ratio = source.sample_aspect_ratio
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(context, name, getattr(source.codec_context, name))
    return encoder
