"""The prediction network in whole numbers: what was trained, and the same integers in whatever way they are summed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.small_dyadic import SMALL, TIERS, WHOLE, small_dyadic, small_networks
from tests.models.test_dyadic import moving, random_latents
from vsearch.bitstream import read_chunk
from vsearch.errors import LatentError
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, anchor_weights
from vsearch.models.entropy import MEAN_STEPS
from vsearch.models.exact import Choice, Grid
from vsearch.models.motion import FLAGS, PREDICTION_STEPS, UNMOVED
from vsearch.models.weights import one_thread
from vsearch.models.whole import LIMIT, MOST_TERMS, Product, WholePrediction, multiplies_bytes, weight_steps, whole
from vsearch.training.dyadic import export_dyadic


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> DyadicCodec:
    return small_dyadic(tmp_path_factory.mktemp("codec"), shape=WHOLE)


def what_is_known(seed: int) -> dict[str, NDArray[Any]]:
    """Latents of two frames of 4x3 blocks, and what is predicted of them."""
    rng = np.random.default_rng(seed)
    size = (2, 4, 3, SMALL.channels)
    return {
        "values": rng.integers(-20, 21, size).astype(np.int16),
        "predicted": rng.integers(-160, 161, size).astype(np.int32),
        "flags": rng.integers(0, 2, (2, 4, 3, FLAGS)).astype(np.float64),
        "spread": rng.integers(0, 300, size).astype(np.int32),
        "coded": rng.random((2, 4, 3)) < 0.7,
    }


def choices(network: Any, known: dict[str, NDArray[Any]]) -> list[Choice]:
    """Every step's tables."""
    grid, flags, values, predicted = Grid(known["coded"]), known["flags"], known["values"], known["predicted"]
    features = network.begin(grid, predicted, flags, known["spread"])
    found, gathered = [], -1
    for number, plan in enumerate(network.plans):
        while gathered < plan.after:
            gathered += 1
            features = network.gather(gathered, grid, features, values[..., 4 * gathered : 4 * gathered + 4])
        half = None
        if plan.half == 1:
            even = plan.where(4, 3)[:, :, None] == 0
            half = (
                values[..., plan.channels].astype(np.int32) * PREDICTION_STEPS - predicted[..., plan.channels]
            ) * even
        where = grid.coded & plan.where(4, 3)
        unmoved = flags[where, UNMOVED] > 0
        found.append(network.choose(number, grid, features, predicted[where, plan.channels], unmoved, half))
    return found


def test_it_is_the_network_that_was_trained(codec: DyadicCodec) -> None:
    known, level = what_is_known(5), 27

    def torch_like(name: str) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(known[name].transpose(0, 3, 1, 2))).float()

    with torch.no_grad():
        means, scales = small_networks(shape=WHOLE).prediction.as_read(
            torch_like("values"),
            torch_like("predicted") / PREDICTION_STEPS,
            torch_like("flags"),
            anchor_weights(torch.tensor([level / 16]), SMALL.anchors),
            torch_like("spread") / PREDICTION_STEPS,
        )
    network = codec.rate(level).network
    assert isinstance(network, WholePrediction)
    for plan, choice in zip(network.plans, choices(network, known), strict=True):
        where = known["coded"] & plan.where(4, 3)
        for index, outputs, unit, most in ((choice.means, means, MEAN_STEPS, 1e9), (choice.scales, scales, 1, 39)):
            wanted = outputs.numpy().transpose(0, 2, 3, 1)[where, plan.channels] * unit
            # To the nearest index, but for what rounding of biases and of features on the edge of a step moves.
            off = np.abs(index - np.clip(wanted, 0 if unit == 1 else -1e9, most))
            assert np.quantile(off, 0.9) <= 0.6
            assert off.max() <= 1.5


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 200),
    terms=st.integers(1, MOST_TERMS),
    out=st.integers(1, 20),
    extreme=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_products_are_exact_in_float32_and_in_bytes(seed: int, n: int, terms: int, out: int, extreme: bool) -> None:
    rng = np.random.default_rng(seed)
    most = [-LIMIT, LIMIT] if extreme else np.arange(-LIMIT, LIMIT + 1)
    left, right = rng.choice(most, (n, terms)).astype(np.int8), rng.choice(most, (terms, out)).astype(np.int8)
    shifts = torch.from_numpy(rng.integers(0, 4, out).astype(np.int32))
    wanted = (left.astype(np.int64) @ right.astype(np.int64)) << shifts.numpy()
    kinds = [torch.float32, *([torch.int8] if multiplies_bytes() else [])]
    for kind in kinds:
        product = Product(torch.from_numpy(right).to(kind).contiguous(), shifts)
        assert np.array_equal(product(torch.from_numpy(left)).numpy(), wanted)


