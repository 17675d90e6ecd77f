"""Rate and distortion of the codec; retrieval terms of the head."""

from __future__ import annotations

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
