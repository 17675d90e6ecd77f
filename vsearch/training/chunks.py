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


def as_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 -> float in [-0.5, 0.5]."""
    return torch.from_numpy(frames).float() / 255.0 - 0.5


def at_levels(
    packed: PackedFrames,
    entries: Sequence[PackedEntry],
    rng: np.random.Generator,
    *,
    levels_a_video: int,
    what: str,
    progress: Progress | None,
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """A chunk of each source, each at some random levels: (frames, level). `progress` follows as `what`."""
    progress = progress or SilentProgress()
    progress.start(what, total_files=len(entries))
    for entry in entries:
        progress.file(entry.file)
        frames = chunk_frames(packed, entry, rng)
        for level in rng.choice(LEVELS, levels_a_video if len(frames) > 1 else 1, replace=False):
            yield frames, int(level)
        progress.advance(files=1)
    progress.finish()
