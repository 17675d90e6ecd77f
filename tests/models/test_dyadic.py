"""The second codec: the same integers for whoever reads them, at every level, in every order of summation."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.small_dyadic import CODED, SMALL, TIERS, WHOLE, small_dyadic, small_networks
from vsearch.bitstream import read_chunk, write_chunk, write_varints, zigzag
from vsearch.errors import InputError, LatentError
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, DyadicShape, anchor_weights
from vsearch.models.dyadic_reader import Payload, Rate, read_entries
from vsearch.models.dyadic_writer import EFFORTS, MAP_BITS, ChunkWriter, smooth
from vsearch.models.entropy import (
    GUARD,
    MEAN_STEPS,
    Correction,
    SymbolReader,
    SymbolWriter,
    write_corrections,
)
from vsearch.models.exact import ExactPrediction, Floats, Grid
from vsearch.models.motion import (
    FLAGS,
    PREDICTION_STEPS,
    UNMOVED,
    Entry,
    Guess,
    Maps,
    Source,
    all_blocks,
    blocks_at,
    expected_choices,
    predict,
)
from vsearch.models.order import rounds
from vsearch.models.palettes import read_map, write_map
from vsearch.models.shifts import palettes
from vsearch.models.weights import ModelFiles, write_model
from vsearch.records import Latents
from vsearch.training.dyadic import export_dyadic


@pytest.fixture(scope="module", params=[SMALL, WHOLE, CODED], ids=["float64", "whole", "coded palettes"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DyadicCodec:
    return small_dyadic(tmp_path_factory.mktemp("codec"), shape=request.param)


@pytest.fixture(scope="module")
def in_float64(tmp_path_factory: pytest.TempPathFactory) -> DyadicCodec:
    return small_dyadic(tmp_path_factory.mktemp("codec"))


def random_latents(
    codec: DyadicCodec, seed: int, *, frames: int = 5, h: int = 4, w: int = 3, scale: float = 3.0, level: int = 20
) -> Latents:
    """Neighbouring frames resemble each other, some are the same."""
    rng = np.random.default_rng(seed)
    first = rng.laplace(0, scale, (1, SMALL.channels, h, w))
    change = rng.laplace(0, scale / 4, (frames, SMALL.channels, h, w)) * (rng.random((frames, 1, 1, 1)) < 0.6)
    values = np.clip(np.rint(first + change.cumsum(0)), -1023, 1023).astype(np.int16)
    return Latents(values=values, codec_id=codec.codec_id, model_id=codec.model_id, level=level)


def moving(seed: int, frames: int = 7, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """A smooth texture that slides by a few pixels a frame, (T, 3, H, W) uint8."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 14, 18), np.float32))
    whole = torch.nn.functional.interpolate(coarse, size=(height + 100, width + 160), mode="bicubic").clamp(0, 1)
    picture = (whole[0].numpy() * 255).astype(np.uint8)
    return np.stack([picture[:, 3 * t : 3 * t + height, 5 * t : 5 * t + width] for t in range(frames)])


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 32),
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    scale=st.sampled_from([0.05, 1.0, 20.0, 400.0]),
    level=st.integers(0, LEVELS - 1),
)
@settings(deadline=None, max_examples=40)
def test_latents_come_back_exactly(
    codec: DyadicCodec, seed: int, frames: int, h: int, w: int, scale: float, level: int
) -> None:
    latents = random_latents(codec, seed, frames=frames, h=h, w=w, scale=scale, level=level)
    back = codec.unpack(codec.pack(latents))
    assert np.array_equal(back.values, latents.values)
    assert back.level == level


@pytest.mark.parametrize("effort", ["fast", "default", "archive"])
def test_what_the_encoder_chose_is_what_its_chunk_holds(codec: DyadicCodec, effort: str) -> None:
    for frames in (1, 2, 7, 32):
        latents = codec.encode(moving(frames, frames), level=30, effort=effort)
        assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)
        # Packed by somebody who was not there when it was encoded, the bytes may differ and mean the same.
        plain = Latents(latents.values, codec_id=2, model_id=codec.model_id, level=30)
        assert np.array_equal(codec.unpack(codec.pack(plain)).values, latents.values)


