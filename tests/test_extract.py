from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import archives, videos
from vsearch.config import IndexConfig, ReadConfig
from vsearch.errors import MediaError, NoVideoError
from vsearch.extract import BLOCK_FRAMES, embed_file, encode_frames, extract, extract_stream, quantise
from vsearch.media.isolated import DecodeProcess
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import FrameBatch, IndexedVideo, Reading

FAST = IndexConfig(read=ReadConfig(fps=Fraction(10)), clip_s=Fraction(2))


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    return load_codec(archives.tiny_folders()[0])


@pytest.fixture(scope="module")
def head() -> EmbeddingHead:
    return load_head(archives.tiny_folders()[1])


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodeProcess]:
    with DecodeProcess(ReadConfig()) as process:
        yield process


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds at ten frames a second: two scenes and black."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    black = [np.zeros((3, *archives.SMALL), np.uint8)] * 20
    scenes = [*videos.scene_frames(1, 30, archives.SMALL), *videos.scene_frames(2, 30, archives.SMALL)]
    return videos.write_stream(path, [*scenes, *black], fps=10)


@dataclass(frozen=True)
class FramesInMemory:
    """A stream whose frames are made up: what a reader gives, without a file."""

    frames: NDArray[np.uint8]
    batch: int
    reading: Reading

    def __iter__(self) -> Iterator[FrameBatch]:
        pts = np.arange(len(self.frames), dtype=np.int64)
        for i in range(0, len(self.frames), self.batch):
            yield FrameBatch(self.frames[i : i + self.batch], pts[i : i + self.batch], self.reading.info.time_base)


def in_memory(
    film: Path, decoder: DecodeProcess, frames: NDArray[np.uint8], batch: int = 32, said: int | None = None
) -> FramesInMemory:
    """Made-up frames one tick apart with the reading of a real file, which names `said` of them."""
    with decoder.read(bytes(film)) as stream:
        for _ in stream:
            pass
        real = stream.reading
    n = len(frames) if said is None else said
    shots = (replace(real.shots[0], start_pts=0, end_pts=max(1, n)),)
    reading = replace(real, start_pts=0, end_pts=max(1, n), frame_pts=tuple(range(n)), shots=shots)
    return FramesInMemory(frames, batch, reading)


