"""The bytes of one chunk: a fixed header, a list of corrections, the entropy-coded latents, a checksum.

Byte layout, little endian (docs/format.md explains each field):

    0   2  magic b"VL"
    2   1  version of this layout (1)
    3   2  codec id: the bitstream family
    5   4  first bytes of the model id: the weights
    9   1  frames in the chunk, 1 to 32
    10  2  latent channels      12  2  latent rows      14  2  latent columns
    16  4  length of the corrections, bytes
    20  -  corrections, then the entropy-coded latents
    -4  4  CRC-32 of everything before it
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vsearch.errors import LatentError
from vsearch.records import CHUNK_FRAMES

MAGIC = b"VL"
VERSION = 1
HEADER = struct.Struct("<2sBH4sBHHHI")
MAX_LATENTS = 1 << 24  # a frame of more latents than this is no preview: refused before anything is allocated


@dataclass(frozen=True, slots=True)
class ChunkBytes:
    """The parts of a chunk. shape: (frames, channels, rows, columns)."""

    codec_id: int
    model_prefix: bytes
    shape: tuple[int, int, int, int]
    corrections: bytes
    payload: bytes


def write_chunk(chunk: ChunkBytes) -> bytes:
    """The bytes of `chunk`. Raises LatentError when a field is out of its range."""
    frames, channels, rows, columns = chunk.shape
    if not 1 <= frames <= CHUNK_FRAMES or min(channels, rows, columns) < 1 or max(channels, rows, columns) > 0xFFFF:
        raise LatentError(f"a chunk cannot hold latents of shape {chunk.shape}")
    header = HEADER.pack(
        MAGIC, VERSION, chunk.codec_id, chunk.model_prefix[:4], frames, channels, rows, columns, len(chunk.corrections)
    )
    body = header + chunk.corrections + chunk.payload
    return body + struct.pack("<I", zlib.crc32(body))


def read_chunk(data: bytes) -> ChunkBytes:
    """The parts of a chunk. Raises LatentError when the bytes are damaged, cut short, or of a newer layout."""
    if len(data) < HEADER.size + 4:
        raise LatentError(f"a chunk of {len(data)} bytes is too short to be one: the library is damaged there")
    magic, version, codec_id, prefix, frames, channels, rows, columns, corrections = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise LatentError("these bytes are not a chunk of latents: the library is damaged there")
    if version != VERSION:
        raise LatentError(f"a chunk of layout {version}; this program reads layout {VERSION}: use a newer vsearch")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise LatentError("a chunk's checksum does not match: the library is damaged there")
    end = HEADER.size + corrections
    if not 1 <= frames <= CHUNK_FRAMES or end > len(data) - 4 or not 0 < channels * rows * columns <= MAX_LATENTS:
        raise LatentError("a chunk's header contradicts itself: the library is damaged there")
    return ChunkBytes(codec_id, prefix, (frames, channels, rows, columns), data[HEADER.size : end], data[end:-4])


def write_varints(values: Iterable[int]) -> bytes:
    """Unsigned integers, seven bits a byte, lowest first, the high bit set on all bytes but each one's last
    (LEB128).
    """
    out = bytearray()
    for value in values:
        if value < 0:
            raise ValueError(f"varints are unsigned, not {value}")
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)


def read_varints(data: bytes) -> Iterator[int]:
    """The integers that `write_varints` wrote. Raises LatentError when the last is cut off or one exceeds 63 bits."""
    value, shift = 0, 0
    for byte in data:
        if shift > 56:
            raise LatentError("a number in a chunk is too long: the library is damaged there")
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield value
            value, shift = 0, 0
    if shift:
        raise LatentError("a number in a chunk is cut off: the library is damaged there")


def zigzag(value: int) -> int:
    """Signed to unsigned: 0, -1, 1, -2 ... -> 0, 1, 2, 3 ..."""
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value: int) -> int:
    """The inverse of `zigzag`."""
    return value // 2 if value % 2 == 0 else -(value + 1) // 2