def left_out(codec: DyadicCodec, latents: Latents) -> dict[int, int]:
    """How many groups each frame of a chunk leaves out, if any."""
    values = np.ascontiguousarray(latents.values.transpose(0, 2, 3, 1)).astype(np.float32)
    entries = palettes(np.empty((0, 0, 0), np.float32), rounds(len(values)), EFFORTS["fast"])
    writer = ChunkWriter(values, codec.rate(latents.level), entries, codec.shape.layout, free=False)
    writer.write(bytes(4))
    return writer.left_out


def test_groups_that_are_as_predicted_are_left_out_and_come_back(codec: DyadicCodec) -> None:
    latents = random_latents(codec, 4, frames=6)
    for group in (3, 2):
        latents.values[:, 4 * group :] = latents.values[0, 4 * group :]
        latents.values[0, 4 * group :] = 0
        latents.values[1:, 4 * group :] = latents.values[1, 4 * group :]
        data = codec.pack(latents)
        assert left_out(codec, latents)[0] == 4 - group
        assert np.array_equal(codec.unpack(data).values, latents.values)
    some = [codec.pack(random_latents(codec, 5, frames=6)), data, data]
    assert np.array_equal(codec.unpack_many(some)[1].values, latents.values)


@pytest.mark.parametrize(("third", "fourth", "expected"), [(0.1, 0.1, {0: 2}), (6.0, 0.1, {0: 1}), (0.1, 6.0, {})])
def test_the_writer_leaves_out_what_is_not_worth_its_bits(
    codec: DyadicCodec, third: float, fourth: float, expected: dict[int, int]
) -> None:
    wanted = np.full((1, 4, 3, SMALL.channels), 2.0, np.float32)
    wanted[..., 8:12], wanted[..., 12:] = third, fourth
    writer = ChunkWriter(wanted, codec.rate(20), {0: ()}, codec.shape.layout, free=True)
    values = writer.write(bytes(4)).values
    assert writer.left_out == expected
    assert values.any((0, 1, 2)).tolist() == [True] * 8 + [third > 1] * 4 + [fourth > 1] * 4


def test_frames_of_a_round_that_leave_out_more_and_less_come_back(codec: DyadicCodec) -> None:
    rng = np.random.default_rng(6)
    wanted = rng.laplace(0, 4, (9, 4, 3, SMALL.channels)).astype(np.float32)
    for frame, begin in enumerate((16, 16, 12, 8, 16, 8, 12, 16, 12)):
        wanted[frame, ..., begin:] = 0
    rate = codec.rate(20)
    entries = palettes(np.empty((0, 0, 0), np.float32), rounds(9), EFFORTS["fast"])
    writer = ChunkWriter(
        wanted, replace(rate, weights=np.full(SMALL.channels, 500.0)), entries, codec.shape.layout, free=True
    )
    coded = writer.write(bytes.fromhex(codec.model_id[:8]))
    assert set(writer.left_out.values()) == {1, 2}
    assert writer.left_out.keys() >= {2, 3, 5, 6}
    assert np.array_equal(codec.unpack(coded.chunk(None)).values, coded.values.transpose(0, 3, 1, 2))


def test_a_correction_of_what_is_not_coded_is_an_error(codec: DyadicCodec) -> None:
    still = codec.encode(moving(3, 1).repeat(2, 0), level=48)
    chunk = read_chunk(codec.pack(still))
    first = 4 * 6 * SMALL.channels  # the first latent of the second frame, whose blocks are all held
    for position in (first, first + SMALL.channels - 1):
        listed = write_corrections([Correction(position, is_scale=False, index=8)])
        with pytest.raises(LatentError, match="does not code"):
            codec.unpack(write_chunk(replace(chunk, corrections=listed)))


def test_more_groups_left_out_than_there_are_to_leave_is_an_error() -> None:
    assert read_entries(write_varints([2 * 32]), rounds(1), groups=4)[0].left_out == 2
    with pytest.raises(LatentError, match="damaged"):
        read_entries(write_varints([3 * 32]), rounds(1), groups=4)


