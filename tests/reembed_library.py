"""Libraries of made-up latents for tests that embed again; as a program, it embeds one with a head, to be killed.

python -m tests.reembed_library LIBRARY HEAD
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests import tiny_models
from tests.db import samples
from vsearch.db.records import ModelRecord
from vsearch.db.store import Store
from vsearch.extract import BlockWriter, coded_chunk
from vsearch.library import Library
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.models.shelf import ModelShelf
from vsearch.records import CHUNK_FRAMES, IndexedVideo, Latents


def make_library(folder: Path, models: tuple[Path, Path], *, videos: int, frames: int = 70) -> None:
    """A library of `videos` videos with latents of the tiny codec and embeddings of the tiny head in two folders."""
    shelf = ModelShelf(folder / "models")
    codec_id, head_id = (shelf.add(model).model_id for model in models)
    codec, head = shelf.codec(codec_id), shelf.head(head_id)
    with Store.open(folder, writable=True, create=True) as store:
        store.put_model(ModelRecord(codec_id, "codec", codec_id=codec.codec_id))
        store.put_model(ModelRecord(head_id, "head", dimensions=head.d))
        store.set_active(codec=codec_id, head=head_id)
        for number in range(videos):
            video = made_up(f"film {number}", frames, codec, head)
            store.add_video(video, samples.sighting(f"films/{number}.mp4".encode()))


def made_up(name: str, frames: int, codec: LatentCodec, head: EmbeddingHead) -> IndexedVideo:
    """A video whose latents and marks depend on its name alone."""
    noise = np.random.default_rng(list(name.encode()))
    values = noise.integers(0, 256, (frames, 3, 5, 8)).astype(np.int16)
    marks = noise.random(frames) < 0.2
    blocks, chunks = BlockWriter(head.model_id), []
    for first in range(0, frames, CHUNK_FRAMES):
        part = values[first : first + CHUNK_FRAMES]
        latents = Latents(part, codec.codec_id, codec.model_id, 1)
        chunks.append(coded_chunk(codec.pack(latents), first, len(latents), codec))
        blocks.add(head.embed(latents), marks[first : first + CHUNK_FRAMES])
    return replace(samples.indexed(name, n=frames), chunks=tuple(chunks), embeddings=blocks.finish())


def main() -> None:
    library, head = map(Path, sys.argv[1:])
    assert tiny_models.DIMENSIONS  # importing it makes the tiny family known
    with Library.open(library) as opened:
        print(opened.reembed(head=head, workers=1).as_json())


if __name__ == "__main__":
    main()
