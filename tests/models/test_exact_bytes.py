"""The bytes of a chunk mean the same integers whoever reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.small import SMALL, small_codec, small_networks
from vsearch.bitstream import read_chunk
from vsearch.errors import LatentError
from vsearch.models.entropy import (
    CONTEXT_LIMIT,
    GUARD,
    MAX_ACTIVATION,
    MEAN_STEPS,
    ExactContext,
    Floats,
    columns_3x3,
    depthwise_3x3,
    gamma,
)
from vsearch.models.temporal import TemporalCodec
from vsearch.records import Latents
from vsearch.training.export import export_codec


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> TemporalCodec:
    return small_codec(tmp_path_factory.mktemp("codec"))


def random_latents(
    codec: TemporalCodec, seed: int, *, frames: int = 5, h: int = 4, w: int = 3, scale: float = 3.0
) -> Latents:
    rng = np.random.default_rng(seed)
    values = np.clip(np.rint(rng.laplace(0, scale, (frames, SMALL.channels, h, w))), -1023, 1023).astype(np.int16)
    return Latents(values=values, codec_id=codec.codec_id, model_id=codec.model_id)


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 32),
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    scale=st.sampled_from([0.05, 1.0, 20.0, 400.0]),
)
@settings(deadline=None, max_examples=40)
def test_latents_come_back_exactly(codec: TemporalCodec, seed: int, frames: int, h: int, w: int, scale: float) -> None:
    latents = random_latents(codec, seed, frames=frames, h=h, w=w, scale=scale)
    assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)


def test_chunks_side_by_side_decode_as_each_alone(codec: TemporalCodec) -> None:
    many = [random_latents(codec, i, frames=1 + i % 7, h=2 + i % 2, w=5) for i in range(12)]
    for alone, together in zip(many, codec.unpack_many([codec.pack(x) for x in many]), strict=True):
        assert np.array_equal(alone.values, together.values)


class Elsewhere(ExactContext):
    """A context network on another machine: `move` says what its outputs are there, given what they are here."""

    def __init__(self, here: ExactContext, move: Callable[[Floats], Floats]) -> None:
        self.__dict__.update(here.__dict__)
        self._here = here
        self._move = move

    def outputs(self, number: int, features: Floats, previous: Floats, coded: Floats) -> tuple[Floats, Floats]:
        means, scales = self._here.outputs(number, features, previous, coded)
        return self._move(means), self._move(np.clip(scales, 0, self.n_scales - 2))


def anywhere_within_the_guard(seed: int, *, edge: bool) -> Callable[[Floats], Floats]:
    rng = np.random.default_rng(seed)
    most = GUARD * (1 - 1e-9)
    return lambda x: x + (rng.choice([-most, most], x.shape) if edge else rng.uniform(-most, most, x.shape))


@pytest.mark.parametrize("edge", [False, True])
def test_a_reader_whose_sums_differ_by_up_to_the_guard_reads_the_same(tmp_path: Path, edge: bool) -> None:
    writer, reader = small_codec(tmp_path), small_codec(tmp_path)
    here = writer.context
    writer.context = Elsewhere(here, lambda x: x)
    for seed in range(6):
        reader.context = Elsewhere(here, anywhere_within_the_guard(seed, edge=edge))
        latents = random_latents(writer, seed, frames=8)
        assert np.array_equal(reader.unpack(writer.pack(latents)).values, latents.values)


@pytest.mark.parametrize("offset", [0.0, GUARD * 0.999, -GUARD * 0.999, GUARD, -GUARD])
def test_outputs_on_boundaries_and_guard_edges_are_listed_and_obeyed(tmp_path: Path, offset: float) -> None:
    writer, reader = small_codec(tmp_path), small_codec(tmp_path)
    on_boundary = Elsewhere(writer.context, lambda x: np.floor(x) + 0.5 + offset)
    writer.context = on_boundary
    for seed in range(3):
        reader.context = Elsewhere(on_boundary, anywhere_within_the_guard(seed, edge=True))
        latents = random_latents(writer, seed, frames=3)
        data = writer.pack(latents)
        assert len(read_chunk(data).corrections) > latents.values.size  # every index is listed
        assert np.array_equal(reader.unpack(data).values, latents.values)


def test_a_reader_far_beyond_the_guard_goes_wrong(tmp_path: Path) -> None:
    """The tests above have teeth: the same bytes are misread when sums differ by more than the guard allows."""
    writer, reader = small_codec(tmp_path), small_codec(tmp_path)
    reader.context = Elsewhere(writer.context, lambda x: x + 0.4)
    latents = random_latents(writer, 3, frames=8)
    try:
        misread = not np.array_equal(reader.unpack(writer.pack(latents)).values, latents.values)
    except LatentError:
        misread = True
    assert misread


def test_permuted_sums_stay_within_the_computed_bound(codec: TemporalCodec) -> None:
    """Each step's outputs in extended precision, with inputs permuted, against float64."""
    context = codec.context
    rng = np.random.default_rng(5)
    previous = rng.integers(-30, 31, (2, 4, 3, SMALL.channels)).astype(np.float64)
    coded = rng.integers(-30, 31, previous.shape).astype(np.float64)
    reference = _outputs(context, previous, coded, np.longdouble, None)
    for seed in range(5):
        other = _outputs(context, previous, coded, np.float64, np.random.default_rng(seed))
        for a, b in zip(reference, other, strict=True):
            assert float(np.abs(a - b).max()) <= context.error_bound
    assert context.error_bound * 100 <= GUARD