def test_chunks_side_by_side_decode_as_each_alone(codec: DyadicCodec) -> None:
    many = [random_latents(codec, i, frames=1 + i % 9, h=2 + i % 2, w=5, level=10 + i % 3) for i in range(64)]
    for alone, together in zip(many, codec.unpack_many([codec.pack(x) for x in many]), strict=True):
        assert np.array_equal(alone.values, together.values)


def test_latents_of_a_reduced_precision_encoder_decode_alike(tmp_path: Path) -> None:
    codec = small_dyadic(tmp_path)
    frames = moving(8, 5)
    latents = []
    for codec.reduced in (False, True):
        latents.append(codec.encode(frames))
        assert np.array_equal(codec.unpack(codec.pack(latents[-1])).values, latents[-1].values)
    assert np.abs(latents[0].values - latents[1].values).mean() < 0.2


@pytest.mark.gpu
def test_a_gpu_writes_chunks_that_a_cpu_reads_and_the_other_way_round(tmp_path: Path) -> None:
    small_dyadic(tmp_path)
    here, there = DyadicCodec.load(tmp_path), DyadicCodec.load(tmp_path, device="cuda")
    frames = moving(12, 9)
    for writer, reader in ((here, there), (there, here)):
        latents = writer.encode(frames)
        back = reader.unpack(writer.pack(latents))
        assert np.array_equal(back.values, latents.values)
        assert np.abs(reader.decode(back).astype(int) - writer.decode(back)).max() <= 2


class Elsewhere(ExactPrediction):
    """The network on another machine: `move` says what its outputs are there, given what they are here."""

    def __init__(self, here: ExactPrediction, move: Callable[[Floats], Floats]) -> None:
        self.__dict__.update(here.__dict__)
        self._here = here
        self._move = move

    def outputs(
        self,
        number: int,
        grid: Grid,
        features: Floats,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: NDArray[np.int32] | None,
    ) -> tuple[Floats, Floats]:
        means, scales = self._here.outputs(number, grid, features, values, unmoved, half)
        return self._move(means), self._move(np.clip(scales, 0, self.n_scales - 2))


def with_network(codec: DyadicCodec, move: Callable[[Floats], Floats], folder: Path) -> DyadicCodec:
    """The same codec on another machine."""
    other = DyadicCodec.load(folder)
    here = codec.rate

    def rate(level: int) -> Rate:
        network = here(level).network
        assert isinstance(network, ExactPrediction)
        return replace(here(level), network=Elsewhere(network, move))

    other.rate = rate  # type: ignore[assignment]
    return other


def anywhere_within_the_guard(seed: int, *, edge: bool) -> Callable[[Floats], Floats]:
    rng = np.random.default_rng(seed)
    most = GUARD * (1 - 1e-9)
    return lambda x: x + (rng.choice([-most, most], x.shape) if edge else rng.uniform(-most, most, x.shape))


@pytest.mark.parametrize("edge", [False, True])
def test_a_reader_whose_sums_differ_by_up_to_the_guard_reads_the_same(tmp_path: Path, edge: bool) -> None:
    base = small_dyadic(tmp_path)
    writer = with_network(base, lambda x: x, tmp_path)
    for seed in range(6):
        reader = with_network(base, anywhere_within_the_guard(seed, edge=edge), tmp_path)
        latents = random_latents(writer, seed, frames=8)
        assert np.array_equal(reader.unpack(writer.pack(latents)).values, latents.values)


@pytest.mark.parametrize("offset", [0.0, GUARD * 0.999, -GUARD * 0.999, GUARD, -GUARD])
def test_outputs_on_boundaries_and_guard_edges_are_listed_and_obeyed(tmp_path: Path, offset: float) -> None:
    base = small_dyadic(tmp_path)
    writer = with_network(base, lambda x: np.floor(x) + 0.5 + offset, tmp_path)
    for seed in range(3):
        edge = anywhere_within_the_guard(seed, edge=True)
        reader = with_network(base, lambda x, edge=edge: edge(np.floor(x) + 0.5 + offset), tmp_path)
        latents = random_latents(writer, seed, frames=3)
        data = writer.pack(latents)
        assert len(read_chunk(data).corrections) > latents.values.size  # every index is listed
        assert np.array_equal(reader.unpack(data).values, latents.values)


