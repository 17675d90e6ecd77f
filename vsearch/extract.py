"""From a file to what the library keeps of it: pictures, then latents, then embeddings. Pure: no database is touched.

`extract` is what a worker computes for the gallery, `embed_file` what a search computes for a query.

Frames go through the codec in groups of `CHUNK_FRAMES` consecutive sampled frames of one video, which are the chunks
that are stored (queries, of which nothing is stored, in smaller ones), however a reader happened to batch them. Codecs
and heads pad what they are given to one fixed shape, so that what the networks see depends on the video alone. So
groups can be encoded side by side, in other processes as well (`Keep`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch.bitstream import VERSION
from vsearch.config import IndexConfig, ReadConfig
from vsearch.errors import InputError, MediaError, NoVideoError
from vsearch.information import low_information
from vsearch.media.isolated import DecodeProcess
from vsearch.media.sampling import clips_of_shots
from vsearch.media.shots import SHOT_DETECTOR
from vsearch.metrics import compare_frames
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import (
    CHUNK_FRAMES,
    MAX_FRAMES,
    Clip,
    CodedChunk,
    EmbeddingBlock,
    FrameBatch,
    IndexedVideo,
    IndexSettings,
    Latents,
    Reading,
)

BLOCK_FRAMES = 4096
PLAIN_FRAMES = 16  # encoded together where no chunk is made of them
AHEAD = 8  # groups of one video that are encoded at the same time, at most


class FrameStream(Protocol):
    """A file being read: batches of sampled frames, then what the pass over the file found."""

    def __iter__(self) -> Iterator[FrameBatch]: ...

    @property
    def reading(self) -> Reading: ...


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrames:
    """Up to `CHUNK_FRAMES` consecutive sampled frames, encoded together.

    frames: (n, 3, H, W) uint8 RGB, as they were sampled; pts: (n,) int64; vectors: (n, d) float32, unit length;
    low_information: (n,) bool.
    """

    frames: NDArray[np.uint8]
    pts: NDArray[np.int64]
    latents: Latents
    vectors: NDArray[np.float32]
    low_information: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Fidelity:
    """How near what the library shows is to the sampled frames, frame by frame: (n,) float64 RGB PSNR in dB (at most
    60) and luma SSIM."""

    psnr_db: NDArray[np.float64]
    ssim: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How frames are kept. level, effort: as `LatentCodec.encode` takes them; pictures: whether latents are; compared:
    whether these are held against the frames.
    """

    level: int
    effort: str
    pictures: bool
    compared: bool


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrames:
    """What the library keeps of up to `CHUNK_FRAMES` consecutive sampled frames: the bytes of their chunk and its
    fidelity (None where they are not kept, or not compared), vectors (n, d) float32 and low_information (n,) bool.
    """

    chunk: bytes | None
    fidelity: Fidelity | None
    vectors: NDArray[np.float32]
    low_information: NDArray[np.bool_]


Keep = Callable[[NDArray[np.uint8], Keeping], "Future[KeptFrames]"]
"""Called with up to `CHUNK_FRAMES` frames (n, 3, H, W) uint8 RGB of one video; gives what will be kept of them."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFile:
    """A file as a query sees it, frame by frame in the order of `reading.frame_pts`.

    vectors: (m, d) float32, unit length; low_information: (m,) bool, True for frames by which nothing can be found.
    """

    reading: Reading
    vectors: NDArray[np.float32]
    low_information: NDArray[np.bool_]


def extract(
    path: bytes, *, config: IndexConfig, codec: LatentCodec, head: EmbeddingHead, decoder: DecodeProcess
) -> IndexedVideo:
    """All that the library stores of the video in `path`, decoded once; latents are packed as soon as a chunk is full.
    Without `config.pictures` they only make the embeddings, which are the same.

    Raises MediaError when not one frame can be decoded; a file that breaks off later gives state "partial". Raises
    InputError for a quality or an effort that the codec does not offer.
    """
    with decoder.read(path, config.read) as stream:
        return extract_stream(stream, config=config, codec=codec, head=head)


def extract_stream(
    stream: FrameStream, *, config: IndexConfig, codec: LatentCodec, head: EmbeddingHead, keep: Keep | None = None
) -> IndexedVideo:
    """`extract` of a file that is being read already. keep: where frames are encoded (None: here, at once). Raises
    MediaError, InputError.
    """
    keep = keep or kept_here(codec, head)
    level = chosen_level(codec, config)
    keeping = Keeping(level, config.effort, config.pictures, config.pictures and config.quality_check)
    kept = _Kept(codec, BlockWriter(head.model_id))
    waiting: deque[Future[KeptFrames]] = deque()
    pts: list[int] = []
    size = (0, 0)
    try:
        for frames, group_pts in _regroup(stream, CHUNK_FRAMES):
            waiting.append(keep(frames, keeping))
            pts.extend(group_pts.tolist())
            size = (frames.shape[2], frames.shape[3])
            while waiting and (waiting[0].done() or len(waiting) > AHEAD):
                kept.add(waiting.popleft().result())
        while waiting:
            kept.add(waiting.popleft().result())
    finally:
        for future in waiting:  # of a file that failed
            future.cancel()
    reading = _checked(stream.reading, pts)
    embeddings = kept.blocks.finish()
    low = np.concatenate([block.low_information for block in embeddings])
    return IndexedVideo(
        identity=reading.identity,
        stamp=reading.stamp,
        info=reading.info,
        settings=_settings(config, reading, level),
        start_pts=reading.start_pts,
        end_pts=reading.end_pts,
        preview_size=size,
        frame_pts=np.asarray(pts, dtype=np.int64),
        shots=reading.shots,
        clips=_clips(reading, config, low, kept.compared),
        chunks=tuple(kept.chunks),
        embeddings=embeddings,
        state=reading.state,
        reason=reading.reason,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What is kept of a video so far, group by group."""

    codec: LatentCodec
    blocks: BlockWriter
    chunks: list[CodedChunk] = field(default_factory=list)
    compared: list[Fidelity] = field(default_factory=list)

    def add(self, group: KeptFrames) -> None:
        if group.chunk is not None:
            first = CHUNK_FRAMES * len(self.chunks)
            self.chunks.append(coded_chunk(group.chunk, first, len(group.vectors), self.codec))
        if group.fidelity is not None:
            self.compared.append(group.fidelity)
        self.blocks.add(group.vectors, group.low_information)


