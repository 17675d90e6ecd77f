"""Synthetic footage for the drawing tests: a lossless codec with real chunks, and pictures that tell their number."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.latents import chunk_source
from vsearch.records import CHUNK_FRAMES, CodedChunk, Latents
from vsearch.render.frames import Footage

CODEC_ID = 60_000
MODEL_ID = "0" * 64


class PixelCodec:
    """Latents that are the pixels of each 16x16 block: lossless, so that drawn pictures can be compared exactly."""

    codec_id = CODEC_ID
    model_id = MODEL_ID

    def encode(self, frames: NDArray[np.uint8]) -> Latents:
        n, c, height, width = frames.shape
        blocks = frames.reshape(n, c, height // 16, 16, width // 16, 16).transpose(0, 1, 3, 5, 2, 4)
        values = blocks.reshape(n, c * 256, height // 16, width // 16).astype(np.int16)
        return Latents(values, self.codec_id, self.model_id)

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        n, _, h, w = latents.values.shape
        blocks = latents.values.reshape(n, 3, 16, 16, h, w).transpose(0, 1, 4, 2, 5, 3)
        return blocks.reshape(n, 3, 16 * h, 16 * w).astype(np.uint8)

    def pack(self, latents: Latents) -> bytes:
        shape = np.array(latents.values.shape, "<u4")
        return shape.tobytes() + zlib.compress(latents.values.astype("<i2").tobytes(), 1)

    def unpack(self, data: bytes) -> Latents:
        try:
            shape = np.frombuffer(data[:16], "<u4")
            values = np.frombuffer(zlib.decompress(data[16:]), "<i2").reshape(tuple(shape.tolist()))
        except (ValueError, zlib.error) as error:
            raise LatentError(f"damaged chunk: {error}") from error
        return Latents(values.astype(np.int16), self.codec_id, self.model_id)

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        return [self.unpack(chunk) for chunk in chunks]


def moving_picture(n: int, *, height: int = 144, width: int = 256, seed: int = 0) -> NDArray[np.uint8]:
    """(n, 3, height, width) uint8: a wandering disc; pixel (0, 0) of frame i is (i % 256, i // 256, seed)."""
    rng = np.random.default_rng(seed)
    paint, back = rng.integers(60, 255, (2, 3))
    y, x = np.mgrid[:height, :width]
    frames = np.empty((n, 3, height, width), np.uint8)
    for i in range(n):
        cx, cy = width * (0.5 + 0.4 * np.sin(i / 7 + seed)), height * (0.5 + 0.35 * np.cos(i / 5))
        disc = (x - cx) ** 2 + (y - cy) ** 2 < (height / 5) ** 2
        ground = back[:, None, None] * (0.25 + 0.5 * (x + y + 3 * i) % (width + height) / (width + height))
        frames[i] = np.where(disc, paint[:, None, None], ground).astype(np.uint8)
        frames[i, :, 0, 0] = (i % 256, i // 256, seed)
    return frames


def coded_chunks(frames: NDArray[np.uint8], codec: PixelCodec) -> list[CodedChunk]:
    """Chunks of at most 32 frames, as they are stored."""
    edges = [*range(0, len(frames), CHUNK_FRAMES), len(frames)]
    chunks = []
    for first, last in pairwise(edges):
        data = codec.pack(codec.encode(frames[first:last]))
        checksum = blake2b(data, digest_size=16).digest()
        chunks.append(CodedChunk(first, last - first, 1, CODEC_ID, MODEL_ID, data, checksum))
    return chunks


def holding(chunks: Sequence[CodedChunk], numbers: NDArray[np.int64]) -> list[CodedChunk]:
    """The chunks that hold these frames."""
    return [c for c in chunks if ((numbers >= c.first_frame) & (numbers < c.first_frame + c.n_frames)).any()]


def footage_of(
    frames: NDArray[np.uint8],
    *,
    name: str = "/films/disc.mp4",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    aspect: Fraction | None = None,
    loaded: list[CodedChunk] | None = None,
) -> Footage:
    """Footage one frame a second from 500 ticks on (or at `pts`); `loaded` collects the chunks that were asked for."""
    codec = PixelCodec()
    chunks = coded_chunks(frames, codec)

    def load(numbers: NDArray[np.int64]) -> list[CodedChunk]:
        found = holding(chunks, numbers)
        if loaded is not None:
            loaded.extend(found)
        return found

    times = np.array(pts if pts is not None else [500 + 1000 * i for i in range(len(frames))], np.int64)
    return Footage(
        name=name,
        frame_pts=times,
        start_pts=int(times[0]),
        end_pts=int(times[-1]) + 1000,
        time_base=time_base,
        display_aspect=aspect or Fraction(frames.shape[3], frames.shape[2]),
        codec=codec,
        latents=chunk_source(load, codec),
    )
