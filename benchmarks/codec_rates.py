"""The latent codec itself, without a library around it: points of its curve, bytes of whole videos, of held pictures.

Frames are grouped, encoded and packed as indexing does: `CHUNK_FRAMES` consecutive ones a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import Footage
from benchmarks.report import say
from benchmarks.score_rates import Point, score_point
from vsearch.db.times import encode_times
from vsearch.information import low_information
from vsearch.models.base import LatentCodec
from vsearch.records import CHUNK_FRAMES, Latents

TOGETHER = 8  # videos whose chunks are unpacked side by side, which is faster than one by one
HELD_FRAMES = 30

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A codec and how hard its encoder tries."""

    codec: LatentCodec
    effort: str = "default"

    def chunks(self, frames: Frames, level: int) -> list[tuple[Latents, bytes]]:
        """frames: (n, 3, H, W) uint8 RGB of one video -> its chunks: latents and bytes."""
        groups = [frames[start : start + CHUNK_FRAMES] for start in range(0, len(frames), CHUNK_FRAMES)]
        latents = [self.codec.encode(group, level=level, effort=self.effort) for group in groups]
        return [(one, self.codec.pack(one)) for one in latents]


@dataclass(slots=True)
class CodecPoints:
    """Points of each video in the order of the levels, and how many chunks did not unpack to what was packed."""

    points: list[tuple[Point, ...]] = field(default_factory=list)
    chunks: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """One video at one level: its chunks as packed."""

    frames: Frames
    level: int
    chunks: list[tuple[Latents, bytes]]


def measure_points(setting: Setting, videos: Sequence[Frames], levels: Sequence[int], pool: Executor) -> CodecPoints:
    """Each video, (n, 3, H, W) uint8 RGB, at each level: packed, unpacked, decoded, compared (the last in the pool)."""
    say(f"coding {len(videos)} videos at {len(levels)} levels")
    found = CodecPoints()
    for start in range(0, len(videos), TOGETHER):
        group = [
            _Coded(frames, level, setting.chunks(frames, level))
            for frames in videos[start : start + TOGETHER]
            for level in levels
        ]
        scores = [
            pool.submit(score_point, coded.frames, shown, quality=coded.level, n_bytes=packed_bytes(coded.chunks))
            for coded, shown in zip(group, _pictures(setting.codec, group, found), strict=True)
        ]
        found.points += _by_video(scores, len(levels))
        say(f"  {min(start + TOGETHER, len(videos))} of {len(videos)}")
    return found


def _pictures(codec: LatentCodec, group: Sequence[_Coded], found: CodecPoints) -> Iterator[Frames]:
    """What the bytes decode to, for each video and level of the group; differing latents are counted in `found`."""
    unpacked = iter(codec.unpack_many([data for coded in group for _, data in coded.chunks]))
    for coded in group:
        pictures = []
        for packed, _ in coded.chunks:
            latents = next(unpacked)
            found.chunks += 1
            found.failures += not same(packed, latents)
            pictures.append(codec.decode(latents))
        yield np.concatenate(pictures)


def _by_video(scores: Sequence[Future[Point]], levels: int) -> list[tuple[Point, ...]]:
    points = [future.result() for future in scores]
    return [tuple(points[start : start + levels]) for start in range(0, len(points), levels)]


def same(packed: Latents, unpacked: Latents) -> bool:
    """Whether latents came back exactly."""
    return (
        packed.level == unpacked.level
        and packed.model_id == unpacked.model_id
        and packed.retouching == unpacked.retouching
        and np.array_equal(packed.values, unpacked.values)
    )


def packed_bytes(chunks: Sequence[tuple[Latents, bytes]]) -> int:
    return sum(len(data) for _, data in chunks)


def whole_video_bytes(setting: Setting, footage: Sequence[Footage]) -> dict[str, list[tuple[float, int]]]:
    """By tier, (seconds, bytes) of each video: all its chunks and its frame times, as the library stores them."""
    found: dict[str, list[tuple[float, int]]] = {}
    for tier, level in setting.codec.tiers.items():
        say(f"coding all sampled frames at tier {tier}")
        found[tier] = [
            (one.seconds, packed_bytes(setting.chunks(one.frames, level)) + len(encode_times(one.pts)))
            for one in footage
        ]
    return found


def still_frames(footage: Sequence[Footage], at_most: int) -> list[Frames]:
    """The first frame that shows something, (1, 3, H, W) uint8 RGB, of videos evenly spread over `footage`."""
    found = []
    for one in footage:
        shows = np.flatnonzero(~low_information(one.frames))
        if len(shows):
            found.append(one.frames[shows[:1]])
    last = len(found) - 1
    return (
        [found[number] for number in sorted({round(last * i / max(1, at_most - 1)) for i in range(at_most)})]
        if found
        else []
    )


def held_over_still(setting: Setting, stills: Sequence[Frames], levels: Mapping[str, int]) -> dict[str, list[float]]:
    """By tier, for each picture, (1, 3, H, W) uint8 RGB: bytes of `HELD_FRAMES` of it over the bytes of one."""
    say(f"holding {len(stills)} pictures for {HELD_FRAMES} frames")
    return {
        tier: [
            packed_bytes(setting.chunks(still.repeat(HELD_FRAMES, axis=0), level))
            / packed_bytes(setting.chunks(still, level))
            for still in stills
        ]
        for tier, level in levels.items()
    }
