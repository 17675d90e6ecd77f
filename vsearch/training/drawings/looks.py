"""What may lie over a whole sequence: soft corners, noise, blur, weak contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vsearch.training.drawings.paint import chance, pick

Frames = NDArray[np.uint8]  # (T, 3, H, W), RGB


def looked_at(rng: np.random.Generator, frames: Frames) -> Frames:
    """Two of three sequences are left as they were drawn."""
    if chance(rng, 0.67):
        return frames
    return pick(rng, (_vignette, _noise, _blur, _weak, _weak))(rng, frames)


def _bytes(values: NDArray[np.float32]) -> Frames:
    return values.round().clip(0, 255).astype(np.uint8)


def _vignette(rng: np.random.Generator, frames: Frames) -> Frames:
    height, width = frames.shape[2:]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    shade = 1 - np.float32(rng.uniform(0.05, 0.25)) * (x**2 + y**2)
    return np.stack([_bytes(frame * shade) for frame in frames])


def _noise(rng: np.random.Generator, frames: Frames) -> Frames:
    """Of another strength each time, never strong; the same grain moved about, as drawing it anew takes long."""
    strength = rng.uniform(0.7, 4)
    grain = rng.normal(0, strength, frames.shape[1:]).astype(np.float32)
    shifts = rng.integers(0, min(frames.shape[2:]), (len(frames), 2))
    return np.stack([_bytes(f + np.roll(grain, s, (1, 2))) for f, s in zip(frames, shifts, strict=True)])


def _blur(rng: np.random.Generator, frames: Frames) -> Frames:
    soft = ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3))
    blurred = [np.asarray(Image.fromarray(frame.transpose(1, 2, 0)).filter(soft)) for frame in frames]
    return np.ascontiguousarray(np.stack(blurred).transpose(0, 3, 1, 2))


def _weak(rng: np.random.Generator, frames: Frames) -> Frames:
    """Weaker contrast, towards some grey and through some gamma, as from paper or an old tape."""
    about, contrast, gamma = rng.uniform(60, 200), rng.uniform(0.55, 0.95), np.exp(rng.uniform(-0.2, 0.2))
    curve = 255 * (np.arange(256) / 255) ** gamma
    table = _bytes(((curve - about) * contrast + about).astype(np.float32))
    return table[frames]