def test_a_reader_far_beyond_the_guard_goes_wrong(tmp_path: Path) -> None:
    """The tests above have teeth: the same bytes are misread when sums differ by more than the guard allows."""
    base = small_dyadic(tmp_path)
    writer, reader = with_network(base, lambda x: x, tmp_path), with_network(base, lambda x: x + 0.4, tmp_path)
    latents = random_latents(writer, 3, frames=8)
    try:
        misread = not np.array_equal(reader.unpack(writer.pack(latents)).values, latents.values)
    except LatentError:
        misread = True
    assert misread


def test_the_exact_network_is_the_trained_one(in_float64: DyadicCodec) -> None:
    networks = small_networks()
    rng = np.random.default_rng(5)
    values = rng.integers(-20, 21, (2, 4, 3, SMALL.channels)).astype(np.int16)
    predicted = rng.integers(-160, 161, values.shape).astype(np.int32)
    flags = rng.integers(0, 2, (2, 4, 3, FLAGS)).astype(np.float64)

    def torch_like(x: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).float()

    level = 27
    with torch.no_grad():
        means, scales = networks.prediction(
            torch_like(values),
            torch_like(predicted) / PREDICTION_STEPS,
            torch_like(flags),
            anchor_weights(torch.tensor([level / 16]), SMALL.anchors),
        )
    network = in_float64.rate(level).network
    assert isinstance(network, ExactPrediction)
    grid = Grid(rng.random((2, 4, 3)) < 0.7)
    features = network.begin(grid, predicted, flags, np.zeros_like(predicted))
    known = -1
    for number, plan in enumerate(network.plans):
        while known < plan.after:
            known += 1
            group = values[..., 4 * known : 4 * known + 4]
            features = network.gather(known, grid, features, group)
        half = None
        if plan.half == 1:
            even = plan.where(4, 3)[:, :, None] == 0
            found = values[..., plan.channels].astype(np.int32) * PREDICTION_STEPS
            half = (found - predicted[..., plan.channels]) * even
        where = grid.coded & plan.where(4, 3)
        unmoved = flags[where, UNMOVED] > 0
        exact = network.outputs(number, grid, features, predicted[where, plan.channels], unmoved, half)
        for ours, theirs, unit in zip(exact, (means, scales), (MEAN_STEPS, 1), strict=True):
            reference = theirs.numpy().transpose(0, 2, 3, 1)[where, plan.channels]
            assert np.abs(ours / unit - reference).max() < 1e-3


def test_permuted_sums_stay_within_the_computed_bound(in_float64: DyadicCodec) -> None:
    """Outputs with the features' sums taken in another order and precision, against float64."""
    network = in_float64.rate(20).network
    assert isinstance(network, ExactPrediction)
    rng = np.random.default_rng(5)
    grid = Grid(np.ones((2, 4, 3), bool))
    predicted = rng.integers(-160, 161, (2, 4, 3, SMALL.channels)).astype(np.int32)
    flags = rng.integers(0, 2, (2, 4, 3, FLAGS)).astype(np.float64)
    features = network.begin(grid, predicted, flags, np.zeros_like(predicted))
    seen = np.clip(predicted / PREDICTION_STEPS, -16, 16)
    near = np.concatenate([seen[..., : network.predicted], flags], 3)
    for seed in range(5):
        order = np.random.default_rng(seed)
        other = np.zeros((2, 4, 3, features.shape[1]), np.longdouble if seed == 0 else np.float64)
        padded = np.pad(near, ((0, 0), (1, 1), (1, 1), (0, 0)))
        terms = [(tap, channel) for tap in range(9) for channel in range(near.shape[3])]
        for tap, channel in [terms[i] for i in order.permutation(len(terms))]:
            y, x = divmod(tap, 3)
            other += padded[:, y : y + 4, x : x + 3, channel, None] * network._near[tap, channel]
        rest = seen[..., network.predicted :]
        for channel in order.permutation(rest.shape[3]):
            other += rest[..., channel, None] * network._rest[channel]
        other += network._bias
        assert float(np.abs(other.reshape(features.shape) - features).max()) <= network.error_bound
    assert network.error_bound * 100 <= GUARD


