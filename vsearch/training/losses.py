"""Rate and distortion of the codec; retrieval terms of the head."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vsearch.models.layers import N_SCALES, scale_of_index

MIN_PROBABILITY = 1.0 / 65536


def laplace_cdf(x: Tensor, scale: Tensor) -> Tensor:
    """P(X <= x) of a zero-mean Laplace variable."""
    tail = 0.5 * torch.exp(-x.abs() / scale)
    return torch.where(x < 0, tail, 1 - tail)


def latent_bits(values: Tensor, means: Tensor, scale_indices: Tensor) -> Tensor:
    """Bits of each latent under a Laplace density integrated over its quantisation step; same shape as `values`."""
    scale = scale_of_index(scale_indices.clamp(0, N_SCALES - 1))
    distance = (values - means).abs()
    # Symmetric, so both ends are taken on the side where the tails are small and well resolved.
    upper = laplace_cdf(0.5 - distance, scale)
    lower = laplace_cdf(-0.5 - distance, scale)
    return -torch.log2((upper - lower).clamp_min(MIN_PROBABILITY))


def round_straight_through(x: Tensor) -> Tensor:
    """Round; gradients pass as if it had not."""
    return x + (torch.round(x) - x).detach()


def info_nce(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Cross entropy of finding each vector's copy among all the others (SimCLR; both directions). (n, d) unit
    vectors.
    """
    n = len(first)
    both = torch.cat([first, second])
    logits = both @ both.T / temperature
    logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=logits.device), -1e4)
    target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)]).to(logits.device)
    return F.cross_entropy(logits, target)


def entropy_regulariser(vectors: Tensor, groups: Tensor) -> Tensor:
    """Kozachenko-Leonenko: minus the mean log distance to the nearest vector of another group (SSCD, arXiv
    2202.10261).
    """
    distance = torch.cdist(vectors, vectors)
    distance = distance.masked_fill(groups[:, None] == groups[None, :], 1e4)
    return -torch.log(distance.min(1).values.clamp_min(1e-6)).mean()


def ssim_of(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity on luma of pictures (N, 3, H, W) in [-0.5, 0.5], (N,): `metrics.ssim`, differentiable."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=a.device)[:, None, None]
    x, y = ((((p.float() + 0.5) * 255.0) * weights).sum(1) for p in (a, b))
    n, height, width = x.shape
    planes = torch.cat([x, y, x * x + y * y, x * y])
    with torch.autocast(a.device.type, enabled=False):  # variances are small differences of large numbers
        planes = _window(height).to(a.device) @ planes @ _window(width).to(a.device).T
    mean_x, mean_y, squares, product = torch.split(planes, n)
    means, mean_squares = mean_x * mean_y, mean_x**2 + mean_y**2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * (product - means) + c2) / (squares - mean_squares + c2)
    luminance = (2 * means + c1) / (mean_squares + c1)
    similarity: Tensor = (structure * luminance).mean((1, 2))
    return similarity


@lru_cache(maxsize=16)
def _window(size: int) -> Tensor:
    """(size - 10, size): SSIM's window at every place where it fits. As a product of matrices it takes a tenth of the
    time of a convolution of single planes.
    """
    offsets = torch.arange(size)[None, :] - torch.arange(size - 10)[:, None] - 5
    weights = torch.where(offsets.abs() <= 5, torch.exp(-offsets.float().square() / (2 * 1.5**2)), 0.0)
    return weights / weights.sum(1, keepdim=True)


def distortion(shown: Tensor, pixels: Tensor, *, structure: float) -> tuple[Tensor, Tensor]:
    """What a rate-distortion loss weighs, and the squared errors (0..255 scale) alone, (N,) each.

    The first is the squared error with a share `structure` of its pull given to 1 - SSIM: its gradient is that of
    (1 - structure) log(squared error) + structure log(1 - SSIM), at the size that the squared error has.
    """
    mse = (shown.float() - pixels.float()).square().mean((1, 2, 3)) * 255.0**2
    if not structure:
        return mse, mse
    lack = (1 - ssim_of(shown, pixels)).clamp_min(1e-4)
    size = mse.detach()
    return (1 - structure) * mse + structure * size * lack / lack.detach(), mse
