"""Frames of packed sources as a library's chunks hold them: about one a second, at the size that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.media.sampling import preview_size
from vsearch.models.dyadic_layers import LEVELS
from vsearch.progress import Progress, SilentProgress
from vsearch.training.data import PackedEntry, PackedFrames

PREVIEW_PIXELS = 36864


def previews(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (T, 3, H, W) at the size that a library keeps."""
    size = preview_size(frames.shape[3] / frames.shape[2], PREVIEW_PIXELS)
    pixels = torch.from_numpy(np.array(frames)).float()
    scaled = F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).byte().numpy()


def chunk_frames(packed: PackedFrames, entry: PackedEntry, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Up to 32 frames of one source at about one a second, beginning anywhere in its first second."""
    frames = packed.frames(entry)
    every = max(1, round(entry.fps))
    begin = int(rng.integers(min(every, len(frames))))
    taken = frames[begin::every]
    first = int(rng.integers(max(1, len(taken) - 31)))
    return previews(taken[first : first + 32])


PACES = (0.2, 0.4, 0.6, 1, 1, 1, 1, 1, 1.4, 2, 3)  # seconds from frame to frame
LENGTHS = (32, 32, 32, 16, 8, 5, 3)


def varied_frames(packed: PackedFrames, entry: PackedEntry, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Like `chunk_frames`, but at some pace, of some length, of a part of the pictures, mirrored or not, at another
    contrast now and then: what a network that must know many videos is trained on when there are few.
    """
    frames = packed.frames(entry)
    every = max(1, round(float(rng.choice(PACES)) * entry.fps))
    length = int(rng.choice(LENGTHS))
    first = int(rng.integers(max(1, len(frames) - every * (length // 2))))
    height, width = (int(side * rng.uniform(0.55, 1)) for side in entry.shape[2:])
    y, x = (int(rng.integers(n - part + 1)) for n, part in zip(entry.shape[2:], (height, width), strict=True))
    taken = frames[first::every][:length, :, y : y + height, x : x + width]
    if rng.random() < 0.5:
        taken = taken[..., ::-1]
    shown = previews(taken)
    if rng.random() < 0.3:
        about, contrast = rng.uniform(60, 190), rng.uniform(0.6, 1.25)
        shown = ((shown - about) * contrast + about).round().clip(0, 255).astype(np.uint8)
    return shown


def as_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 -> float in [-0.5, 0.5]."""
    return torch.from_numpy(frames).float() / 255.0 - 0.5


def at_levels(
    packed: PackedFrames,
    entries: Sequence[PackedEntry],
    rng: np.random.Generator,
    *,
    levels_a_video: int,
    variety: int = 0,
    what: str,
    progress: Progress | None,
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """A chunk of each source, each at some random levels: (frames, level). variety: how many times each source is taken
    instead, as `varied_frames` takes it. `progress` follows as `what`.
    """
    progress = progress or SilentProgress()
    progress.start(what, total_files=len(entries) * max(1, variety))
    for entry in [entry for _ in range(max(1, variety)) for entry in entries]:
        progress.file(entry.file)
        frames = varied_frames(packed, entry, rng) if variety else chunk_frames(packed, entry, rng)
        for level in rng.choice(LEVELS, levels_a_video if len(frames) > 1 else 1, replace=False):
            yield frames, int(level)
        progress.advance(files=1)
    progress.finish()
