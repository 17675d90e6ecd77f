"""Losses measure what the metrics of the library measure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.videos import scene_frames
from vsearch.metrics import psnr, ssim
from vsearch.training.chunks import as_pixels
from vsearch.training.losses import distortion, ssim_of


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    frames = np.stack(list(scene_frames(3, 4, (48, 64))))
    noise = np.random.default_rng(0).normal(0, 12, frames.shape)
    return frames, np.clip(frames + noise, 0, 255).astype(np.uint8)


def test_structural_similarity_is_that_of_the_metrics_in_reduced_precision_too(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    wanted = [ssim(a, b) for a, b in zip(*pair, strict=True)]
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert ssim_of(*map(as_pixels, pair)).tolist() == pytest.approx(wanted, abs=1e-4)


def test_distortion_has_the_size_of_the_squared_error_and_pulls_where_it_is_told_to(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    pixels, shown = map(as_pixels, pair)
    mse = [255**2 / 10 ** (psnr(a, b) / 10) for a, b in zip(*pair, strict=True)]
    gradients = {}
    for share in (0.0, 0.5, 1.0):
        moved = shown.clone().requires_grad_(True)
        weighed, errors = distortion(moved, pixels, structure=share)
        assert weighed.tolist() == pytest.approx(mse, rel=1e-4)
        assert errors.tolist() == pytest.approx(mse, rel=1e-4)
        (gradients[share],) = torch.autograd.grad(weighed.sum(), moved)
    assert torch.allclose(gradients[0.5], (gradients[0.0] + gradients[1.0]) / 2, atol=1e-4)
    logarithm = torch.log(1 - ssim_of(shown.requires_grad_(True), pixels)).sum()
    (alone,) = torch.autograd.grad(logarithm, shown)
    size = torch.tensor(mse)[:, None, None, None]
    assert torch.allclose(gradients[1.0], alone * size, rtol=1e-3, atol=1e-4)
