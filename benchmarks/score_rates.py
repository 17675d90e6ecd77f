"""From measured points to curves, BD-rates and bytes an hour: pure functions.

A point is one video by one coder at one quality. Every measure rises with quality; means are taken over the frames of
a video, then over videos, percentiles over all frames.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.score_pictures import frame_psnr
from vsearch.metrics import PSNR_CAP_DB, bd_rate, luma_psnr, percentile, ssim_and_ms_ssim

MEASURES = {"psnr_db": "RGB PSNR", "psnr_y_db": "Y PSNR", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
SCALES = 4
WINDOW_PX = 11
DURATION_CLASSES = {"under 10 s": (0.0, 10.0), "10 to 60 s": (10.0, 60.0), "longer": (60.0, math.inf)}
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Point:
    """Some frames by one coder at one quality: bytes of all of them (`bare_bytes`: without headers that are the same
    in every file), and what each frame came back like.
    """

    quality: int
    n_bytes: int
    bare_bytes: int
    psnr_db: tuple[float, ...]
    psnr_y_db: tuple[float, ...]
    ssim: tuple[float, ...]
    ms_ssim: tuple[float, ...]

    @property
    def bytes_a_frame(self) -> float:
        return self.n_bytes / len(self.psnr_db)

    def values(self, measure: str) -> tuple[float, ...]:
        """One of `MEASURES`, frame by frame."""
        found: tuple[float, ...] = getattr(self, measure)
        return found

    def mean(self, measure: str) -> float:
        return statistics.fmean(self.values(measure))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Point:
        """Of `dataclasses.asdict`. Raises TypeError or KeyError for other fields."""
        return cls(**{**fields, **{measure: tuple(fields[measure]) for measure in MEASURES}})


@dataclass(frozen=True, slots=True)
class VideoCurves:
    """One video: its points by every coder, by name."""

    name: str
    kind: str
    coders: Mapping[str, tuple[Point, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """BD-rates of one coder against another on several videos, in percent: negative where it needs fewer bytes.

    rates: by video, where the two curves share a range of quality. low, high: that range, mean over those videos;
    covered: which share of the coder's own range it is, mean over those videos. apart: videos whose curves share none.
    """

    rates: Mapping[str, float]
    low: float
    high: float
    covered: float
    apart: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.rates.values())

    @property
    def median(self) -> float:
        return statistics.median(self.rates.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "median": self.median,
            "videos": len(self.rates),
            "videos_without_overlap": self.apart,
            "overlap": [self.low, self.high],
            "overlap_share_of_own_range": self.covered,
        }


# Points


def score_point(
    original: NDArray[np.uint8], shown: NDArray[np.uint8], *, quality: int, n_bytes: int, bare_bytes: int | None = None
) -> Point:
    """Compare frames (n, 3, H, W) uint8 RGB one by one. MS-SSIM takes as many of its scales as the frames allow."""
    scales = next((n for n in range(SCALES, 1, -1) if min(original.shape[2:]) >= WINDOW_PX * 2 ** (n - 1)), 1)
    similar = [ssim_and_ms_ssim(a, b, scales=scales) for a, b in zip(original, shown, strict=True)]
    return Point(
        quality=quality,
        n_bytes=n_bytes,
        bare_bytes=n_bytes if bare_bytes is None else bare_bytes,
        psnr_db=tuple(frame_psnr(a, b) for a, b in zip(original, shown, strict=True)),
        psnr_y_db=tuple(min(PSNR_CAP_DB, luma_psnr(a, b)) for a, b in zip(original, shown, strict=True)),
        ssim=tuple(one for one, _ in similar),
        ms_ssim=tuple(many for _, many in similar),
    )


def without_headers(points: Iterable[Point]) -> tuple[Point, ...]:
    """The same points at the bytes that they have without their fixed headers."""
    return tuple(replace(point, n_bytes=point.bare_bytes) for point in points)


def spread_levels(tiers: Mapping[str, int], at_least: int) -> tuple[int, ...]:
    """Levels evenly spread from the lowest to the highest tier, those of all tiers among them; fewer than `at_least`
    where there are no more between.
    """
    low, high = min(tiers.values()), max(tiers.values())
    even = {round(low + (high - low) * i / (at_least - 1)) for i in range(at_least)}
    return tuple(sorted(even | set(tiers.values())))


# Curves


def front(points: Iterable[Point], measure: str) -> list[tuple[float, float]]:
    """(bytes a frame, quality) of the points that no other one beats in both, rising in both."""
    kept: list[tuple[float, float]] = []
    for n_bytes, quality in sorted((point.bytes_a_frame, point.mean(measure)) for point in points):
        if kept and n_bytes == kept[-1][0] and quality > kept[-1][1]:
            kept.pop()
        if not kept or quality > kept[-1][1]:
            kept.append((n_bytes, quality))
    return kept


def mean_curve(videos: Sequence[VideoCurves], coder: str) -> list[dict[str, float]]:
    """One coder over all videos, a row a quality, by bytes: mean bytes a frame, mean and 5th percentile of measures."""
    by_quality: dict[int, list[Point]] = {}
    for video in videos:
        for point in video.coders[coder]:
            by_quality.setdefault(point.quality, []).append(point)
    rows = [_mean_point(quality, points) for quality, points in by_quality.items()]
    return sorted(rows, key=lambda row: row["bytes_a_frame"])


def _mean_point(quality: int, points: Sequence[Point]) -> dict[str, float]:
    row: dict[str, float] = {
        "quality": quality,
        "bytes_a_frame": statistics.fmean(point.bytes_a_frame for point in points),
    }
    for measure in MEASURES:
        row[measure] = statistics.fmean(point.mean(measure) for point in points)
        row[f"{measure}_p5"] = percentile([value for point in points for value in point.values(measure)], 0.05)
    return row


def overlap(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The range of quality that two curves, (bytes, quality) rising in both, share; None where there is none, or where
    one of them is a single point.
    """
    if min(len(anchor), len(test)) < 2:
        return None
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    return (low, high) if low < high else None