def kept_here(codec: LatentCodec, head: EmbeddingHead) -> Keep:
    """`Keep` that encodes in this thread, at once."""

    def keep(frames: NDArray[np.uint8], keeping: Keeping) -> Future[KeptFrames]:
        done: Future[KeptFrames] = Future()
        done.set_result(kept_frames(frames, keeping, codec, head))
        return done

    return keep


def kept_frames(frames: NDArray[np.uint8], keeping: Keeping, codec: LatentCodec, head: EmbeddingHead) -> KeptFrames:
    """frames: (n, 3, H, W) uint8 RGB, up to `CHUNK_FRAMES` consecutive sampled ones of one video."""
    latents = codec.encode(frames, level=keeping.level, effort=keeping.effort)
    return KeptFrames(
        chunk=codec.pack(latents) if keeping.pictures else None,
        fidelity=Fidelity(*compare_frames(frames, codec.decode(latents))) if keeping.compared else None,
        vectors=head.embed(latents),
        low_information=low_information(frames),
    )


def embed_file(
    path: bytes,
    read: ReadConfig,
    *,
    models: Callable[[], tuple[LatentCodec, EmbeddingHead]],
    decoder: DecodeProcess,
    watch: Callable[[EncodedFrames], None] | None = None,
) -> EmbeddedFile:
    """The vectors of a query file's sampled frames. Raises MediaError when not one frame can be decoded.

    models: asked for once decoding has begun, which goes on while they are loaded. watch: is given each group of frames
    as it is encoded, for who wants to keep its latents.
    """
    pts: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    low: list[NDArray[np.bool_]] = []
    with decoder.read(path, read, identify=False) as stream:
        codec, head = models()
        for encoded in encode_frames(stream, codec, head, plainly=head.plain_queries):
            if watch is not None:
                watch(encoded)
            pts.extend(encoded.pts.tolist())
            vectors.append(encoded.vectors)
            low.append(encoded.low_information)
        reading = _checked(stream.reading, pts)
    return EmbeddedFile(reading, np.concatenate(vectors), np.concatenate(low))


def encode_frames(
    batches: Iterable[FrameBatch], codec: LatentCodec, head: EmbeddingHead, *, plainly: bool = False
) -> Iterator[EncodedFrames]:
    """A query's frames, encoded in groups of one size whatever the length of the batches.

    plainly: by `LatentCodec.nearest`, several times as fast, for heads that were trained for it; in smaller groups, so
    that decoding goes on meanwhile.
    """
    with ThreadPoolExecutor(1) as pool:
        for frames, pts in _regroup(batches, PLAIN_FRAMES if plainly else CHUNK_FRAMES):
            low = pool.submit(low_information, frames)  # the models may compute in another process
            latents = codec.nearest(frames) if plainly else codec.encode(frames)
            yield EncodedFrames(frames, pts, latents, head.embed(latents), low.result())


