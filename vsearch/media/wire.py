"""What passes between the decoding process and its parent: JSON and raw pixels, never pickles, since the child may be
in the hands of whoever made the file.

A message is one byte for its kind, two unsigned 32-bit lengths (little endian), a JSON object and raw bytes.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, BinaryIO, TypeVar

Record = TypeVar("Record")

REQUEST, CANCEL = b"R", b"C"  # parent to child
INFO, IDENTITY, BATCH, ALIVE, END, ERROR = b"I", b"H", b"B", b"A", b"E", b"X"  # child to parent

_HEADER = struct.Struct("<cII")
_MAX_JSON = 1 << 28  # sampled pts of a very long video; anything longer is a child gone wrong
_MAX_PAYLOAD = 1 << 30


class WireError(Exception):
    """The bytes are not a message."""


def send(pipe: BinaryIO, kind: bytes, fields: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Write one message. Raises OSError when nobody reads any more."""
    text = json.dumps(fields).encode("ascii")
    pipe.write(_HEADER.pack(kind, len(text), len(payload)))
    pipe.write(text)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[bytes, dict[str, Any], bytes] | None:
    """The next message as (kind, fields, payload), None at the end. Raises WireError for anything else."""
    header = pipe.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise WireError("a message was cut short")
    kind, text_bytes, payload_bytes = _HEADER.unpack(header)
    if text_bytes > _MAX_JSON or payload_bytes > _MAX_PAYLOAD:
        raise WireError("a message is too long")
    text, payload = pipe.read(text_bytes), pipe.read(payload_bytes)
    if len(text) < text_bytes or len(payload) < payload_bytes:
        raise WireError("a message was cut short")
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise WireError("a message is no JSON") from error
    if not isinstance(fields, dict):
        raise WireError("a message is no JSON object")
    return kind, fields, payload


def cut(payload: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Parts that were sent as one, of these lengths."""
    return [payload[start:stop] for start, stop in pairwise(accumulate(sizes, initial=0))]


def to_json(value: Any) -> Any:
    """A record (dataclass) as JSON values: fractions as "n/d", bytes in hex, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[Record], value: Any) -> Record:
    """The record of type `kind` that `to_json` wrote. Raises WireError when `value` does not describe one."""
    try:
        return typing.cast(Record, _build(kind, value))
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise WireError(f"no {kind.__name__}: {error}") from error


def _build(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _build(next(a for a in arguments if a is not types.NoneType), value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else arguments
        return tuple(_build(item_kind, item) for item_kind, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {str(key): _build(arguments[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})
    if kind is Fraction:
        return Fraction(str(value))
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value
