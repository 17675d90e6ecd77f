"""Frames and latents: one latent describes one frame, whatever was encoded beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.small import SMALL, small_codec, small_head
from vsearch.errors import InputError, LatentError
from vsearch.models import load_codec, load_head, read_model_id
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.models.weights import ModelFiles, write_model
from vsearch.records import Latents


def random_frames(n: int, h: int = 48, w: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, h, w), dtype=np.uint8)


def test_models_fulfil_their_protocols(tmp_path: Path) -> None:
    assert isinstance(small_codec(tmp_path / "c"), LatentCodec)
    assert isinstance(small_head(tmp_path / "h"), EmbeddingHead)


def test_shapes_and_types_are_the_promised_ones(tmp_path: Path) -> None:
    codec = small_codec(tmp_path)
    latents = codec.encode(random_frames(5))
    assert latents.values.shape == (5, SMALL.channels, 3, 4)
    pictures = codec.decode(latents)
    assert pictures.shape == (5, 3, 48, 64)
    assert pictures.dtype == np.uint8


def test_a_frame_has_the_same_latents_alone_and_among_others(tmp_path: Path) -> None:
    codec = small_codec(tmp_path)
    frames = random_frames(19)
    together = codec.encode(frames).values
    for i in (0, 7, 8, 18):
        assert np.array_equal(codec.encode(frames[i : i + 1]).values[0], together[i])


def test_an_unchanged_picture_has_unchanged_latents_and_embeds_alike(tmp_path: Path) -> None:
    codec, head = small_codec(tmp_path / "c"), small_head(tmp_path / "h")
    frame = random_frames(1)
    still = codec.encode(frame)
    film = codec.unpack(codec.pack(codec.encode(np.repeat(frame, 9, 0))))
    assert all(np.array_equal(film.values[i], still.values[0]) for i in range(9))
    vectors = head.embed(film)
    assert np.allclose(vectors, head.embed(still)[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_frames_give_no_latents(tmp_path: Path) -> None:
    codec = small_codec(tmp_path)
    assert codec.encode(random_frames(0)).values.shape == (0, SMALL.channels, 3, 4)


def test_sizes_that_are_no_multiple_of_sixteen_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="multiples of 16"):
        small_codec(tmp_path).encode(random_frames(1, h=50))


def test_the_head_refuses_latents_of_another_width(tmp_path: Path) -> None:
    head = small_head(tmp_path)
    with pytest.raises(LatentError, match="channels"):
        head.embed(Latents(values=np.zeros((1, 3, 2, 2), np.int16), codec_id=1, model_id="x"))


def test_the_head_refuses_latents_of_another_codec_than_it_was_trained_for(tmp_path: Path) -> None:
    one, other = small_codec(tmp_path / "a", seed=0), small_codec(tmp_path / "b", seed=1)
    small_head(tmp_path / "any")
    files = ModelFiles.read(tmp_path / "any")
    decode = {**files.decode, "latents_of": one.model_id}
    write_model(tmp_path / "h", kind="head", family="gem", decode=decode, training={}, tensors=files.numpy())
    head = load_head(tmp_path / "h")
    assert head.embed(one.encode(random_frames(1))).shape == (1, 16)
    with pytest.raises(LatentError, match=f"not of model {other.model_id[:12]}"):
        head.embed(other.encode(random_frames(1)))


def test_models_load_by_family_and_keep_their_identity(tmp_path: Path) -> None:
    codec = small_codec(tmp_path / "c")
    assert load_codec(tmp_path / "c").model_id == codec.model_id == read_model_id(tmp_path / "c")
    ModelFiles.read(tmp_path / "c").copy_to(tmp_path / "copy")
    assert read_model_id(tmp_path / "copy") == codec.model_id
    small_head(tmp_path / "h")
    with pytest.raises(LatentError, match="codec"):
        load_codec(tmp_path / "h")
    with pytest.raises(LatentError, match="head"):
        load_head(tmp_path / "c")


def test_training_notes_do_not_change_the_identity_but_weights_do(tmp_path: Path) -> None:
    codec = small_codec(tmp_path / "c")
    card = (tmp_path / "c" / "model.json").read_text()
    (tmp_path / "c" / "model.json").write_text(card.replace('"training": {}', '"training": {"note": "more"}'))
    assert read_model_id(tmp_path / "c") == codec.model_id
    assert small_codec(tmp_path / "d", seed=3).model_id != codec.model_id


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x00" * 100])
def test_damaged_model_folders_are_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    small_codec(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LatentError, match=str(tmp_path)):
        load_codec(tmp_path)
