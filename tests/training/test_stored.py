"""Latents as a library stores them, for training the head on what it will read."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.packs import write_pack
from vsearch.errors import InputError
from vsearch.models import shipped_codec
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.head import HeadNetwork, HeadShape
from vsearch.training.data import PackedFrames
from vsearch.training.embedding import FramePairs, HeadRecipe, LatentPairs, embedded, train
from vsearch.training.excerpts import library_picture
from vsearch.training.stored import StoredLatents, encoded

FIRST_CODEC = Path(__file__).resolve().parents[1] / "data" / "temporal-1" / "model"


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"), videos=2, photos=2, frames=11)


@pytest.fixture(scope="module")
def codec() -> DyadicCodec:
    return DyadicCodec.load(shipped_codec())


@pytest.fixture(scope="module")
def stored(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredLatents:
    found = StoredLatents(tmp_path_factory.mktemp("run") / "stored")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found.write(PackedFrames(frames), pool, codec=shipped_codec(), frames=frames, progress=None)
    return found


def test_frames_a_second_apart_are_encoded_as_one_sequence(frames: Path, codec: DyadicCodec) -> None:
    packed = PackedFrames(frames)
    entry = packed.entries[0]
    values, levels = encoded(packed, entry, codec, np.random.default_rng(1))
    assert len(values) == len(levels) == 11
    sequence = [3, 8]  # 5 frames a second
    pictures = np.stack([library_picture(packed.frames(entry)[n], entry) for n in sequence])
    expected = codec.encode(pictures, level=int(levels[3])).values
    assert np.array_equal(values[sequence], np.clip(expected, -128, 127))
    assert levels[3] == levels[8]
    assert set(levels.tolist()) <= set(codec.tiers.values())


def test_what_is_stored_is_read_on_the_scale_of_the_head(
    frames: Path, stored: StoredLatents, codec: DyadicCodec
) -> None:
    packed = PackedFrames(frames)
    entry = packed.entries[1]
    values, levels = encoded(packed, entry, codec, np.random.default_rng((7, 1)))
    found = stored.at(1, 4, codec)
    assert found.dtype == np.float32
    near = codec.scaled(codec.nearest(library_picture(packed.frames(entry)[4], entry)[None], level=int(levels[4])))[0]
    assert found.shape == near.shape
    assert np.corrcoef(found.ravel(), near.ravel())[0, 1] > 0.5
    assert (found != 0).sum() == (values[4] != 0).sum()


def test_what_is_there_is_not_encoded_again(frames: Path, stored: StoredLatents) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in stored.folder.iterdir()}
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        stored.write(PackedFrames(frames), pool, codec=shipped_codec(), frames=frames, progress=None)
    assert {path.name: path.stat().st_mtime_ns for path in stored.folder.iterdir()} == before
    assert len(before) == 2 * len(PackedFrames(frames).entries)


def test_library_views_that_are_not_edited_are_the_stored_ones(
    frames: Path, stored: StoredLatents, codec: DyadicCodec
) -> None:
    recipe = HeadRecipe(str(frames), str(shipped_codec()), steps=1, batch=8)
    drawn = FramePairs(PackedFrames(frames), batch=8, photos=0.35, held_out=False).draw(
        np.random.default_rng((4, 2)), 1
    )
    library, queries = LatentPairs(recipe, stored.folder).draw((4, 2), 1, held_out=False)
    assert len(library) == len(queries) == 8
    plain = [n for n, one in enumerate(drawn.library) if one is None]
    assert 0 < len(plain) < 8
    numbers = {entry: number for number, entry in enumerate(PackedFrames(frames).entries)}
    for n, moment in enumerate(drawn.moments):
        same = library[n].shape == (as_kept := stored.at(numbers[moment.entry], moment.number, codec)).shape
        assert (same and np.array_equal(library[n], as_kept)) == (n in plain)


def test_latents_of_several_sizes_are_embedded_in_their_order() -> None:
    torch.manual_seed(0)
    network = HeadNetwork(HeadShape(channels=4, width=8, deep_width=8, d=16)).eval()
    rng = np.random.default_rng(1)
    latents = [rng.normal(size=(4, 5 + n % 3, 6)).astype(np.float32) for n in range(7)]
    found = embedded(network, latents, torch.device("cpu"))
    for one, vector in zip(latents, found, strict=True):
        assert torch.allclose(network(torch.from_numpy(one[None]))[0], vector, atol=1e-5)


def test_a_codec_of_one_level_stores_nothing_to_train_on(frames: Path, tmp_path: Path) -> None:
    recipe = HeadRecipe(str(frames), str(FIRST_CODEC), steps=1, stored=True)
    with pytest.raises(InputError, match="several levels"):
        train(recipe, tmp_path, resume=False)
