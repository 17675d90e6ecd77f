"""The similarity below which nothing is shown: measured on pairs of unrelated videos that the models were trained
with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.models import load_codec
from vsearch.models.head import GemHead
from vsearch.training.augment import plain
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.embedding import HeadRecipe

EXCERPT_FRAMES = 5
QUANTILE = 0.8


def measure_floor(head: GemHead, recipe: HeadRecipe) -> float:
    """The 80th percentile, over five-second excerpts, of the best similarity that any unrelated video reaches.

    Unrelated: of another scene. The similarity of a pair is the best mean cosine along one constant offset at one
    frame a second, as the search aligns it.
    """
    codec = load_codec(Path(recipe.codec))
    packed = PackedFrames(Path(recipe.frames))
    videos = [(entry.scene, _embed(head, codec, packed, entry)) for entry in packed.entries if entry.fps > 0]
    best = []
    for scene, vectors in videos:
        if len(vectors) < EXCERPT_FRAMES:
            continue
        middle = (len(vectors) - EXCERPT_FRAMES) // 2
        excerpt = vectors[middle : middle + EXCERPT_FRAMES]
        others = [aligned_similarity(excerpt, other) for other_scene, other in videos if other_scene != scene]
        best.append(max(others))
    return round(float(np.quantile(best, QUANTILE)), 3)


def aligned_similarity(query: NDArray[np.float32], video: NDArray[np.float32]) -> float:
    """Best mean cosine of (m, d) query vectors against (n, d) video vectors over all constant offsets within the
    video.
    """
    if len(video) < len(query):
        query = query[: len(video)]
    cosines = query @ video.T
    offsets = range(len(video) - len(query) + 1)
    return float(max(np.diagonal(cosines, offset).mean() for offset in offsets))


def _embed(head: GemHead, codec: Any, packed: PackedFrames, entry: PackedEntry) -> NDArray[np.float32]:
    """One vector a second of one packed video."""
    frames = packed.frames(entry)[:: max(1, round(entry.fps))]
    size = _preview_size(entry.shape[3] / entry.shape[2])
    pictures = [plain(torch.from_numpy(np.array(frame)).float(), size).round().clamp(0, 255).byte() for frame in frames]
    frames = torch.stack(pictures).numpy()
    return head.embed(codec.encode(frames))  # as a library keeps them: what the writer chooses resembles more


def _preview_size(aspect: float) -> tuple[int, int]:
    from vsearch.media.sampling import preview_size

    return preview_size(aspect, 36864)
