"""What a chunk says of its pictures beyond its latents."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.small_dyadic import SMALL, small_dyadic
from vsearch.errors import LatentError
from vsearch.models import load_codec, shipped_codec
from vsearch.models.base import LatentCodec
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_reader import Layout, Payload
from vsearch.models.entropy import Tables
from vsearch.models.retouch import (
    DIAGONAL,
    OTHER_KNOTS,
    OWN_KNOTS,
    DetailTables,
    Retouching,
    count_lengths,
    detail_picture,
    detail_planes,
    plane_shapes,
)
from vsearch.models.retoucher import Sample, best_retouching, sampled_frames
from vsearch.training.retouching import counted_detail, plain_detail
from vsearch.training.tables import laplace_pair

RETOUCHED = Layout(retouched=True)
KEPT = Path(__file__).parents[1] / "data" / "dyadic-4"
CODING = DetailTables.of(Tables.from_counts(*laplace_pair()), plain_detail())


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    return load_codec(shipped_codec())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DyadicCodec:
    return small_dyadic(tmp_path_factory.mktemp("model"), shape=replace(SMALL, layout=RETOUCHED))


def random_retouching(seed: int, size: tuple[int, int], *, others: bool = True, step: int = 9) -> Retouching:
    rng = np.random.default_rng(seed)

    def sparse(shape: tuple[int, ...], most: int, share: float) -> NDArray[np.int64]:
        return rng.integers(-most, most + 1, shape) * (rng.random(shape) < share)

    planes = tuple(
        sparse((*shape, 64), int(rng.choice([1, 3, 1023])), rng.random()) * (rng.random((*shape, 1)) < 0.5)
        for shape in plane_shapes(size)
    )
    return Retouching(
        sparse((3, OWN_KNOTS), 127, 0.7), sparse((3, 2, OTHER_KNOTS), 127, 0.3 * others), step, planes if step else ()
    )


def same(a: Retouching, b: Retouching) -> bool:
    planes = len(a.planes) == len(b.planes) and all(map(np.array_equal, a.planes, b.planes))
    return planes and a.step == b.step and np.array_equal(a.own, b.own) and np.array_equal(a.others, b.others)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(16, 16), (16, 48), (64, 32), (80, 144)]),
    st.booleans(),
    st.sampled_from([0, 1, 9, 16384]),
)
def test_what_is_written_is_read(seed: int, size: tuple[int, int], others: bool, step: int) -> None:
    written = random_retouching(seed, size, others=others, step=step)
    if not any(plane.any() for plane in written.planes):
        written = replace(written, step=0, planes=())
    assert same(Retouching.read(written.coded(CODING), size, CODING), written)


def test_nothing_takes_no_byte_and_changes_nothing() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, 16, 32), np.uint8)
    assert Retouching.nothing().coded(CODING) == b""
    assert np.array_equal(Retouching.read(b"", (16, 32), CODING).on(pictures.copy()), pictures)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from([1, 3, 4, 5, 7]), st.integers(1, 16384), st.binary(max_size=120), st.booleans())
def test_any_bytes_are_read_or_refused(flags: int, step: int, words: bytes, calm: bool) -> None:
    words = words[: len(words) // 4 * 4]
    if calm:  # few knots: else most are refused there
        words = bytes([0, 0, 10, 2]) + words
    data = bytes([flags]) + (step.to_bytes(2, "little") if flags & 4 else b"") + words
    with contextlib.suppress(LatentError):
        found = Retouching.read(data, (32, 48), CODING)
        assert found.on(np.full((1, 3, 32, 48), 99, np.uint8)).shape == (1, 3, 32, 48)


@pytest.mark.parametrize("level", [16384, -16384, 90, -90])
def test_what_lies_beyond_white_is_white_and_beyond_black_black(level: int) -> None:
    planes = tuple(np.zeros((*shape, 64), np.int64) for shape in plane_shapes((16, 32)))
    planes[0][..., 0] = np.sign(level) * 1023
    shown = Retouching(Retouching.nothing().own, Retouching.nothing().others, abs(level), planes)
    pictures = np.random.default_rng(1).integers(0, 256, (1, 3, 16, 32), np.uint8)
    assert (shown.on(pictures) == (255 if level > 0 else 0)).all()


def test_retouching_that_cannot_be_read_is_noticed_when_pictures_are_decoded(codec: LatentCodec) -> None:
    latents = codec.encode(drawing())
    for damaged in (b"\x08junk", b"\x01", b"\x04\x01\x40" + bytes(4)):
        with contextlib.suppress(LatentError):
            codec.decode(replace(latents, retouching=damaged))
    with pytest.raises(LatentError, match="retouched"):
        codec.decode(replace(latents, retouching=b"\x08junk"))


def test_lengths_beyond_the_end_of_a_payload_are_refused() -> None:
    whole = Payload(20, b"abc", b"words", b"how").joined()
    assert Payload.read(whole, RETOUCHED) == Payload(20, b"abc", b"words", b"how")
    for cut in range(len(whole) - len(b"words")):
        with pytest.raises(LatentError, match="cut off"):
            Payload.read(whole[:cut], RETOUCHED)


@pytest.mark.parametrize(
    "data",
    [b"\x04\x01\x40" + bytes(8), b"\x00", b"\x08" + bytes(8), b"\x02" + bytes(8), b"\x04\x00\x00", b"\x01\x00\x00"],
)
def test_what_no_writer_writes_is_refused(data: bytes) -> None:
    with pytest.raises(LatentError, match="damaged"):
        Retouching.read(data, (16, 16), CODING)


def by_the_book(given: Retouching, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One picture (3, H, W) as docs/format.md says, value by value."""

    def bent(knots: NDArray[np.int64], value: int) -> int:
        place = value * (len(knots) - 1) / 255
        left = min(int(place), len(knots) - 2)
        part = place - left
        return int(np.rint(32 * (knots[left] * (1 - part) + knots[left + 1] * part) / 2))

    _, height, width = picture.shape
    residual = np.zeros((3, height, width))
    if given.step:
        u, x = np.arange(8)[:, None], np.arange(8)[None, :]
        basis = np.where(u == 0, np.sqrt(1 / 8), 0.5) * np.cos(np.pi * u * (2 * x + 1) / 16)
        planes = np.zeros((3, height, width))
        for number, scale in enumerate((1, 2, 2)):
            for y in range(height):
                for column in range(width):
                    block = given.planes[number][y // scale // 8, column // scale // 8].reshape(8, 8)
                    row, at = y // scale % 8, column // scale % 8
                    planes[number, y, column] = (block * np.outer(basis[:, row], basis[:, at])).sum()
            planes[number] *= given.step / 4 / scale
        luma, blue, red = planes
        residual[0] = luma + 1.402 * red
        residual[1] = luma - 0.114 * 1.772 / 0.587 * blue - 0.299 * 1.402 / 0.587 * red
        residual[2] = luma + 1.772 * blue
    out = np.zeros_like(picture)
    for colour in range(3):
        second, third = (other for other in range(3) if other != colour)
        for y in range(height):
            for column in range(width):
                values = picture[:, y, column]
                level = 32 * int(values[colour]) + 16 + bent(given.own[colour], int(values[colour]))
                level += bent(given.others[colour, 0], int(values[second]))
                level += bent(given.others[colour, 1], int(values[third]))
                out[colour, y, column] = np.clip(level // 32 + int(np.rint(residual[colour, y, column])), 0, 255)
    return out


@pytest.mark.parametrize("step", [0, 3])
def test_pictures_become_what_the_format_says(step: int) -> None:
    given = random_retouching(5, (16, 32), step=step)
    given = replace(given, planes=tuple(np.clip(plane, -9, 9) for plane in given.planes))
    picture = np.random.default_rng(2).integers(0, 256, (3, 16, 32), np.uint8)
    shown = given.on(picture[None].copy())[0].astype(int)
    difference = np.abs(shown - by_the_book(given, picture))
    assert difference.max() <= 1  # the BT.601 matrix has more digits here than there
    assert (difference == 0).mean() > 0.99


def test_coefficients_are_those_of_the_picture_and_back() -> None:
    smooth = np.random.default_rng(3).normal(0, 20, (3, 16, 24)).repeat(2, 1).repeat(2, 2)
    planes = tuple(detail_planes(smooth))
    assert [plane.shape[:2] for plane in planes] == list(plane_shapes((32, 48)))
    steps = tuple(np.rint(plane / (0.25 if n == 0 else 0.125)).astype(np.int64) for n, plane in enumerate(planes))
    assert np.abs(detail_picture(steps, 1) - smooth).max() < 1.0


def test_the_length_of_a_count_is_its_bits() -> None:
    plane = (np.arange(64) < np.arange(65)[:, None]).astype(np.int64)[None]
    assert count_lengths(plane)[0].tolist() == [n.bit_length() for n in range(65)]


# What a writer finds


def drawing(frames: int = 8) -> NDArray[np.uint8]:
    """A dark bar that moves over two flat colours."""
    pictures = np.empty((frames, 3, 96, 96), np.uint8)
    pictures[:] = np.array([231, 180, 60], np.uint8)[:, None, None]
    pictures[:, :, 60:] = np.array([20, 90, 140], np.uint8)[:, None, None]
    for number, picture in enumerate(pictures):
        picture[:, 20:50, 8 * number : 8 * number + 12] = 10
    return pictures


def squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.square(a.astype(float) - b).mean())


def sampled(frames: NDArray[np.uint8], shown: NDArray[np.uint8]) -> Sample:
    which, stands_for = sampled_frames(frames)
    return Sample.of(frames[which], shown[which], stands_for)


def test_flat_colours_of_a_drawing_come_out_as_they_are(codec: LatentCodec) -> None:
    frames = drawing()
    latents = codec.encode(frames)
    assert latents.retouching
    bare = codec.decode(replace(latents, retouching=b""))
    assert squared_error(codec.decode(latents), frames) < 0.6 * squared_error(bare, frames)


def test_its_bytes_are_few_and_come_back_from_the_chunk(codec: LatentCodec) -> None:
    latents = codec.encode(drawing())
    chunk = codec.pack(latents)
    assert len(latents.retouching) < 0.3 * len(chunk)
    assert codec.unpack(chunk).retouching == latents.retouching
    assert np.array_equal(codec.decode(codec.unpack(chunk)), codec.decode(latents))


def test_frames_of_a_chunk_are_retouched_alike_whichever_are_decoded(codec: LatentCodec) -> None:
    latents = codec.encode(drawing())
    some = replace(latents, values=latents.values[[1, 6]])
    assert np.array_equal(codec.decode(some), codec.decode(latents)[[1, 6]])


def test_what_frames_lack_alike_is_detail_and_what_each_lacks_is_not() -> None:
    rng = np.random.default_rng(4)
    frames = rng.integers(60, 190, (12, 3, 64, 96)).astype(np.uint8)
    wave = 40 * np.sin(np.arange(96) * 0.4) * np.cos(np.arange(64) * 0.3)[:, None]
    alike = (frames - np.rint(wave)).clip(0, 255).astype(np.uint8)
    found = best_retouching(sampled(frames, alike), 20_000, CODING)
    assert found.step
    assert squared_error(found.on(alike.copy()), frames) < 0.3 * squared_error(alike, frames)
    turns = np.where(np.arange(12) % 2, 1, -1)[rng.permutation(12), None, None, None]
    apart = (frames - np.rint(wave) * turns).clip(0, 255).astype(np.uint8)
    assert not best_retouching(sampled(frames, apart), 20_000, CODING).step


def test_a_picture_that_never_changes_gets_no_detail() -> None:
    frames = np.random.default_rng(1).integers(60, 190, (1, 3, 96, 96)).astype(np.uint8).repeat(8, 0)
    shown = (frames + np.rint(20 * np.sin(np.arange(96) * 0.4))).clip(0, 255).astype(np.uint8)
    assert best_retouching(sampled(frames, shown), 20_000, CODING).step
    assert not best_retouching(sampled(frames, shown), 20_000, CODING, still=True).step


def test_pictures_that_are_right_are_left_alone() -> None:
    frames = drawing()
    assert same(best_retouching(sampled(frames, frames), 1000, CODING), Retouching.nothing())


def test_three_frames_are_enough_for_detail() -> None:
    rng = np.random.default_rng(8)
    for seed in range(20):
        frames = rng.integers(60, 190, (3, 3, 64, 96)).astype(np.uint8)
        wave = 40 * np.sin(np.arange(96) * 0.4 + seed) * np.cos(np.arange(64) * 0.3)[:, None]
        shown = (frames - np.rint(wave) + rng.normal(0, seed / 9, frames.shape)).clip(0, 255).astype(np.uint8)
        assert best_retouching(sampled(frames, shown), 40_000, CODING).step
        assert not best_retouching(sampled(frames[:2], shown[:2]), 40_000, CODING).step


def test_more_frames_than_a_chunk_holds_are_not_retouched(small: DyadicCodec) -> None:
    assert small.encode(drawing(33)).retouching == b""


def test_black_frames_among_others_stay_black(codec: LatentCodec) -> None:
    frames = drawing(12)
    frames[6:] = 0
    shown = codec.decode(codec.encode(frames))
    assert shown[6:].max() <= 2


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_the_sample_stands_for_all_frames(n: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (n, 3, 16, 32), np.uint8)
    which, stands_for = sampled_frames(frames)
    assert len(which) == min(n, 8)
    assert (np.diff(which) > 0).all()
    assert stands_for.sum() == n
    assert (stands_for >= 1).all()


def test_the_sample_has_a_frame_of_every_scene() -> None:
    frames = np.zeros((32, 3, 32, 32), np.uint8)
    frames[5:7], frames[20] = 200, 90
    which, _ = sampled_frames(frames)
    assert {5, 6} & set(which.tolist())
    assert 20 in which


# Models


def test_a_model_without_its_tables_is_refused(small: DyadicCodec) -> None:
    tables = small.tables
    assert DetailTables.of(tables, plain_detail()).scales.shape == (2, 7, 15)
    for broken in (
        {},
        plain_detail() | {"retouch.blocks": np.zeros((2, 4), np.float32)},
        plain_detail() | {"retouch.scales": np.full((2, 7, 15), 40, np.uint8)},
    ):
        with pytest.raises(LatentError, match="retouch"):
            DetailTables.of(tables, broken)


def test_latents_that_were_changed_keep_their_retouching(small: DyadicCodec) -> None:
    latents = small.encode(drawing())
    assert latents.retouching
    changed = replace(latents, values=latents.values[:3])
    again = small.unpack(small.pack(changed))
    assert again.retouching == latents.retouching
    assert np.array_equal(again.values, changed.values)


def test_tables_are_counted_where_something_was_seen(codec: LatentCodec) -> None:
    rng = np.random.default_rng(6)
    still = np.clip(rng.normal(120, 60, (3, 32, 32)), 0, 255).repeat(3, 1).repeat(3, 2)
    frames = np.clip(still + rng.normal(0, 2, (24, 3, 96, 96)), 0, 255).astype(np.uint8)
    assert isinstance(codec, DyadicCodec)
    found = counted_detail(codec, [(frames, 40), (frames[:19], 46)])
    DetailTables.of(codec.tables, found)
    assert not np.array_equal(found["retouch.scales"], plain_detail()["retouch.scales"])
    assert (found["retouch.scales"][0, -1, DIAGONAL[0]] >= 1).all()


def test_what_was_kept_reads_as_it_did() -> None:
    codec = load_codec(KEPT / "model")
    assert isinstance(codec, DyadicCodec)
    latents = codec.unpack((KEPT / "chunk.bin").read_bytes())
    tables = DetailTables.of(codec.tables, codec._tensors)
    found = Retouching.read(latents.retouching, (16 * latents.values.shape[2], 16 * latents.values.shape[3]), tables)
    kept = np.load(KEPT / "retouching.npz", allow_pickle=False)
    planes = tuple(kept[f"plane{n}"] for n in range(3))
    assert same(found, Retouching(kept["own"], kept["others"], int(kept["step"]), planes))
    grey = np.full((1, 3, 32, 48), 120, np.uint8)
    assert np.abs(found.on(grey)[0].astype(int) - kept["grey"]).max() <= 1
