"""The prediction network stays within the rounding errors that a reader allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.small_dyadic import SMALL, TIERS, small_dyadic, small_networks
from tests.videos import scene_frames
from vsearch.errors import LatentError
from vsearch.models.dyadic_layers import LEVELS, DyadicNetworks
from vsearch.models.exact import LARGEST_ERROR, ExactPrediction
from vsearch.models.layers import N_SCALES
from vsearch.training.dyadic import export_dyadic
from vsearch.training.prediction import Seen, draw, observe, prediction_bits, prediction_tensors, within_bound

MAPS = np.zeros((SMALL.channels, 384), np.float32), np.zeros((384, SMALL.channels), np.float32)
COSTS = np.ones((LEVELS, SMALL.channels), np.float32)


@pytest.fixture
def seen(tmp_path: Path) -> list[Seen]:
    codec = small_dyadic(tmp_path / "seen")
    return [observe(codec, np.stack(list(scene_frames(2, 9, (64, 96)))), 20, free=False)]


def largest_error(networks: DyadicNetworks) -> float:
    """Of the last step's outputs, whose errors grow as its weights do."""
    tensors = {k: v.numpy() for k, v in prediction_tensors(networks.prediction, torch.eye(4)).items()}
    exact = ExactPrediction(tensors, SMALL.groups, N_SCALES, 3, bounded=False)
    return float(np.max(exact.errors(len(exact.plans) - 1)))


def test_outputs_that_may_err_too_much_are_shrunk_towards_their_mean(seen: list[Seen], tmp_path: Path) -> None:
    networks = small_networks()
    with torch.no_grad():
        networks.prediction.steps[-1].choose.weight.mul_(LARGEST_ERROR * 3 / largest_error(networks))
    with pytest.raises(LatentError, match="rounding error"):
        export_dyadic(networks, tmp_path / "wild", maps=MAPS, costs=COSTS, tiers=TIERS, training={})
    batch = draw(seen, 32, np.random.default_rng(0))
    with torch.no_grad():
        before = networks.prediction(*batch[:3], torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(32, -1))
        assert within_bound(networks, seen) > 0
        after = networks.prediction(*batch[:3], torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(32, -1))
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one.mean((0, 2, 3)), other.mean((0, 2, 3)), rtol=1e-2, atol=1e-2)
    files = export_dyadic(networks, tmp_path / "tame", maps=MAPS, costs=COSTS, tiers=TIERS, training={})
    assert files.model_id
    assert within_bound(networks, seen) == 0


def test_a_network_that_errs_little_stays_as_it_is(seen: list[Seen]) -> None:
    networks, same = small_networks(), small_networks()
    assert within_bound(networks, seen) == 0
    assert all(torch.equal(a, b) for a, b in zip(networks.parameters(), same.parameters(), strict=True))
    assert within_bound(networks, seen, limit=LARGEST_ERROR / 1e6) > 0


def test_what_is_not_coded_costs_nothing(seen: list[Seen]) -> None:
    networks = small_networks()
    (one,) = seen
    nothing = replace(one, held=np.ones_like(one.held))
    whole, fewer = (replace(one, channels=np.full_like(one.channels, n)) for n in (16, 8))
    with torch.no_grad():
        bits = [float(prediction_bits(networks, draw([s], 64, np.random.default_rng(0))).sum()) for s in (whole, fewer)]
        assert float(prediction_bits(networks, draw([nothing], 8, np.random.default_rng(0))).sum()) == 0
    assert 0 < bits[1] < bits[0]
