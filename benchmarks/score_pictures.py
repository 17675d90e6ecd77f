"""How near pictures are to what they should show: pure functions over frames and bytes.

A frame that comes back exactly counts as `PSNR_CAP_DB`, so that a mean exists. Means are taken over the frames of a
video, then over videos; percentiles over all frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.metrics import PSNR_CAP_DB, percentile, psnr, ssim


@dataclass(frozen=True, slots=True)
class VideoScore:
    """One video by one coder: RGB PSNR and luma SSIM of each compared frame, mean bytes of a stored frame."""

    name: str
    kind: str
    psnr_db: tuple[float, ...]
    ssim: tuple[float, ...]
    bytes_a_frame: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Several videos by one coder."""

    videos: int
    frames: int
    psnr_db: float
    psnr_db_p5: float
    ssim: float
    ssim_p5: float
    bytes_a_frame: float


@dataclass(frozen=True, slots=True)
class Bracket:
    """The two neighbouring qualities between which a wanted PSNR lies; equal where it lies outside what there is."""

    low: int
    high: int

    @property
    def inside(self) -> bool:
        return self.low != self.high


def frame_psnr(original: NDArray[np.uint8], shown: NDArray[np.uint8]) -> float:
    """RGB PSNR of two (3, H, W) uint8 frames in dB, at most `PSNR_CAP_DB`."""
    return min(PSNR_CAP_DB, psnr(original, shown))


def score_video(
    name: str, kind: str, original: Sequence[NDArray[np.uint8]], shown: Sequence[NDArray[np.uint8]], *, n_bytes: float
) -> VideoScore:
    """Compare frames (3, H, W) uint8 RGB one by one. n_bytes: mean bytes of a stored frame."""
    pairs = list(zip(original, shown, strict=True))
    return VideoScore(
        name, kind, tuple(frame_psnr(a, b) for a, b in pairs), tuple(ssim(a, b) for a, b in pairs), n_bytes
    )


def summarise(videos: Sequence[VideoScore]) -> Summary:
    """Means over videos of their means over frames; 5th percentiles over all frames."""
    all_psnr = [value for video in videos for value in video.psnr_db]
    all_ssim = [value for video in videos for value in video.ssim]
    return Summary(
        videos=len(videos),
        frames=len(all_psnr),
        psnr_db=_mean([_mean(video.psnr_db) for video in videos]),
        psnr_db_p5=percentile(all_psnr, 0.05),
        ssim=_mean([_mean(video.ssim) for video in videos]),
        ssim_p5=percentile(all_ssim, 0.05),
        bytes_a_frame=_mean([video.bytes_a_frame for video in videos]),
    )


def by_kind(videos: Sequence[VideoScore]) -> dict[str, Summary]:
    """A summary for each kind of content, in alphabetical order."""
    kinds = sorted({video.kind for video in videos})
    return {kind: summarise([video for video in videos if video.kind == kind]) for kind in kinds}


def bracket(measure: Callable[[int], float], qualities: range, wanted_db: float) -> Bracket:
    """Neighbouring qualities with measure(low) <= wanted < measure(high), by bisection.

    measure: mean PSNR at a quality, rising with it. Where all are above or all below, both are the nearest one.
    """
    low, high = qualities[0], qualities[-1]
    if measure(low) > wanted_db:
        return Bracket(low, low)
    if measure(high) <= wanted_db:
        return Bracket(high, high)
    while high - low > 1:
        middle = (low + high) // 2
        if measure(middle) <= wanted_db:
            low = middle
        else:
            high = middle
    return Bracket(low, high)


def bytes_at(wanted_db: float, low: Summary, high: Summary) -> float:
    """Bytes a frame at a PSNR between two measured points: the logarithm of the bytes is interpolated over dB."""
    if high.psnr_db <= low.psnr_db:
        return low.bytes_a_frame
    share = (wanted_db - low.psnr_db) / (high.psnr_db - low.psnr_db)
    return math.exp((1 - share) * math.log(low.bytes_a_frame) + share * math.log(high.bytes_a_frame))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
