"""What the shipped codec promises: tiers, held pictures, motion, any size, and embeddings that do not notice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.test_dyadic import moving
from vsearch.bitstream import read_chunk
from vsearch.metrics import psnr
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.models.dyadic_reader import split_payload


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    return load_codec(shipped_codec())


@pytest.fixture(scope="module")
def head() -> EmbeddingHead:
    return load_head(shipped_head())


def palettes_of(chunk: bytes) -> bytes:
    return split_payload(read_chunk(chunk).payload)[1]


def test_there_are_three_tiers_from_coarse_to_fine(codec: LatentCodec) -> None:
    assert codec.codec_id == 2
    assert codec.tiers["low"] < codec.tiers["default"] < codec.tiers["high"]
    assert "default" in codec.efforts


def test_finer_levels_cost_more_and_show_more(codec: LatentCodec) -> None:
    frames = moving(11, 6, 144, 256)
    sizes, qualities = [], []
    for level in sorted(codec.tiers.values()):
        latents = codec.encode(frames, level=level)
        sizes.append(len(codec.pack(latents)))
        qualities.append(np.mean([psnr(a, b) for a, b in zip(frames, codec.decode(latents), strict=True)]))
    assert sizes == sorted(sizes)
    assert qualities == sorted(qualities)
    assert qualities[1] > 27


@pytest.mark.parametrize("tier", ["low", "default", "high"])
def test_a_picture_held_for_half_a_minute_costs_next_to_nothing_after_its_first_frame(
    codec: LatentCodec, tier: str
) -> None:
    picture = moving(4, 1, 144, 256)
    held = codec.encode(picture.repeat(30, 0), level=codec.tiers[tier])
    assert all(np.array_equal(held.values[0], other) for other in held.values[1:])
    alone = len(codec.pack(codec.encode(picture, level=codec.tiers[tier])))
    assert len(codec.pack(held)) <= 1.3 * alone


def test_moving_pictures_are_predicted_through_shifts_and_still_ones_are_not(codec: LatentCodec) -> None:
    first, *others = palettes_of(codec.pack(codec.encode(moving(3, 1).repeat(7, 0))))
    assert first % 32 == 0  # no entries; what stands above says which groups it leaves out
    assert others == [0] * 6
    slid = codec.encode(moving(3, 7))
    assert len(palettes_of(codec.pack(slid))) > 7
    unmoved = codec.encode(moving(3, 7), effort="fast")
    assert len(codec.pack(slid)) < len(codec.pack(unmoved))


@pytest.mark.parametrize("size", [(16, 16), (16, 272), (432, 48), (208, 176)])
def test_pictures_of_any_size_come_back(codec: LatentCodec, size: tuple[int, int]) -> None:
    frames = moving(5, 3, *size)
    latents = codec.unpack(codec.pack(codec.encode(frames)))
    shown = codec.decode(latents)
    assert shown.shape == frames.shape
    assert min(psnr(a, b) for a, b in zip(frames, shown, strict=True)) > 19


def test_a_still_a_key_frame_and_an_inter_frame_of_one_picture_embed_alike(
    codec: LatentCodec, head: EmbeddingHead
) -> None:
    frames = moving(9, 9, 144, 256)
    together = head.embed(codec.encode(frames))
    for number in (0, 4, 5, 8):
        for level in codec.tiers.values():
            alone = head.embed(codec.encode(frames[number : number + 1], level=level))
            assert float(together[number] @ alone[0]) > 0.9


def test_one_frame_one_colour_and_noise_behave(codec: LatentCodec) -> None:
    noise: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (2, 3, 144, 256), dtype=np.uint8)
    black = np.zeros((1, 3, 144, 256), np.uint8)
    for frames in (noise, black, 255 - black):
        latents = codec.encode(frames)
        assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)
    assert len(codec.pack(codec.encode(black))) < 250