def compare(videos: Sequence[VideoCurves], test: str, anchor: str, measure: str) -> Comparison | None:
    """BD-rate of `test` against `anchor`, video by video; None where no video has curves that share a range."""
    rates: dict[str, float] = {}
    shared: list[tuple[float, float, float]] = []
    for video in videos:
        ours, theirs = front(video.coders[test], measure), front(video.coders[anchor], measure)
        both = overlap(theirs, ours)
        if both is not None:
            rates[video.name] = bd_rate(theirs, ours)
            shared.append((*both, (both[1] - both[0]) / (ours[-1][1] - ours[0][1])))
    if not rates:
        return None
    low, high, covered = (statistics.fmean(column) for column in zip(*shared, strict=True))
    return Comparison(rates, low, high, covered, len(videos) - len(rates))


def kinds(videos: Sequence[VideoCurves]) -> dict[str, list[VideoCurves]]:
    """The videos of each kind of content, in alphabetical order."""
    return {kind: [video for video in videos if video.kind == kind] for kind in sorted({v.kind for v in videos})}


# Bytes an hour


def bytes_an_hour(videos: Sequence[tuple[float, int]]) -> dict[str, dict[str, float]]:
    """Of (seconds, bytes) of videos: all of them together, and each class of duration that there is."""
    found = {"all": _hourly(videos)} if videos else {}
    for name, (low, high) in DURATION_CLASSES.items():
        inside = [(seconds, n_bytes) for seconds, n_bytes in videos if low <= seconds < high]
        if inside:
            found[name] = _hourly(inside)
    return found


def _hourly(videos: Sequence[tuple[float, int]]) -> dict[str, float]:
    seconds = math.fsum(seconds for seconds, _ in videos)
    n_bytes = sum(n_bytes for _, n_bytes in videos)
    return {"videos": len(videos), "seconds": seconds, "bytes_an_hour": n_bytes / seconds * HOUR_S}