def _outputs(
    context: ExactContext, previous: Floats, coded: Floats, kind: type, rng: np.random.Generator | None
) -> list[NDArray[np.floating]]:
    """All steps' outputs with every matrix product summed in `kind`, in a random order of its terms."""

    def product(x: NDArray[np.floating], w: NDArray[np.floating]) -> NDArray[np.floating]:
        order = rng.permutation(len(w)) if rng is not None else np.arange(len(w))
        total = np.zeros((len(x), w.shape[1]), kind)
        for i in order:
            total += x[:, i : i + 1].astype(kind) * w[i].astype(kind)
        return total

    n, h, w, _ = previous.shape
    flags = np.ones((n, h, w, 1))
    inputs = columns_3x3(np.concatenate([np.clip(previous, -CONTEXT_LIMIT, CONTEXT_LIMIT), flags], 3))
    temporal = product(inputs, context._temporal) + context._temporal_bias
    results = []
    for step in context.steps:
        features = temporal
        if step.known is not None:
            known = np.clip(coded[..., : step.known_channels], -CONTEXT_LIMIT, CONTEXT_LIMIT)
            features = features + product(columns_3x3(known), step.known)
        hidden = np.clip(
            product(np.clip(features, 0, MAX_ACTIVATION), step.hidden) + step.hidden_bias, 0, MAX_ACTIVATION
        )
        out = step.previous.shape[0]
        chosen = (product(hidden, step.choose) + step.choose_bias).reshape(n, h, w, 2 * out)
        means = chosen[..., :out] + depthwise_3x3(previous[..., step.channels], step.previous)
        if step.same is not None:
            means = means + depthwise_3x3(coded[..., step.channels], step.same)
        results += [means * MEAN_STEPS, chosen[..., out:]]
    return results


def test_the_rounding_model_is_the_textbook_one() -> None:
    assert gamma(1000) == pytest.approx(1000 * 2.0**-53, rel=1e-9)


def test_a_network_whose_error_cannot_be_bounded_is_refused(tmp_path: Path) -> None:
    networks = small_networks()
    with torch.no_grad():
        for step in networks.context.steps:
            step.hidden.weight.mul_(1e5)
            step.choose.weight.mul_(1e5)
    with pytest.raises(LatentError, match="rounding error"):
        export_codec(networks, SMALL, tmp_path, training={})


def test_another_process_with_other_thread_counts_reads_the_same(tmp_path: Path) -> None:
    codec = small_codec(tmp_path / "codec")
    latents = random_latents(codec, 11, frames=32, h=9, w=16)
    (tmp_path / "chunk").write_bytes(codec.pack(latents))
    program = (
        "import sys, pathlib, numpy as np; from vsearch.models import load_codec;"
        "c = load_codec(pathlib.Path(sys.argv[1]), threads=int(sys.argv[3]));"
        "b = pathlib.Path(sys.argv[2]).read_bytes();"
        "sys.stdout.buffer.write(c.unpack_many([b] * int(sys.argv[4]))[-1].values.tobytes())"
    )
    for threads, batch in (("1", "1"), ("2", "5")):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "codec"), str(tmp_path / "chunk"), threads, batch],
            capture_output=True,
            check=True,
            env={"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parents[2],
        )
        assert done.stdout == latents.values.tobytes()


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_any_flipped_bit_is_an_error(codec: TemporalCodec, position: int, bit: int) -> None:
    data = bytearray(codec.pack(random_latents(codec, 1, frames=3)))
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(LatentError):
        codec.unpack(bytes(data))


@given(length=st.integers(0, 400))
@settings(deadline=None, max_examples=40)
def test_a_chunk_cut_short_is_an_error(codec: TemporalCodec, length: int) -> None:
    data = codec.pack(random_latents(codec, 1, frames=3))
    with pytest.raises(LatentError):
        codec.unpack(data[: min(length, len(data) - 1)])


def test_latents_of_other_weights_are_refused(tmp_path: Path) -> None:
    one, other = small_codec(tmp_path / "a", seed=1), small_codec(tmp_path / "b", seed=2)
    latents = random_latents(one, 1)
    with pytest.raises(LatentError, match="other weights"):
        other.unpack(one.pack(latents))
    with pytest.raises(LatentError, match="model"):
        other.decode(latents)
    with pytest.raises(LatentError, match="model"):
        other.pack(latents)
