"""Frames that come with a head, against which a query's own level of similarity is told (`search.calibration`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.models import load_codec
from vsearch.models.head import GemHead
from vsearch.training.augment import plain
from vsearch.training.data import PackedFrames
from vsearch.training.embedding import SIZES, HeadRecipe

FRAMES = 2048


def background_vectors(head: GemHead, recipe: HeadRecipe) -> NDArray[np.int8]:
    """(n, d) int8, 127 times unit vectors: one frame of each source that was not held out, at most `FRAMES`, chosen by
    the recipe's seed. Held-out sources stay out, so that a calibration can ask with them.
    """
    packed = PackedFrames(Path(recipe.frames))
    codec = load_codec(Path(recipe.codec))
    rng = np.random.default_rng([recipe.seed, FRAMES])
    entries = packed.select(held_out=False, shorter_side=100)
    chosen = rng.choice(len(entries), min(FRAMES, len(entries)), replace=False)
    vectors = []
    for start in range(0, len(chosen), 32):
        size = SIZES[rng.integers(len(SIZES))]
        pictures = []
        for number in chosen[start : start + 32]:
            frames = packed.frames(entries[number])
            frame = torch.from_numpy(np.array(frames[rng.integers(len(frames))])).float()
            pictures.append(plain(frame, size).round().clamp(0, 255).byte())
        vectors.append(head.embed(codec.nearest(torch.stack(pictures).numpy())))
    return np.rint(np.concatenate(vectors) * 127).astype(np.int8)