def test_a_file_becomes_chunks_of_32_frames_blocks_shots_and_clips(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    video = extract(bytes(film), config=FAST, codec=codec, head=head, decoder=decoder)
    assert len(video.frame_pts) == 80
    assert [(c.first_frame, c.n_frames) for c in video.chunks] == [(0, 32), (32, 32), (64, 16)]
    assert [(b.first_frame, len(b.vectors), b.vectors.dtype) for b in video.embeddings] == [(0, 80, np.dtype(np.int8))]
    assert video.state == "ok"
    assert video.duration_s == pytest.approx(8.0)
    assert len(video.shots) == 2
    assert [clip.low_information for clip in video.clips] == [False, False, False, False, True]
    assert video.settings.fps == 10
    assert video.preview_size == (144, 224)
    assert len(codec.unpack(video.chunks[2].data)) == 16


@pytest.mark.parametrize("batch_frames", [1, 7, 32, 80])
def test_the_result_does_not_depend_on_how_the_reader_batches(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess, batch_frames: int
) -> None:
    usual = extract(bytes(film), config=FAST, codec=codec, head=head, decoder=decoder)
    config = replace(FAST, read=replace(FAST.read, batch_frames=batch_frames))
    other = extract(bytes(film), config=config, codec=codec, head=head, decoder=decoder)
    assert other.chunks == usual.chunks
    assert np.array_equal(other.embeddings[0].vectors, usual.embeddings[0].vectors)


def test_gallery_and_query_see_the_same_vectors(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    video = extract(bytes(film), config=FAST, codec=codec, head=head, decoder=decoder)
    query = embed_file(bytes(film), FAST.read, models=lambda: (codec, head), decoder=decoder)
    stored = video.embeddings[0].unit_vectors()
    informative = ~query.low_information
    assert query.reading.frame_pts == tuple(video.frame_pts)
    assert np.array_equal(query.low_information, video.embeddings[0].low_information)
    assert ((query.vectors * stored).sum(axis=1)[informative] > 0.999).all()
    assert query.low_information.sum() == 20


def test_a_range_of_a_query_has_the_frames_of_that_range_only(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    read = replace(FAST.read, start_s=3.0, end_s=4.0)
    query = embed_file(bytes(film), read, models=lambda: (codec, head), decoder=decoder)
    assert len(query.vectors) == 10
    times = [(pts - query.reading.start_pts) * query.reading.info.time_base for pts in query.reading.frame_pts]
    assert min(times) >= Fraction(29, 10)
    assert max(times) <= 4


def test_a_file_that_breaks_off_is_partial(
    film: Path, tmp_path: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    whole = tmp_path / "whole.mp4"
    frames = videos.scene_frames(1, 60, archives.SMALL, noise=20)
    videos.write_stream(whole, frames, fps=10, container_options={"movflags": "faststart"})
    broken = videos.truncated(whole, tmp_path / "half.mp4", 0.5)
    video = extract(bytes(broken), config=FAST, codec=codec, head=head, decoder=decoder)
    assert video.state == "partial"
    assert video.reason
    assert 0 < len(video.frame_pts) < 60


def test_a_file_without_pictures_is_refused(
    tmp_path: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    sound = videos.audio_only(tmp_path / "sound.mp4")
    with pytest.raises(NoVideoError):
        extract(bytes(sound), config=FAST, codec=codec, head=head, decoder=decoder)


def test_a_long_film_is_stored_in_several_blocks(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (BLOCK_FRAMES + 40, 3, 16, 32), dtype=np.uint8)
    video = extract_stream(in_memory(film, decoder, frames, batch=50), config=FAST, codec=codec, head=head)
    assert [(b.first_frame, len(b.vectors)) for b in video.embeddings] == [(0, BLOCK_FRAMES), (BLOCK_FRAMES, 40)]
    assert sum(chunk.n_frames for chunk in video.chunks) == len(frames)
    assert codec.unpack(video.chunks[100].data).values.shape == (32, 3, 1, 2)


def test_a_reader_that_contradicts_itself_is_not_believed(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    frames = np.zeros((5, 3, 16, 16), np.uint8)
    with pytest.raises(MediaError, match="5 frames but names 4"):
        extract_stream(in_memory(film, decoder, frames, said=4), config=FAST, codec=codec, head=head)
    with pytest.raises(NoVideoError):
        extract_stream(in_memory(film, decoder, frames[:0]), config=FAST, codec=codec, head=head)


def test_frames_come_in_groups_of_32_however_they_were_batched(film: Path, decoder: DecodeProcess) -> None:
    codec = load_codec(archives.tiny_folders()[0])
    head = load_head(archives.tiny_folders()[1])
    frames = np.random.default_rng(0).integers(0, 256, (35, 3, 16, 32), dtype=np.uint8)
    groups = list(encode_frames(in_memory(film, decoder, frames, batch=9), codec, head))
    assert [len(group.latents) for group in groups] == [32, 3]
    assert [len(group.vectors) for group in groups] == [32, 3]


def test_quantised_vectors_keep_their_direction() -> None:
    vectors = np.random.default_rng(1).standard_normal((100, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    small, scale = quantise(vectors)
    restored = small * scale
    cosines = (restored * vectors).sum(axis=1) / np.linalg.norm(restored, axis=1)
    assert cosines.min() > 0.999
    assert np.abs(small).max() == 127


def test_vectors_of_nothing_can_be_quantised() -> None:
    small, scale = quantise(np.zeros((2, 4), np.float32))
    assert not small.any()
    assert scale == 1.0


def test_indexed_videos_compare_by_identity_not_by_arrays(
    film: Path, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> None:
    one = extract(bytes(film), config=FAST, codec=codec, head=head, decoder=decoder)
    assert isinstance(one, IndexedVideo)
    assert one.identity.size_bytes == film.stat().st_size