def test_a_network_whose_error_cannot_be_bounded_is_refused(tmp_path: Path) -> None:
    networks = small_networks()
    with torch.no_grad():
        for step in networks.prediction.steps:
            step.hidden.weight.mul_(1e6)
            step.choose.weight.mul_(1e6)
    maps = np.zeros((SMALL.channels, 384), np.float32), np.zeros((384, SMALL.channels), np.float32)
    costs = np.ones((LEVELS, SMALL.channels), np.float32)
    with pytest.raises(LatentError, match="rounding error"):
        export_dyadic(networks, tmp_path, maps=maps, costs=costs, tiers=TIERS, training={})
    with pytest.raises(LatentError, match="float32"):
        export_dyadic(small_networks(), tmp_path, maps=(maps[0] + 1e5, maps[1]), costs=costs, tiers={}, training={})


@pytest.mark.parametrize("shape", [SMALL, WHOLE], ids=["float64", "whole"])
def test_another_process_with_other_thread_counts_reads_the_same(tmp_path: Path, shape: DyadicShape) -> None:
    codec = small_dyadic(tmp_path / "codec", shape=shape)
    latents = codec.encode(moving(6, 20, 144, 256))
    (tmp_path / "chunk").write_bytes(codec.pack(latents))
    program = (
        "import sys, pathlib, numpy as np; from vsearch.models import load_codec;"
        "c = load_codec(pathlib.Path(sys.argv[1]), threads=int(sys.argv[3]));"
        "b = pathlib.Path(sys.argv[2]).read_bytes();"
        "sys.stdout.buffer.write(c.unpack_many([b] * int(sys.argv[4]))[-1].values.tobytes())"
    )
    for threads, batch in (("1", "1"), ("2", "64")):
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
def test_any_flipped_bit_is_an_error(codec: DyadicCodec, position: int, bit: int) -> None:
    data = bytearray(codec.pack(random_latents(codec, 1, frames=3)))
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(LatentError):
        codec.unpack(bytes(data))


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_noise_with_a_good_checksum_is_an_error_or_latents_never_a_crash(codec: DyadicCodec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chunk = read_chunk(codec.pack(codec.encode(moving(2, 4))))
    payload = bytearray(chunk.payload)
    for _ in range(int(rng.integers(1, 6))):
        payload[int(rng.integers(min(60, len(payload))))] = int(rng.integers(256))
    corrections = rng.integers(0, 256, int(rng.integers(0, 12)), dtype=np.uint8).tobytes()
    with contextlib.suppress(LatentError):
        codec.unpack(write_chunk(replace(chunk, payload=bytes(payload), corrections=corrections)))


def test_a_palette_that_no_block_uses_is_read(codec: DyadicCodec) -> None:
    listed = write_varints([0, 2, 4 * zigzag(-1), zigzag(3), zigzag(5)])
    chunk = read_chunk(codec.pack(random_latents(codec, 1, frames=2)))
    for words in (bytes(40), bytes(range(40))):
        forged = replace(chunk, corrections=b"", payload=Payload(20, listed, words).joined())
        with contextlib.suppress(LatentError):
            assert codec.unpack(write_chunk(forged)).values.shape == (2, SMALL.channels, 4, 3)


def test_latents_that_were_changed_are_packed_anew(codec: DyadicCodec) -> None:
    latents = codec.encode(moving(1, 5))
    fewer = replace(latents, values=latents.values[:2])
    assert np.array_equal(codec.unpack(codec.pack(fewer)).values, latents.values[:2])
    assert codec.unpack(codec.pack(replace(latents, level=3))).level == 3
    with pytest.raises(ValueError, match="read-only"):
        latents.values[0] = 0


def test_what_no_chunk_can_hold_is_refused_before_it_is_written_or_read(codec: DyadicCodec) -> None:
    latents = random_latents(codec, 1)
    with pytest.raises(LatentError, match="1023"):
        codec.pack(replace(latents, values=np.full_like(latents.values, 1500)))
    with pytest.raises(LatentError, match="levels"):
        codec.decode(replace(latents, level=99))
    with pytest.raises(InputError, match="multiples of 16"):
        codec.encode(np.zeros((0, 3, 17, 32), np.uint8))
    assert codec.encode(np.zeros((0, 3, 32, 48), np.uint8)).values.shape == (0, SMALL.channels, 2, 3)
    huge = replace(read_chunk(codec.pack(latents)), shape=(32, SMALL.channels, 100, 100))
    with pytest.raises(LatentError, match="large"):
        codec.unpack(write_chunk(huge))


def test_linear_maps_are_the_same_integers_in_any_order_of_summation() -> None:
    rng = np.random.default_rng(3)
    maps = Maps(rng.normal(0, 3, (16, 384)).astype(np.float32), rng.normal(0, 0.05, (384, 16)).astype(np.float32))
    latents = rng.integers(-1023, 1024, (3, 4, 5, 16)).astype(np.int16)
    exact = np.clip(latents, -127, 127).reshape(-1, 16).astype(np.int64) @ maps.synthesis.astype(np.int64)
    blocks = np.clip((exact + 32) >> 6, -128, 127)
    proxies = maps.proxies(latents)
    for dy, dx in ((0, 0), (-5, 7), (32, -31)):
        everywhere = [all_blocks(proxy, (4, 5), dy, dx) for proxy in proxies]
        rows, columns = (x.ravel() for x in np.mgrid[:4, :5])
        shifts = np.tile([dy, dx], (20, 1))
        assert np.array_equal(blocks_at(proxies[:1], np.zeros(20, np.intp), rows, columns, shifts), everywhere[0])
        if dy == dx == 0:
            assert np.array_equal(np.concatenate(everywhere), blocks)
    bits = maps._shifts + 3
    sums = blocks.astype(np.int64) @ maps.analysis.astype(np.int64)
    assert np.array_equal(maps.predict(blocks.astype(np.float32)), (sums + (1 << (bits - 4))) >> (bits - 3))
    permuted = np.zeros(sums.shape, np.float32)
    for i in rng.permutation(384):
        permuted += blocks[:, i : i + 1].astype(np.float32) * maps.analysis[i]
    assert np.array_equal(permuted, sums)


def test_a_prediction_says_how_far_apart_its_two_sources_are() -> None:
    rng = np.random.default_rng(4)
    maps = Maps(rng.normal(0, 3, (16, 384)).astype(np.float32), rng.normal(0, 0.05, (384, 16)).astype(np.float32))
    known = {frame: rng.integers(-200, 201, (2, 3, 16)).astype(np.int16) for frame in (0, 4)}
    proxies = {frame: maps.proxies(latents[None])[0] for frame, latents in known.items()}
    sources = [Source(0), Source(4), Source(0, 3, -5), Source(4, 0, 2)]
    entries = [
        Entry(sources[0], sources[1]),
        Entry(sources[2], sources[3]),
        Entry(sources[1], sources[2]),
        Entry(sources[0]),
    ]
    for entry in entries:
        alone = [
            predict([Guess((Entry(s),), np.ones((2, 3), np.uint8))], [2], known, proxies, maps)[0]
            for s in entry.sources
        ]
        (both,) = predict([Guess((entry,), np.ones((2, 3), np.uint8))], [2], known, proxies, maps)
        first, last = alone[0].values, alone[-1].values
        assert np.array_equal(both.spread, np.abs(first - last))
        assert np.array_equal(both.values, first if entry.second is None else (first + last) >> 1)


def test_latents_of_other_weights_and_unknown_levels_are_refused(tmp_path: Path) -> None:
    one, other = small_dyadic(tmp_path / "a", seed=1), small_dyadic(tmp_path / "b", seed=2)
    latents = random_latents(one, 1)
    with pytest.raises(LatentError, match="other weights"):
        other.unpack(one.pack(latents))
    with pytest.raises(LatentError, match="model"):
        other.decode(latents)
    with pytest.raises(InputError, match="level"):
        one.encode(moving(1, 1), level=LEVELS)
    with pytest.raises(InputError, match="effort"):
        one.encode(moving(1, 1), effort="heroic")
    with pytest.raises(LatentError, match="level"):
        one.pack(replace(latents, level=LEVELS))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("levels.up", None),
        ("levels.down", np.zeros((3, 16), np.float32)),
        ("maps.analysis", np.zeros((384, 2), np.float32)),
        ("prediction.steps.1.from_half.weight", None),
        ("prediction.gather.2.weight", np.zeros((8, 4, 1, 1), np.float32)),
        ("tables.narrow", np.zeros(7, np.int32)),
    ],
)
def test_a_model_whose_weights_are_incomplete_or_of_other_shapes_is_refused(
    tmp_path: Path, name: str, value: NDArray[Any] | None
) -> None:
    small_dyadic(tmp_path / "good")
    files = ModelFiles.read(tmp_path / "good")
    tensors = {k: v for k, v in files.numpy().items() if k != name} | ({} if value is None else {name: value})
    bad = write_model(
        tmp_path / "bad", kind="codec", family="dyadic", decode=files.decode, training={}, tensors=tensors
    )
    with pytest.raises(LatentError, match=name.replace(".", r"\.")):
        DyadicCodec(bad)


