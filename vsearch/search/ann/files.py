"""Index files: named arrays behind a checked header, whatever structure they belong to. No pickle, no FAISS reader.

    magic        8 bytes   b"VSANN\\x00\\x01\\n"
    header size  4 bytes   little-endian unsigned
    header       JSON      {"kind", "d", "stamp": {...}, "arrays": [[name, dtype, [shape...]], ...]}
    arrays                 one after the other, C order, little-endian
    checksum     4 bytes   CRC-32 of everything before it

The arrays begin right after the header, the file ends with the checksum. Sizes are checked before memory is allocated.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError

MAGIC = b"VSANN\x00\x01\n"
MAX_HEADER_BYTES = 1 << 20
DTYPES = ("<i8", "<f2", "<f4", "|i1", "|u1")
_PIECE_BYTES = 1 << 20  # checked and moved so much at a time, while it is in the processor's cache

Stamp = Mapping[str, str | int]


def write_index(path: Path, *, kind: str, d: int, stamp: Stamp, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write one index file and synchronise it to disk. Raises OSError."""
    laid_out = {
        name: np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        for name, array in arrays.items()
    }
    header = json.dumps(
        {
            "kind": kind,
            "d": d,
            "stamp": dict(stamp),
            "arrays": [[name, array.dtype.str, list(array.shape)] for name, array in laid_out.items()],
        }
    ).encode()
    with path.open("wb") as file:
        checksum = 0
        start = MAGIC + struct.pack("<I", len(header)) + header
        for piece in chain([memoryview(start)], *map(_pieces, laid_out.values())):
            checksum = zlib.crc32(piece, checksum)
            file.write(piece)
        file.write(struct.pack("<I", checksum))
        file.flush()
        os.fsync(file.fileno())


def read_stamp(path: Path) -> dict[str, str | int]:
    """What the file says it was built from, the header alone being read. Raises AnnError (damaged), OSError."""
    with path.open("rb") as file:
        header, _ = _read_header(file, path)
    return dict(header["stamp"])


def read_index(path: Path, *, kind: str) -> tuple[int, dict[str, NDArray[Any]]]:
    """(d, arrays by name) of a file of this kind. Raises AnnError when it is damaged or of another kind, OSError."""
    with path.open("rb") as file:
        header, checksum = _read_header(file, path)
        if header["kind"] != kind:
            raise AnnError(f"{path}: expected an index of kind {kind!r}, found {header['kind']!r}")
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype, shape in header["arrays"]:
            arrays[name] = np.empty(shape, np.dtype(dtype))
            for piece in _pieces(arrays[name]):
                if file.readinto(piece) != len(piece):
                    raise AnnError(f"{path}: the file ended early")
                checksum = zlib.crc32(piece, checksum)
        if file.read() != struct.pack("<I", checksum):
            raise AnnError(f"{path}: the checksum does not fit: the file is damaged")
    return header["d"], arrays


def _pieces(array: NDArray[Any]) -> Iterator[memoryview]:
    view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # typeshed: buffers since Python 3.12
    for start in range(0, len(view), _PIECE_BYTES):
        yield view[start : start + _PIECE_BYTES]


def _read_header(file: BufferedReader, path: Path) -> tuple[dict[str, Any], int]:
    """(checked header, checksum so far); the file then stands at the first array."""
    start = file.read(len(MAGIC) + 4)
    if len(start) != len(MAGIC) + 4 or not start.startswith(MAGIC):
        raise AnnError(f"{path}: not an index file, or one of another version")
    (size,) = struct.unpack("<I", start[len(MAGIC) :])
    if size > MAX_HEADER_BYTES:
        raise AnnError(f"{path}: a header of {size} bytes: the file is damaged")
    data = file.read(size)
    try:
        header = json.loads(data)
        expected = len(start) + size + 4 + sum(_array_bytes(*entry) for entry in header["arrays"])
        sound = isinstance(header["kind"], str) and isinstance(header["d"], int) and isinstance(header["stamp"], dict)
    except (ValueError, TypeError, KeyError) as error:
        raise AnnError(f"{path}: the header is damaged") from error
    found = os.fstat(file.fileno()).st_size
    if not sound or found != expected:
        raise AnnError(f"{path}: expected {expected} bytes, found {found}: the file is damaged")
    return header, zlib.crc32(start + data)


def _array_bytes(name: object, dtype: object, shape: list[int]) -> int:
    if not isinstance(name, str) or dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"no array: {name!r}, {dtype!r}, {shape!r}")
    n_bytes = np.dtype(str(dtype)).itemsize
    for n in shape:
        n_bytes *= n
    return n_bytes
