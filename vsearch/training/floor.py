"""The similarity below which nothing is shown: measured on pairs of unrelated videos that the models were trained
with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.models import load_codec
from vsearch.models.head import GemHead
from vsearch.training.data import PackedFrames
from vsearch.training.embedding import HeadRecipe
from vsearch.training.excerpts import library_frames

EXCERPT_FRAMES = 5
QUANTILE = 0.8


def measure_floor(head: GemHead, recipe: HeadRecipe) -> float:
    """The 80th percentile, over five-second excerpts, of the best similarity that any unrelated video reaches.

    Unrelated: of another scene. The similarity of a pair is the best mean cosine along one constant offset at one
    frame a second, as the search aligns it.
    """
    codec = load_codec(Path(recipe.codec))
    packed = PackedFrames(Path(recipe.frames))
    entries = [entry for entry in packed.entries if entry.fps > 0]
    videos = [(entry.scene, head.embed(codec.encode(library_frames(packed, entry)[0]))) for entry in entries]
    best = []
    for entry, (scene, vectors) in zip(entries, videos, strict=True):
        if len(vectors) < EXCERPT_FRAMES:
            continue
        middle = (len(vectors) - EXCERPT_FRAMES) // 2
        excerpt = vectors[middle : middle + EXCERPT_FRAMES]
        if recipe.stored:  # searches ask such heads plainly
            excerpt = head.embed(codec.nearest(library_frames(packed, entry)[0][middle : middle + EXCERPT_FRAMES]))
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
