"""What the shipped codec promises: tiers, held pictures, motion, any size, and embeddings that do not notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.test_dyadic import moving
from vsearch.config import ReadConfig
from vsearch.media.isolated import DecodeProcess
from vsearch.metrics import psnr
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.models.base import EmbeddingHead, LatentCodec


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    return load_codec(shipped_codec())


@pytest.fixture(scope="module")
def head() -> EmbeddingHead:
    return load_head(shipped_head())


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
    still = moving(3, 1)
    assert len(codec.pack(codec.encode(still.repeat(32, 0)))) < len(codec.pack(codec.encode(still.repeat(2, 0)))) + 24
    slid = codec.encode(moving(3, 7))
    unmoved = codec.encode(moving(3, 7), effort="fast")
    assert len(codec.pack(slid)) < len(codec.pack(unmoved))


@pytest.mark.parametrize("size", [(16, 16), (16, 272), (432, 48), (208, 176)])
def test_pictures_of_any_size_come_back(codec: LatentCodec, size: tuple[int, int]) -> None:
    frames = moving(5, 3, *size)
    latents = codec.unpack(codec.pack(codec.encode(frames)))
    shown = codec.decode(latents)
    assert shown.shape == frames.shape
    for frame, picture in zip(frames, shown, strict=True):
        flat = np.broadcast_to(np.rint(frame.mean((1, 2), keepdims=True)).astype(np.uint8), frame.shape)
        found = psnr(frame, picture)
        assert found > psnr(frame, flat) + 4
        assert found > 23 or size == (16, 16)  # a single block has no neighbours that help


def alike(codec: LatentCodec, head: EmbeddingHead, frames: NDArray[np.uint8], level: int) -> list[float]:
    """Cosines of some frames embedded as one of a chunk at the default tier, and each coded alone at a level."""
    together = head.embed(codec.encode(frames))
    numbers = [number for number in (0, 4, 5, 8) if number < len(frames)]
    alone = [head.embed(codec.encode(frames[number : number + 1], level=level))[0] for number in numbers]
    return [float(together[number] @ vector) for number, vector in zip(numbers, alone, strict=True)]


def test_a_still_a_key_frame_and_an_inter_frame_of_one_made_up_picture_embed_nearly_alike(
    codec: LatentCodec, head: EmbeddingHead
) -> None:
    for level in codec.tiers.values():
        cosines = alike(codec, head, moving(9, 9, 144, 256), level)
        assert np.mean(cosines) > 0.9
        assert min(cosines) > 0.75  # a texture that slides, as no camera shows it, in frames that no other needs


def test_a_still_a_key_frame_and_an_inter_frame_of_real_footage_embed_alike(
    codec: LatentCodec, head: EmbeddingHead, corpus: Path
) -> None:
    names = (corpus / "rd26.txt").read_text(encoding="utf-8").split()[::5]
    with DecodeProcess(ReadConfig()) as decoder:
        footage = []
        for name in names:
            with decoder.read(bytes(corpus / name), identify=False) as stream:
                footage.append(next(iter(stream)).frames[:9])
    for tier, level in codec.tiers.items():
        cosines = [cosine for frames in footage for cosine in alike(codec, head, frames, level)]
        assert np.mean(cosines) > (0.94 if tier == "low" else 0.96)
        assert np.quantile(cosines, 0.1) > 0.9


def test_one_frame_one_colour_and_noise_behave(codec: LatentCodec) -> None:
    noise: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (2, 3, 144, 256), dtype=np.uint8)
    black = np.zeros((1, 3, 144, 256), np.uint8)
    for frames in (noise, black, 255 - black):
        latents = codec.encode(frames)
        assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)
    assert len(codec.pack(codec.encode(black))) < 250
