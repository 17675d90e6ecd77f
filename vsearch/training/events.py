"""Curves for TensorBoard, without TensorBoard: files of scalar events.

A file is TFRecords: 8 bytes length, 4 bytes masked CRC-32C of it, the record, 4 bytes masked CRC-32C of the record, all
little endian. A record is an `Event` of tensorflow/core/util/event.proto, of which four fields are written here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


class EventFile:
    """A new event file `events.out.tfevents.vsearch` in `folder`, in the place of an old one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "events.out.tfevents.vsearch").open("wb")
        self._write(_double(1, 0.0) + _bytes(3, b"brain.Event:2"))

    def add(self, step: int, wall_time_s: float, values: Mapping[str, float]) -> None:
        """Scalars by name at one step; the time is in seconds since 1970."""
        summary = b"".join(_bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in values.items())
        self._write(_double(1, wall_time_s) + _varint(2 << 3) + _varint(step) + _bytes(5, summary))

    def _write(self, record: bytes) -> None:
        length = struct.pack("<Q", len(record))
        self._file.write(length + _checksum(length) + record + _checksum(record))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_events(path: Path) -> Iterator[bytes]:
    """The records of an event file. Raises ValueError for a record that is damaged."""
    data = path.read_bytes()
    start = 0
    while start < len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        record = data[start + 12 : start + 12 + length]
        if _checksum(record) != data[start + 12 + length : start + 16 + length]:
            raise ValueError(f"{path}: a damaged record at byte {start}")
        yield record
        start += 16 + length


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
