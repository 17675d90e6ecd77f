"""What editors and re-uploaders do to a picture, as random operations for self-supervision.

Pictures are (3, H, W) float in [0, 1]. Geometry is one homography per picture, sampled once, so that nothing is
blurred twice.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def _homography(rng: np.random.Generator, strength: float, aspect: float) -> Tensor:
    """A random map from the output's coordinates to the source's, both in [-1, 1]: crop, mirror, turn, tilt."""
    area = 1 - 0.72 * strength * (1 - rng.random() ** 1.5)  # tight crops are the hard ones
    stretch = math.exp(rng.uniform(-0.3, 0.3) * strength)
    sx, sy = min(1.0, math.sqrt(area) * stretch), min(1.0, math.sqrt(area) / stretch)
    tx, ty = rng.uniform(-1, 1) * (1 - sx), rng.uniform(-1, 1) * (1 - sy)
    if rng.random() < 0.25 * strength:  # a query is also asked for mirrored
        sx = -sx
    angle = rng.uniform(-0.3, 0.3) if rng.random() < 0.3 * strength else 0.0
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin / aspect, 0], [sin * aspect, cos, 0], [0, 0, 1]])
    tilt = np.eye(3)
    if rng.random() < 0.25 * strength:
        tilt[2, :2] = rng.uniform(-0.25, 0.25, 2)
    move = np.array([[sx, 0, tx], [0, sy, ty], [0, 0, 1]])
    return torch.from_numpy(move @ turn @ tilt).float()


def warp(picture: Tensor, matrix: Tensor, size: tuple[int, int], *, fill: float = 0.0) -> Tensor:
    """`picture` seen through `matrix` at `size` (H, W); outside it is `fill`."""
    h, w = size
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    points = torch.stack([xs, ys, torch.ones_like(xs)], -1) @ matrix.T
    grid = points[..., :2] / points[..., 2:].clamp_min(0.1)
    out = F.grid_sample(picture[None] - fill, grid[None], mode="bilinear", padding_mode="zeros", align_corners=True)
    return out[0] + fill


def plain(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture as the library would keep it: scaled by an area filter."""
    return F.interpolate(picture[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]


def _place(canvas: Tensor, picture: Tensor, rng: np.random.Generator, width: float) -> Tensor:
    """`picture` pasted onto `canvas` at a random place, `width` of its width."""
    h, w = canvas.shape[1:]
    ph, pw = max(8, int(h * width)), max(8, int(w * width))
    y, x = int(rng.integers(0, h - ph + 1)), int(rng.integers(0, w - pw + 1))
    canvas = canvas.clone()
    canvas[:, y : y + ph, x : x + pw] = plain(picture, (ph, pw))
    return canvas


def _bars(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Letter- or pillar-box: black, or a blurred enlargement of the picture."""
    h, w = picture.shape[1:]
    share = rng.uniform(0.5, 0.85)
    inner = (max(8, int(h * share)), w) if rng.random() < 0.5 else (h, max(8, int(w * share)))
    canvas = torch.zeros_like(picture)
    if rng.random() < 0.4:
        canvas = plain(F.avg_pool2d(picture, 16), (h, w)) * rng.uniform(0.5, 1.0)
    y, x = (h - inner[0]) // 2, (w - inner[1]) // 2
    canvas[:, y : y + inner[0], x : x + inner[1]] = plain(picture, inner)
    return canvas


def _overlays(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Captions, logos and stickers: boxes with letter-like strokes or plain colours, up to a third of the picture."""
    h, w = picture.shape[1:]
    picture = picture.clone()
    for _ in range(int(rng.integers(1, 5))):
        bh, bw = int(h * rng.uniform(0.06, 0.3)), int(w * rng.uniform(0.1, 0.6))
        y, x = int(rng.integers(0, h - bh)), int(rng.integers(0, w - bw))
        colour = torch.from_numpy(rng.random(3).astype(np.float32))[:, None, None]
        if rng.random() < 0.5:
            strokes = torch.from_numpy((rng.random((1, max(2, bh // 3), max(2, bw // 3))) < 0.45).astype(np.float32))
            mask = F.interpolate(strokes[None], size=(bh, bw), mode="nearest")[0]
        else:
            mask = torch.full((1, bh, bw), float(rng.uniform(0.6, 1.0)))
        region = picture[:, y : y + bh, x : x + bw]
        picture[:, y : y + bh, x : x + bw] = region * (1 - mask) + colour * mask
    return picture


def _colour(picture: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    gain = 1 + strength * torch.from_numpy(rng.uniform(-0.25, 0.25, (3, 1, 1)).astype(np.float32))
    picture = picture * gain * (1 + strength * rng.uniform(-0.4, 0.4)) + strength * rng.uniform(-0.15, 0.15)
    picture = picture.clamp(0, 1) ** math.exp(strength * rng.uniform(-0.5, 0.5))
    grey = picture.mean(0, keepdim=True)
    saturation = 0.0 if rng.random() < 0.25 else 1 + strength * rng.uniform(-0.7, 0.5)
    return (grey + (picture - grey) * saturation).clamp(0, 1)


def _recompress(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """A low-quality JPEG at a reduced size stands for low-rate re-encodings."""
    from PIL import Image

    h, w = picture.shape[1:]
    scale = rng.uniform(0.3, 1.0)
    small = plain(picture, (max(16, int(h * scale)), max(16, int(w * scale))))
    image = Image.fromarray((small.permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy())
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(6, 50)))
    decoded = torch.from_numpy(np.asarray(Image.open(buffer), np.float32) / 255).permute(2, 0, 1)
    return plain(decoded, (h, w))


def edited(picture: Tensor, other: Tensor, size: tuple[int, int], rng: np.random.Generator, strength: float) -> Tensor:
    """A random edited copy at `size`. other: an unrelated picture, for picture-in-picture and split screens."""
    out = warp(picture, _homography(rng, strength, size[1] / size[0]), size, fill=float(rng.random() < 0.1))
    if rng.random() < 0.15 * strength:
        out = _bars(out, rng)
    if rng.random() < 0.10 * strength:
        out = _place(plain(other, size), out, rng, rng.uniform(0.33, 0.7))
    elif rng.random() < 0.10 * strength:
        halves = [out, plain(other, size)]
        rng.shuffle(halves)
        out = plain(torch.cat(halves, 2), size)
    if rng.random() < 0.6:
        out = _colour(out, rng, strength)
    if rng.random() < 0.3 * strength:
        out = _overlays(out, rng)
    if rng.random() < 0.2 * strength:
        out = plain(F.avg_pool2d(out, 3 if rng.random() < 0.6 else 6, 1), size)
    if rng.random() < 0.2 * strength:
        out = (
            out + torch.from_numpy(rng.normal(0, rng.uniform(0.01, 0.1), tuple(out.shape)).astype(np.float32))
        ).clamp(0, 1)
    if rng.random() < 0.35:
        out = _recompress(out, rng)
    return out


def varied(picture: Tensor, near: Tensor, rng: np.random.Generator, *, crops: float) -> tuple[Tensor, Tensor]:
    """A picture and a frame near it, changed alike into what might be another picture: few sources make many. A share
    `crops` of them is a part that keeps 35% of the area or more; some are mirrored, turned over, of other colours.
    """
    if rng.random() < crops:
        top, left, height, width = _window(picture.shape[1:], rng)
        picture, near = (p[:, top : top + height, left : left + width] for p in (picture, near))
    if rng.random() < 0.5:
        picture, near = picture.flip(2), near.flip(2)
    if rng.random() < 0.08:
        picture, near = picture.flip(1), near.flip(1)
    if rng.random() < 0.3:
        order = torch.from_numpy(rng.permutation(3))
        picture, near = picture[order], near[order]
    if rng.random() < 0.5:
        gamma = math.exp(rng.uniform(-0.4, 0.4))
        tint = torch.from_numpy(rng.uniform(0.75, 1.1, (3, 1, 1)).astype(np.float32))
        picture, near = ((p**gamma * tint).clamp(0, 1) for p in (picture, near))
    return picture.contiguous(), near.contiguous()


def _window(size: Sequence[int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width of a random part of a picture, at least 96 pixels each way where it has them."""
    share, stretch = math.sqrt(rng.uniform(0.35, 1.0)), math.exp(rng.uniform(-0.15, 0.15))
    height, width = (
        min(whole, max(96, int(whole * min(1.0, part))))
        for whole, part in zip(size, (share * stretch, share / stretch), strict=True)
    )
    return int(rng.integers(0, size[0] - height + 1)), int(rng.integers(0, size[1] - width + 1)), height, width