@pytest.mark.parametrize(
    ("field", "value"),
    [("groups", [4, 12]), ("groups", [4, 4, 8, 0]), ("predicted", 16), ("anchors", 3), ("encoder_widths", [1])]
    + [("decoder_depths", depths) for depths in ([1, 2], [2, 1, -1], [2, 33, 0], "deep", [2, None, 1])],
)
def test_a_model_whose_card_says_what_cannot_be_is_refused(tmp_path: Path, field: str, value: object) -> None:
    small_dyadic(tmp_path / "good")
    files = ModelFiles.read(tmp_path / "good")
    decode = {**files.decode, field: value}
    bad = write_model(
        tmp_path / "bad", kind="codec", family="dyadic", decode=decode, training={}, tensors=files.numpy()
    )
    with pytest.raises(LatentError, match="malformed"):
        DyadicCodec(bad)


def test_tiers_of_levels_that_there_are_not_are_refused(tmp_path: Path) -> None:
    small_dyadic(tmp_path / "good")
    files = ModelFiles.read(tmp_path / "good")
    for tiers in ({"default": LEVELS}, {"default": "fine"}):
        bad = write_model(
            tmp_path / "bad",
            kind="codec",
            family="dyadic",
            decode=files.decode,
            search={"tiers": tiers},
            training={},
            tensors=files.numpy(),
        )
        with pytest.raises(LatentError, match=r"model\.json"):
            DyadicCodec(bad)