def chosen_level(codec: LatentCodec, config: IndexConfig) -> int:
    """The codec's level of the quality that is asked for. Raises InputError when it does not offer that quality or
    that effort.
    """
    if config.quality not in codec.tiers or config.effort not in codec.efforts:
        asked = f"quality {config.quality}" if config.quality not in codec.tiers else f"effort {config.effort}"
        raise InputError(
            f"the library's codec ({codec.model_id[:12]}) does not offer {asked}, only "
            f"quality {' or '.join(codec.tiers)} and effort {' or '.join(codec.efforts)}: "
            "go on without that option, or start a new library for it"
        )
    return codec.tiers[config.quality]


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """(n, d) int8 and the one scale that turns them back: the largest magnitude becomes 127."""
    largest = float(np.abs(vectors).max(initial=0.0))
    scale = largest / 127 if largest > 0 else 1.0
    return np.rint(vectors / scale).astype(np.int8), scale


def _regroup(batches: Iterable[FrameBatch], size: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Groups of exactly `size` frames, the last one shorter, from batches of any length."""
    frames: NDArray[np.uint8] | None = None
    pts = np.zeros(0, dtype=np.int64)
    for batch in batches:
        frames = batch.frames if frames is None or not len(frames) else np.concatenate([frames, batch.frames])
        pts = np.concatenate([pts, batch.pts])
        while len(frames) >= size:
            yield frames[:size], pts[:size]
            frames, pts = frames[size:], pts[size:]
    if frames is not None and len(frames):
        yield frames, pts


def coded_chunk(data: bytes, first_frame: int, n_frames: int, codec: LatentCodec) -> CodedChunk:
    """A chunk's bytes as the library stores them; its first frame is frame `first_frame` of its video."""
    return CodedChunk(
        first_frame=first_frame,
        n_frames=n_frames,
        format_version=VERSION,
        codec_id=codec.codec_id,
        model_id=codec.model_id,
        data=data,
        checksum=blake2b(data, digest_size=16).digest(),
    )


class BlockWriter:
    """Collects vectors and quantises them as soon as a block is full, so that a long film stays small in memory."""

    def __init__(self, head_id: str) -> None:
        self._head_id = head_id
        self._vectors: list[NDArray[np.float32]] = []
        self._low: list[NDArray[np.bool_]] = []
        self._waiting = 0
        self._first_frame = 0
        self._blocks: list[EmbeddingBlock] = []

    def add(self, vectors: NDArray[np.float32], low: NDArray[np.bool_]) -> None:
        """The next rows, of so many frames that `BLOCK_FRAMES` is a multiple: a block never has to be split."""
        self._vectors.append(vectors)
        self._low.append(low)
        self._waiting += len(vectors)
        if self._waiting >= BLOCK_FRAMES:
            self._flush()

    def finish(self) -> tuple[EmbeddingBlock, ...]:
        if self._waiting:
            self._flush()
        return tuple(self._blocks)

    def _flush(self) -> None:
        vectors, scale = quantise(np.concatenate(self._vectors))
        low = np.concatenate(self._low)
        self._blocks.append(EmbeddingBlock(self._head_id, self._first_frame, vectors, scale, low))
        self._first_frame += self._waiting
        self._vectors, self._low, self._waiting = [], [], 0


def _checked(reading: Reading, pts: list[int]) -> Reading:
    """The reading, once it is sure that it speaks of the frames that came."""
    if not pts:
        raise NoVideoError("no picture could be decoded")
    if list(reading.frame_pts) != pts:
        raise MediaError(f"the reader gave {len(pts)} frames but names {len(reading.frame_pts)} times")
    if len(pts) > MAX_FRAMES:
        raise MediaError(f"{len(pts)} sampled frames, at most {MAX_FRAMES} fit: index it with a lower --fps")
    return reading


def _settings(config: IndexConfig, reading: Reading, level: int) -> IndexSettings:
    return IndexSettings(
        fps=config.read.fps,
        sampling=config.read.sampling,
        clip_s=config.clip_s,
        preview_pixels=config.read.preview_pixels,
        reader=reading.reader,
        shot_detector=SHOT_DETECTOR,
        threads=config.threads,
        quality=config.quality,
        effort=config.effort,
        level=level,
    )


def _clips(
    reading: Reading, config: IndexConfig, low: NDArray[np.bool_], compared: Sequence[Fidelity]
) -> tuple[Clip, ...]:
    """The clips of a video, with how true their pictures are, and marked where none of them can be told apart.

    low: (n,) bool, of the sampled frames. compared: of all of them, or empty.
    """
    clips = clips_of_shots(reading.shots, reading.frame_pts, config.clip_s, reading.info.time_base)
    edges = np.searchsorted(reading.frame_pts, [(clip.start_pts, clip.end_pts) for clip in clips])
    psnr_db = np.concatenate([group.psnr_db for group in compared]) if compared else None
    ssim = np.concatenate([group.ssim for group in compared]) if compared else None
    return tuple(
        replace(
            clip,
            psnr_db=None if psnr_db is None else round(float(psnr_db[first:stop].mean()), 3),
            ssim=None if ssim is None else round(float(ssim[first:stop].mean()), 5),
            low_information=bool(low[first:stop].all()),
        )
        for clip, (first, stop) in zip(clips, edges.tolist(), strict=True)
    )
