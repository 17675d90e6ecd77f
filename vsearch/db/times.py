"""The pts of a video's sampled frames as a few bytes: docs/storage.md describes each of them.

Sampled times are nearly regular, so what is stored is how much the step changes from frame to frame, and deflated where
that is shorter: an hour sampled once a second takes a few dozen bytes instead of 28,800.
"""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import StoreError

PLAIN, DEFLATED = 0, 1
USUAL_VARINT = 7  # bytes
LONGEST_VARINT = 10  # bytes that a zigzag varint of a second difference of int64 can take (66 bits)


def encode_times(pts: NDArray[np.int64]) -> bytes:
    """The bytes of ascending pts, (n,) int64. Raises ValueError unless each is larger than the one before."""
    values = [int(value) for value in pts]
    steps = [later - earlier for earlier, later in pairwise(values)]
    if any(step <= 0 for step in steps):
        raise ValueError("frame times must be strictly ascending")
    changes = [later - earlier for earlier, later in pairwise([0, *steps])]
    plain = b"".join(_varint(value) for value in [*values[:1], *changes])
    deflated = zlib.compress(plain, 9)
    return bytes([DEFLATED]) + deflated if len(deflated) < len(plain) else bytes([PLAIN]) + plain


def decode_times(data: bytes, n: int) -> NDArray[np.int64]:
    """The n pts, (n,) int64, that were coded. Raises StoreError when the bytes do not hold exactly them."""
    body = _body(data, n)
    usual = _usual_times(body, n)
    return _any_times(body, n) if usual is None else usual


def _usual_times(body: bytes, n: int) -> NDArray[np.int64] | None:
    """All times at once, a tenth of a microsecond each; None where something is unusual, which `_any_times` looks at
    closely: very large numbers, and whatever is wrong.
    """
    read = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(read < 0x80)
    lengths = np.diff(ends, prepend=-1)
    if len(ends) != n or n == 0 or ends[-1] != len(read) - 1 or lengths.max() > USUAL_VARINT:
        return None
    rest = np.zeros(n, np.int64)
    for place in range(int(lengths.max())):
        there = lengths > place
        rest[there] |= (read[ends[there] - lengths[there] + 1 + place] & 0x7F).astype(np.int64) << 7 * place
    changes = np.where(rest & 1, -((rest + 1) >> 1), rest >> 1)
    steps = np.cumsum(changes[1:])
    largest = np.abs(changes.astype(np.float64)).sum() * n
    if largest >= 2.0**62 or (steps <= 0).any():
        return None
    return np.cumsum(np.concatenate([changes[:1], steps]), dtype=np.int64)


def _any_times(body: bytes, n: int) -> NDArray[np.int64]:
    """One time after the other."""
    times = np.empty(n, dtype=np.int64)
    position, value, step = 0, 0, 0
    for number in range(n):
        change, position = _read_varint(body, position)
        if number == 0:
            value = change
        else:
            step += change
            value += step
        if not -(1 << 63) <= value < 1 << 63 or (number and step <= 0):
            raise StoreError("stored frame times are damaged: they do not ascend within 64 bits")
        times[number] = value
    if position != len(body):
        raise StoreError("stored frame times are damaged: bytes are left over")
    return times


def _body(data: bytes, n: int) -> bytes:
    kind, coded = data[:1], data[1:]
    if kind == bytes([PLAIN]):
        return coded
    if kind != bytes([DEFLATED]):
        raise StoreError(f"stored frame times are damaged: they begin with {kind!r}")
    limit = LONGEST_VARINT * n + 1  # never inflate more than n times can take
    try:
        inflater = zlib.decompressobj()
        body = inflater.decompress(coded, limit)
    except zlib.error as error:
        raise StoreError(f"stored frame times are damaged: {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise StoreError("stored frame times are damaged: not one whole deflate stream")
    return body


def _varint(value: int) -> bytes:
    """Zigzag (the sign in the lowest bit), then seven bits a byte, low first, the top bit set where more follow."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    rest, shift = 0, 0
    for byte in data[position : position + LONGEST_VARINT]:
        rest |= (byte & 0x7F) << shift
        shift += 7
        position += 1
        if byte < 0x80:
            return (-((rest + 1) >> 1) if rest & 1 else rest >> 1), position
    raise StoreError("stored frame times are damaged: they end in the middle of a number")
