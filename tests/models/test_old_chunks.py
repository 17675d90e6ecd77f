"""Chunks that were written once must decode for ever, to the same integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsearch.models import load_codec, read_model_id

OLD = sorted((Path(__file__).parents[1] / "data").glob("*/chunk.bin"))


@pytest.mark.parametrize("chunk", OLD, ids=lambda path: path.parent.name)
def test_a_chunk_kept_from_earlier_decodes_to_the_latents_kept_with_it(chunk: Path) -> None:
    codec = load_codec(chunk.parent / "model")
    expected = np.load(chunk.parent / "latents.npy", allow_pickle=False)
    latents = codec.unpack(chunk.read_bytes())
    assert np.array_equal(latents.values, expected)
    t, _, h, w = expected.shape
    assert codec.decode(latents).shape == (t, 3, 16 * h, 16 * w)  # by a decoder as deep as they were then


@pytest.mark.parametrize(
    ("kept", "model_id"),
    [
        ("temporal-1", "92d92a784a00a9ff7064d38c0c493a098b6cf4b22652ac69df44b486691e8dfd"),
        ("dyadic-2", "f340b4a66ec964ac82f59e5a8245506243a6a6b3f737cdceb1f436c4f9223618"),
        ("dyadic-3", "aeaa0604b83e9edcac3967837ecf6f649b14eb85ece3e34010e932b0d3cdfe2b"),  # in whole numbers
        ("dyadic-4", "24c2143138a9edfc7e06a7f91a1aae9c31971b20b8b864bf7c720f110878de6f"),  # retouched
        ("dyadic-5", "2a277e822d32dcc454a28a9b775658a739fd26597b8c84308674fb3e3acb9f6d"),  # palettes are coded
    ],
)
def test_each_codec_has_such_a_chunk_and_its_model_keeps_its_identity(kept: str, model_id: str) -> None:
    assert read_model_id(Path(__file__).parents[1] / "data" / kept / "model") == model_id