def test_sums_of_more_products_than_float32_holds_are_refused() -> None:
    with pytest.raises(LatentError, match="float32"):
        Product.of(torch.ones(MOST_TERMS + 1, 3))


def test_a_machine_without_products_of_bytes_reads_the_same(codec: DyadicCodec) -> None:
    network = codec.rate(27).network
    assert isinstance(network, WholePrediction)
    here = choices(network, what_is_known(6))
    products = [network._near, network._rest, network._spread, *network._gather]
    products += [p for step in network._steps for p in (step.half, step.choose, *(x.product for x in step.hidden))]
    for product in filter(None, products):
        object.__setattr__(product, "weights", product.weights.float())
    for one, other in zip(here, choices(network, what_is_known(6)), strict=True):
        assert np.array_equal(one.means, other.means)
        assert np.array_equal(one.scales, other.scales)
    codec.rate.cache_clear()  # type: ignore[attr-defined]


def test_chunks_list_no_corrections(codec: DyadicCodec) -> None:
    assert not read_chunk(codec.pack(codec.encode(moving(3, 9), level=30))).corrections
    exceptions = read_chunk(codec.pack(random_latents(codec, 3, frames=8, scale=40))).corrections
    assert len(exceptions) < 8 * 12 * SMALL.channels / 10  # only what a certain table does not say


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(-12, 4))
def test_rounded_weights_are_rounded_to_themselves_and_float16_holds_them(seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    weights = [torch.randn(5, 7, 3, 3) * 2.0**scale, torch.randn(5, 4, 1, 1) * 2.0 ** (scale - 5)]
    steps = weight_steps(weights)
    rounded = [whole(w, s) * s.view(-1, 1, 1, 1) for w, s in zip(weights, steps, strict=True)]
    assert all(torch.equal(r.half().float(), r) for r in rounded)
    again = [whole(r, s) * s.view(-1, 1, 1, 1) for r, s in zip(rounded, weight_steps(rounded), strict=True)]
    assert all(torch.equal(a, r) for a, r in zip(again, rounded, strict=True))


@pytest.mark.parametrize(("factor", "message"), [(1e5, "too large"), (1e9, "not all numbers")])
def test_weights_too_large_for_whole_numbers_are_refused(tmp_path: Path, factor: float, message: str) -> None:
    networks = small_networks(shape=WHOLE)
    with torch.no_grad():
        networks.prediction.near.weight.mul_(factor)
    maps = np.zeros((SMALL.channels, 384), np.float32), np.zeros((384, SMALL.channels), np.float32)
    costs = np.ones((LEVELS, SMALL.channels), np.float32)
    with pytest.raises(LatentError, match=message):
        export_dyadic(networks, tmp_path, maps=maps, costs=costs, tiers=TIERS, training={})


def test_threads_that_decode_at_once_leave_the_number_of_threads_as_it_was(codec: DyadicCodec) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        data = codec.pack(random_latents(codec, 3, frames=8))
        many = [threading.Thread(target=lambda: codec.unpack(data)) for _ in range(8)]
        for one in many:
            one.start()
        for one in many:
            one.join()
        assert torch.get_num_threads() == 2
        with one_thread():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
