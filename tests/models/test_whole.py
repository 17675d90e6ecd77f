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

from tests.models.by_the_book import Reader
from tests.models.small_dyadic import SMALL, TIERS, WHOLE, small_dyadic, small_networks
from tests.models.test_dyadic import moving, random_latents
from vsearch.bitstream import read_chunk
from vsearch.errors import LatentError
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, anchor_weights
from vsearch.models.entropy import MEAN_STEPS
from vsearch.models.exact import Choice, Grid
from vsearch.models.motion import FLAGS, PREDICTION_STEPS, UNMOVED
from vsearch.models.weights import one_thread, write_model
from vsearch.models.whole import (
    LIMIT,
    MOST_TERMS,
    ROWS,
    Product,
    WholePrediction,
    multiplies_bytes,
    weight_steps,
    whole,
)
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
    n=st.one_of(st.integers(0, 200), st.integers(ROWS - 1, ROWS + 1)),
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


@pytest.mark.skipif(not multiplies_bytes(), reason="no products of bytes here")
def test_a_machine_without_products_of_bytes_reads_the_same(codec: DyadicCodec) -> None:
    network = codec.rate(27).network
    assert isinstance(network, WholePrediction)
    here = choices(network, what_is_known(6))
    products = [network._near, network._rest, network._spread, *network._gather]
    products += [p for step in network._steps for p in (step.half, step.choose, *(x.product for x in step.hidden))]
    try:
        for product in filter(None, products):
            kind = torch.float32 if product.weights.dtype == torch.int8 else torch.int8
            object.__setattr__(product, "weights", product.weights.to(kind))
        there = choices(network, what_is_known(6))
    finally:
        codec.rate.cache_clear()  # type: ignore[attr-defined]
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(one.means, other.means)
        assert np.array_equal(one.scales, other.scales)


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


@pytest.mark.parametrize("kind", ["usual", "dead", "wild"])
def test_a_reader_written_by_the_book_chooses_the_same_tables(tmp_path: Path, kind: str) -> None:
    networks = small_networks(7, WHOLE)
    with torch.no_grad():
        for name, value in networks.prediction.named_parameters():
            if kind == "dead" and value.ndim == 4:
                value[::3] *= 1e-6
            elif kind == "wild":
                value.mul_(2.0 if value.ndim == 4 else 5.0)
            if name.endswith("bias") or "rate" in name or "finer" in name:
                value.add_(torch.randn_like(value) * 0.7)
    maps = np.zeros((SMALL.channels, 384), np.float32), np.zeros((384, SMALL.channels), np.float32)
    costs = np.ones((LEVELS, SMALL.channels), np.float32)
    files = export_dyadic(networks, tmp_path, maps=maps, costs=costs, tiers=TIERS, training={})
    codec, level = DyadicCodec(files), 30
    tensors = {k.removeprefix("prediction."): v for k, v in files.numpy().items() if k.startswith("prediction.")}
    reader = Reader(tensors, SMALL.groups, codec.tables.n_scales, WHOLE.layers)
    known = what_is_known(8)
    known["predicted"][0, :2] *= 100  # some far away
    known["predicted"] = np.clip(known["predicted"], -16368, 16368)
    for choice, (means, scales) in zip(
        choices(codec.rate(level).network, known), reader.choose(known, level), strict=True
    ):
        assert np.array_equal(choice.means, means)
        assert np.array_equal(choice.scales, scales)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("trust", 1e4), ("from_neighbours.weight", 1e6), ("choose.weight", 1e5), ("hidden.weight", 1e3)],
)
def test_steps_whose_sums_may_exceed_32_bits_are_refused(tmp_path: Path, name: str, factor: float) -> None:
    networks = small_networks(shape=WHOLE)
    with torch.no_grad():
        for key, value in networks.prediction.named_parameters():
            if key.endswith(name):
                value.copy_(torch.ones_like(value) * factor)
    maps = np.zeros((SMALL.channels, 384), np.float32), np.zeros((384, SMALL.channels), np.float32)
    costs = np.ones((LEVELS, SMALL.channels), np.float32)
    with pytest.raises(LatentError, match=r"too large|not all numbers"):
        export_dyadic(networks, tmp_path, maps=maps, costs=costs, tiers=TIERS, training={})


@pytest.mark.parametrize("card", [{"layers": 10**9}, {"layers": 0}, {"layers": "2"}, {"spread": "no"}, {"whole": 1}])
def test_cards_that_say_what_cannot_be_are_refused_at_once(
    codec: DyadicCodec, tmp_path: Path, card: dict[str, Any]
) -> None:
    files = codec._files
    decode = {**files.decode, **card}
    bad = write_model(tmp_path, kind="codec", family="dyadic", decode=decode, training={}, tensors=files.numpy())
    with pytest.raises(LatentError, match="malformed"):
        DyadicCodec(bad)


def test_what_the_card_does_not_name_is_not_read(codec: DyadicCodec, tmp_path: Path) -> None:
    files = codec._files
    junk = {"prediction.steps.0.more.1.weight": np.ones((3, 5, 1, 1), np.float32)}
    tensors = {**files.numpy(), **junk}
    kept = write_model(tmp_path, kind="codec", family="dyadic", decode=files.decode, training={}, tensors=tensors)
    other = DyadicCodec(kept)
    latents = random_latents(other, 2)
    assert np.array_equal(other.unpack(other.pack(latents)).values, latents.values)


def test_one_thread_is_one_for_the_thread_that_asks_and_for_no_other() -> None:
    before, inside, go_on, seen = torch.get_num_threads(), threading.Event(), threading.Event(), {}
    torch.set_num_threads(2)

    def decodes() -> None:
        seen["first"] = torch.get_num_threads()
        with one_thread():
            seen["inside"] = torch.get_num_threads()
            inside.set()
            go_on.wait(10)
        seen["after"] = torch.get_num_threads()

    def comes_meanwhile() -> None:
        seen["other"] = torch.get_num_threads()
        with one_thread():
            pass
        seen["other after"] = torch.get_num_threads()

    try:
        one = threading.Thread(target=decodes)
        one.start()
        assert inside.wait(10)
        other = threading.Thread(target=comes_meanwhile)
        other.start()
        other.join()
        seen["main"] = torch.get_num_threads()
        go_on.set()
        one.join()
        last = threading.Thread(target=lambda: seen.update(last=torch.get_num_threads()))
        last.start()
        last.join()
    finally:
        torch.set_num_threads(before)
    assert seen.pop("inside") == 1
    assert set(seen.values()) == {2}
