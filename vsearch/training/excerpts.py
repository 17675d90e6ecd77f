"""Excerpts of packed videos after one random edit, alike from frame to frame: queries whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.config import PREVIEW_PIXELS
from vsearch.errors import InputError
from vsearch.media.sampling import preview_size
from vsearch.training.augment import edited, plain
from vsearch.training.data import PackedEntry, PackedFrames

LEAST_S, MOST_S = 2.0, 9.0  # of an excerpt
STILLS = 0.15  # of the excerpts are one frame
OTHER_SPEED = 0.2  # play at another speed


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """entry: the source; beside: what some edits show beside or around it; frames: (n, 3, H, W) uint8 RGB at the size
    of a library; times_s: (n,) from its start; source_s: (n,) when the source shows them; end_s: its end, 0 for a
    still.
    """

    entry: PackedEntry
    beside: PackedEntry
    frames: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    source_s: NDArray[np.float64]
    end_s: float

    @property
    def still(self) -> bool:
        return len(self.frames) == 1


def videos_of(packed: PackedFrames) -> list[PackedEntry]:
    """The packed videos, without the photographs."""
    return [entry for entry in packed.entries if entry.fps > 0]


def library_frames(packed: PackedFrames, entry: PackedEntry) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """About one frame a second of a video, (n, 3, H, W) uint8 at the size of a library, and their times (n,)."""
    stride = max(1, round(entry.fps))
    frames = packed.frames(entry)[::stride]
    pictures = np.stack([library_picture(frame, entry) for frame in frames])
    return pictures, np.arange(len(frames), dtype=np.float64) * (stride / entry.fps)


def library_picture(frame: NDArray[np.uint8], entry: PackedEntry) -> NDArray[np.uint8]:
    """A packed frame of a source (3, h, w) at the size of a library, (3, H, W) uint8."""
    return _bytes(plain(_tensor(frame), _size(entry)))


def edited_excerpts(packed: PackedFrames, n: int, rng: np.random.Generator) -> Iterator[Excerpt]:
    """n excerpts of videos that were held out. Raises InputError when there are none of `LEAST_S` seconds."""
    videos = videos_of(packed)
    held_out = [entry for entry in videos if entry.held_out and entry.shape[0] >= LEAST_S * entry.fps]
    if not held_out:
        raise InputError(f"no video of {LEAST_S:g} s or more was held out")
    weights = np.sqrt([entry.shape[0] for entry in held_out])
    for _ in range(n):
        entry = held_out[rng.choice(len(held_out), p=weights / weights.sum())]
        yield _excerpt(packed, entry, videos[rng.integers(len(videos))], rng)


def _excerpt(packed: PackedFrames, entry: PackedEntry, other: PackedEntry, rng: np.random.Generator) -> Excerpt:
    """other: what is shown beside or around it, if anything."""
    still = rng.random() < STILLS
    speed = float(rng.uniform(0.7, 1.5)) if rng.random() < OTHER_SPEED else 1.0
    wanted = 1 if still else int(rng.uniform(LEAST_S, MOST_S) * entry.fps)
    first = int(rng.integers(0, max(1, entry.shape[0] - int(wanted * speed))))
    numbers = first + (np.arange(wanted) * speed).astype(np.int64)
    numbers = numbers[numbers < entry.shape[0]]
    seed, strength = int(rng.integers(1 << 31)), float(rng.uniform(0.3, 1.0))
    frames, others = packed.frames(entry), packed.frames(other)
    pictures = []
    for number in numbers.tolist():
        beside = _tensor(others[number % len(others)])
        same = np.random.default_rng(seed)  # every frame is edited alike
        pictures.append(_bytes(edited(_tensor(frames[number]), beside, _size(entry), same, strength)))
    times = np.arange(len(numbers)) / entry.fps
    return Excerpt(
        entry, other, np.stack(pictures), times, numbers / entry.fps, 0.0 if still else len(numbers) / entry.fps
    )


def _tensor(frame: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(frame)).float() / 255.0


def _bytes(picture: torch.Tensor) -> NDArray[np.uint8]:
    out: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().byte().numpy()
    return out


def _size(entry: PackedEntry) -> tuple[int, int]:
    return preview_size(entry.shape[3] / entry.shape[2], PREVIEW_PIXELS)
