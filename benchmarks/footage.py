"""The frames that the library samples of a video, decoded once, for programs that code them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Video
from benchmarks.report import say
from vsearch.config import ReadConfig
from vsearch.media.isolated import DecodeProcess
from vsearch.text import counted, span


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """All sampled frames of a video at preview size, (n, 3, H, W) uint8 RGB, their times, (n,) int64 in `time_base`,
    and how many seconds of it were decoded.
    """

    video: Video
    frames: NDArray[np.uint8]
    pts: NDArray[np.int64]
    time_base: Fraction
    seconds: float

    def nearest(self, seconds: float) -> int:
        """The number of the frame sampled nearest to a time that counts from the first one."""
        since_first = (self.pts - self.pts[0]).astype(np.float64) * float(self.time_base)
        return int(np.argmin(np.abs(since_first - seconds)))

    def middle(self, at_most: int) -> NDArray[np.uint8]:
        """At most so many consecutive frames, (m, 3, H, W) uint8 RGB, from the middle of the video."""
        first = max(0, (len(self.frames) - at_most) // 2)
        return self.frames[first : first + at_most]


def read_footage(videos: Sequence[Video]) -> list[Footage]:
    """The sampled frames of all of them, by the default sampling. Raises MediaError for one that can't be read."""
    say(f"decoding {counted(len(videos), 'video')} ({span(sum(video.duration_s for video in videos))})")
    with DecodeProcess(ReadConfig()) as decoder:
        return [read_one(decoder, video) for video in videos]


def read_one(decoder: DecodeProcess, video: Video) -> Footage:
    """One video by a decoder that is running. Raises MediaError."""
    with decoder.read(bytes(video.path), identify=False) as stream:
        batches = list(stream)
        seconds = stream.reading.duration_s
    return Footage(
        video,
        np.concatenate([batch.frames for batch in batches]),
        np.concatenate([batch.pts for batch in batches]),
        batches[0].time_base,
        seconds,
    )
