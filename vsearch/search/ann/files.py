"""Index files: named arrays behind a checked header, whatever structure they belong to. No pickle, no FAISS reader.

    magic        8 bytes   b"VSANN\\x00\\x02\\n"
    header size  4 bytes   little-endian unsigned
    header       JSON      {"kind", "d", "stamp": {...}, "facts": {...}, "arrays": [[name, dtype, [shape...]], ...]}
    arrays                 C order, little-endian, each from a multiple of 64 bytes on
    checksums    4 bytes each   CRC-32 of everything before the first array, then of each array

The file ends with the checksums. Sizes are checked before memory is allocated. Arrays may be mapped instead of read. Of
a large file only the header and what is read are held against their checksums: to read gigabytes before each query
would cost more than what a flipped bit in the mapped arrays can do, which is to lose or to add a candidate.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError

MAGIC = b"VSANN\x00\x02\n"
MAX_HEADER_BYTES = 1 << 20
DTYPES = ("<i8", "<f2", "<f4", "|i1", "|u1")
ALIGNMENT = 64
CHECKED_BYTES = 1 << 28  # a file up to this size is checked whole when it is opened, mapped or not
_PIECE_BYTES = 1 << 20  # checked and moved so much at a time, while it is in the processor's cache

Stamp = Mapping[str, str | int]
Facts = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """An array that is written piece by piece: C-ordered parts along its first axis that make up `shape`."""

    dtype: str
    shape: tuple[int, ...]
    parts: Iterable[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. stamp: what it was built from; facts: how it was built, and what was measured.

    arrays: name -> (dtype, shape, offset in the file); `size`: the file's.
    """

    kind: str
    d: int
    stamp: dict[str, str | int]
    facts: dict[str, str | int | float]
    arrays: dict[str, tuple[str, tuple[int, ...], int]]
    size: int