def expected_by_the_rule(choice: NDArray[np.uint8], y: int, x: int) -> int:
    """As docs/format.md says it."""
    if y == 0:
        return int(choice[0, x - 1]) if x else 0
    if x == 0 or choice[y, x - 1] == choice[y - 1, x - 1]:
        return int(choice[y - 1, x])
    return int(choice[y, x - 1])


@given(seed=st.integers(0, 2**32 - 1), h=st.integers(1, 7), w=st.integers(1, 7))
@settings(deadline=None)
def test_maps_expect_what_the_format_says(codec: DyadicCodec, seed: int, h: int, w: int) -> None:
    rng = np.random.default_rng(seed)
    choice = np.repeat(rng.integers(0, 3, (h, w)), rng.integers(1, 3), 1)[:, :w].astype(np.uint8)
    expected = expected_choices(choice)
    assert all(expected[y, x] == expected_by_the_rule(choice, y, x) for y in range(h) for x in range(w))
    for listed in (True, False):
        coder = SymbolWriter(codec.tables)
        write_map(coder, Guess(tuple(Entry(Source(i)) for i in range(3)), choice), listed=listed)
        assert np.array_equal(read_map(SymbolReader(codec.tables, coder.bytes()), 3, (h, w), listed=listed), choice)
    costs = rng.uniform(0, 8, (4, h, w)).astype(np.float32)
    smoothed = smooth(costs)
    for y, x in np.ndindex(h, w):
        stays = expected_by_the_rule(smoothed, y, x)
        cheapest = int(costs[:, y, x].argmin())
        stays_cheaply = costs[stays, y, x] <= costs[cheapest, y, x] + np.float32(MAP_BITS)
        assert smoothed[y, x] == (stays if stays_cheaply else cheapest)


def test_palettes_that_end_in_the_middle_of_an_entry_are_an_error() -> None:
    with pytest.raises(LatentError, match="cut off"):
        read_entries(write_varints([1, 2]), rounds(2), groups=4)