def write_index(
    path: Path,
    *,
    kind: str,
    d: int,
    stamp: Stamp,
    arrays: Mapping[str, NDArray[Any] | Stream],
    facts: Facts | None = None,
) -> None:
    """Write one index file and synchronise it to disk. Raises OSError."""
    streams = {name: array if isinstance(array, Stream) else _whole(array) for name, array in arrays.items()}
    told = {
        "kind": kind,
        "d": d,
        "stamp": dict(stamp),
        "facts": dict(facts or {}),
        "arrays": [[name, stream.dtype, list(stream.shape)] for name, stream in streams.items()],
    }
    header = json.dumps(told).encode()
    header += b" " * (-(len(MAGIC) + 4 + len(header)) % ALIGNMENT)
    start = MAGIC + struct.pack("<I", len(header)) + header
    with path.open("wb") as file:
        file.write(start)
        checksums = [zlib.crc32(start)]
        for name, stream in streams.items():
            expected = file.tell() + _array_bytes(name, stream.dtype, stream.shape)
            checksum = 0
            for part in stream.parts:
                for piece in _pieces(np.ascontiguousarray(part, np.dtype(stream.dtype))):
                    checksum = zlib.crc32(piece, checksum)
                    file.write(piece)
            if file.tell() != expected:
                raise ValueError(f"{name}: the parts are not of shape {stream.shape}")
            file.write(b"\0" * (-expected % ALIGNMENT))
            checksums.append(checksum)
        file.write(struct.pack(f"<{len(checksums)}I", *checksums))
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` make a file under another name, which then takes the place of `path` in one step.

    Whoever reads the old file keeps it. The folder is made when missing. Raises OSError and what `write` raises; then
    everything is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget_leftovers(path)
        write(temporary)
        temporary.replace(path)
        _synchronise(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_header(path: Path) -> Header:
    """What a file says of itself, nothing else being read. Raises AnnError (damaged), OSError."""
    with path.open("rb") as file:
        return _read_header(file, path)


def read_stamp(path: Path) -> dict[str, str | int]:
    """What the file says it was built from, the header alone being read. Raises AnnError (damaged), OSError."""
    return read_header(path).stamp


def read_index(path: Path, *, kind: str, mapped: Collection[str] = ()) -> tuple[Header, dict[str, NDArray[Any]]]:
    """(header, arrays by name) of a file of this kind; the arrays named in `mapped` stay on disk, not to be written to.

    Raises AnnError when it is damaged or of another kind, OSError.
    """
    with path.open("rb") as file:
        header = _read_header(file, path)
        if header.kind != kind:
            raise AnnError(f"{path}: expected an index of kind {kind!r}, found {header.kind!r}")
        file.seek(header.size - 4 * len(header.arrays))
        checksums = struct.unpack(f"<{len(header.arrays)}I", file.read())
        arrays: dict[str, NDArray[Any]] = {}
        for (name, (dtype, shape, offset)), wanted in zip(header.arrays.items(), checksums, strict=True):
            if name in mapped and np.prod(shape) > 0:
                arrays[name] = np.memmap(file, np.dtype(dtype), "r", offset, shape).view(np.ndarray)
                checksum = _checksum(arrays[name]) if header.size <= CHECKED_BYTES else wanted
            else:
                arrays[name], checksum = _read_array(file, dtype, shape, offset, path)
            if checksum != wanted:
                raise AnnError(f"{path}: the checksum of {name} does not fit: the file is damaged")
    return header, arrays


def _forget_leftovers(path: Path) -> None:
    """Remove what writers that were killed left behind; an hour is longer than any write takes."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        if leftover.stat().st_mtime < time.time() - 3600:
            leftover.unlink(missing_ok=True)


def _synchronise(folder: Path) -> None:
    """Make the new name last. Where folders cannot be opened (Windows) the system sees to it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _whole(array: NDArray[Any]) -> Stream:
    return Stream(array.dtype.newbyteorder("<").str, array.shape, [array])


def _pieces(array: NDArray[Any]) -> Iterator[memoryview]:
    view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # typeshed: buffers since Python 3.12
    for start in range(0, len(view), _PIECE_BYTES):
        yield view[start : start + _PIECE_BYTES]


def _checksum(array: NDArray[Any]) -> int:
    checksum = 0
    for piece in _pieces(array):
        checksum = zlib.crc32(piece, checksum)
    return checksum


def _read_array(
    file: BufferedReader, dtype: str, shape: tuple[int, ...], offset: int, path: Path
) -> tuple[NDArray[Any], int]:
    array = np.empty(shape, np.dtype(dtype))
    checksum = 0
    file.seek(offset)
    for piece in _pieces(array):
        if file.readinto(piece) != len(piece):
            raise AnnError(f"{path}: the file ended early")
        checksum = zlib.crc32(piece, checksum)
    return array, checksum


def _read_header(file: BufferedReader, path: Path) -> Header:
    start = file.read(len(MAGIC) + 4)
    if len(start) != len(MAGIC) + 4 or not start.startswith(MAGIC):
        raise AnnError(f"{path}: not an index file, or one of another version")
    (size,) = struct.unpack("<I", start[len(MAGIC) :])
    if size > MAX_HEADER_BYTES:
        raise AnnError(f"{path}: a header of {size} bytes: the file is damaged")
    data = file.read(size)
    try:
        told = json.loads(data)
        position = len(start) + size
        arrays = {}
        for name, dtype, shape in told["arrays"]:
            arrays[name] = (dtype, tuple(shape), position)
            position += _array_bytes(name, dtype, shape)
            position += -position % ALIGNMENT
        header = Header(told["kind"], told["d"], told["stamp"], told["facts"], arrays, position + 4 * (1 + len(arrays)))
        sound = isinstance(header.kind, str) and isinstance(header.d, int) and len(arrays) == len(told["arrays"])
        sound = sound and isinstance(header.stamp, dict) and isinstance(header.facts, dict)
    except (ValueError, TypeError, KeyError) as error:
        raise AnnError(f"{path}: the header is damaged") from error
    found = os.fstat(file.fileno()).st_size
    if not sound or found != header.size:
        raise AnnError(f"{path}: expected {header.size} bytes, found {found}: the file is damaged")
    file.seek(position)
    if file.read(4) != struct.pack("<I", zlib.crc32(start + data)):
        raise AnnError(f"{path}: the checksum of the header does not fit: the file is damaged")
    return header


def _array_bytes(name: object, dtype: object, shape: Iterable[int]) -> int:
    shape = tuple(shape)
    if not isinstance(name, str) or dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"no array: {name!r}, {dtype!r}, {shape!r}")
    n_bytes = np.dtype(str(dtype)).itemsize
    for n in shape:
        n_bytes *= n
    return n_bytes
