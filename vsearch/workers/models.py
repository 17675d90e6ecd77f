"""A codec and a head that compute in another process: the same methods, the same pictures and vectors.

`RemoteModels` is what `ModelShelf` loads with. The child keeps what it loaded; a request names the model's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch.media import wire
from vsearch.models import CODECS, HEADS, load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import Latents
from vsearch.registry import Registry
from vsearch.workers.process import Answer, Payload

CODEC, HEAD = b"C", b"H"  # what is asked: a codec, a head
_KEPT = 8  # models that a child keeps loaded
_REGISTRIES: Mapping[str, Registry] = {"codec": CODECS, "head": HEADS}


class Process(Protocol):
    """See `process.ModelProcess`."""

    def ask(self, kind: bytes, fields: dict[str, Any], payload: Payload = b"") -> Answer: ...


def families() -> dict[str, dict[str, str]]:
    """What this process knows of families of models: the other one may know fewer."""
    return {kind: {name: registry.target(name) for name in registry.names()} for kind, registry in _REGISTRIES.items()}


def learn(known: Mapping[str, Mapping[str, str]]) -> None:
    """The child's side of `families`."""
    for kind, targets in known.items():
        for name in targets.keys() - _REGISTRIES[kind].names():
            _REGISTRIES[kind].register(name, targets[name])


class RemoteModels:
    """Loads models in another process. Raises what loading raises there, and ProcessDiedError."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def codec(self, folder: Path, *, device: str, threads: int | None) -> LatentCodec:
        return RemoteCodec(self._process, _named(folder, device, threads))

    def head(self, folder: Path, *, device: str, threads: int | None) -> EmbeddingHead:
        return RemoteHead(self._process, _named(folder, device, threads))


def _named(folder: Path, device: str, threads: int | None) -> dict[str, Any]:
    return {"folder": str(folder), "device": device, "threads": threads, "families": families()}


class RemoteCodec:
    """Implements `models.base.LatentCodec`. What `encode` gives has lost the writer's own chunk: `pack` codes it anew,
    which takes more bytes, so this is not for indexing.
    """

    def __init__(self, process: Process, model: dict[str, Any]) -> None:
        self._process, self._model = process, model
        card, _ = self._ask("card")
        self.codec_id, self.model_id = int(card["codec_id"]), str(card["model_id"])
        self.tiers: Mapping[str, int] = dict(card["tiers"])
        self.efforts: Sequence[str] = tuple(card["efforts"])

    def _ask(self, what: str, payload: Payload = b"", **fields: Any) -> Answer:
        return self._process.ask(CODEC, {**self._model, "what": what, **fields}, payload)

    def encode(self, frames: NDArray[np.uint8], *, level: int | None = None, effort: str = "default") -> Latents:
        return _latents(*self._ask("encode", _bytes(frames), shape=frames.shape, level=level, effort=effort))

    def nearest(self, frames: NDArray[np.uint8], *, level: int | None = None) -> Latents:
        return _latents(*self._ask("nearest", _bytes(frames), shape=frames.shape, level=level))

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        fields, payload = self._ask("decode", _bytes(latents.values), latents=_described(latents))
        return np.frombuffer(bytearray(payload), np.uint8).reshape(fields["shape"])

    def pack(self, latents: Latents) -> bytes:
        return self._ask("pack", _bytes(latents.values), latents=_described(latents))[1]

    def unpack(self, data: bytes) -> Latents:
        return self.unpack_many([data])[0]

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        fields, payload = self._ask("unpack", b"".join(chunks), sizes=[len(chunk) for chunk in chunks])
        parts = wire.cut(payload, [2 * int(np.prod(one["shape"])) for one in fields["latents"]])
        return [_latents(one, part) for one, part in zip(fields["latents"], parts, strict=True)]


class RemoteHead:
    """Implements `models.base.EmbeddingHead`."""

    def __init__(self, process: Process, model: dict[str, Any]) -> None:
        self._process, self._model = process, model
        card, background = process.ask(HEAD, {**model, "what": "card"})
        self.model_id, self.d = str(card["model_id"]), int(card["d"])
        self.plain_queries = bool(card["plain_queries"])
        self.background: NDArray[np.float32] | None = None
        if card["background"]:
            self.background = np.frombuffer(background, np.float32).reshape(-1, self.d)

    def embed(self, latents: Latents) -> NDArray[np.float32]:
        asked = {**self._model, "what": "embed", "latents": _described(latents)}
        return np.frombuffer(self._process.ask(HEAD, asked, _bytes(latents.values))[1], np.float32).reshape(-1, self.d)


def _bytes(values: NDArray[Any]) -> Payload:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _described(latents: Latents) -> dict[str, Any]:
    return {
        "shape": list(latents.values.shape),
        "codec_id": latents.codec_id,
        "model_id": latents.model_id,
        "level": latents.level,
        "retouching": latents.retouching.hex(),
    }


def _latents(fields: dict[str, Any], payload: bytes) -> Latents:
    values = np.frombuffer(bytearray(payload), np.int16).reshape(fields["shape"])  # one that can be written to
    retouching = bytes.fromhex(fields["retouching"])
    return Latents(values, fields["codec_id"], fields["model_id"], fields["level"], retouching)


# The child's side


@lru_cache(_KEPT)
def _codec(folder: str, device: str, threads: int | None) -> LatentCodec:
    return load_codec(Path(folder), device=device, threads=threads)


@lru_cache(_KEPT)
def _head(folder: str, device: str, threads: int | None) -> EmbeddingHead:
    return load_head(Path(folder), device=device, threads=threads)


def _serve_codec(fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    learn(fields["families"])
    codec = _codec(fields["folder"], fields["device"], fields["threads"])
    return _CODEC_CALLS[fields["what"]](codec, fields, payload)


def _serve_head(fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    learn(fields["families"])
    head = _head(fields["folder"], fields["device"], fields["threads"])
    if fields["what"] == "embed":
        return {}, _bytes(head.embed(_latents(fields["latents"], payload)).astype(np.float32))
    background = head.background
    card = {"model_id": head.model_id, "d": head.d, "plain_queries": head.plain_queries}
    told = b"" if background is None else _bytes(background.astype(np.float32))
    return {**card, "background": background is not None}, told


def _card(codec: LatentCodec, _fields: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], Payload]:
    card = {"codec_id": codec.codec_id, "model_id": codec.model_id}
    return {**card, "tiers": dict(codec.tiers), "efforts": list(codec.efforts)}, b""


def _frames(fields: dict[str, Any], payload: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(payload, np.uint8).reshape(fields["shape"])


def _encode(codec: LatentCodec, fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    latents = codec.encode(_frames(fields, payload), level=fields["level"], effort=fields["effort"])
    return _described(latents), _bytes(latents.values)


def _nearest(codec: LatentCodec, fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    latents = codec.nearest(_frames(fields, payload), level=fields["level"])
    return _described(latents), _bytes(latents.values)


def _decode(codec: LatentCodec, fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    pictures = codec.decode(_latents(fields["latents"], payload))
    return {"shape": list(pictures.shape)}, _bytes(pictures)


def _pack(codec: LatentCodec, fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    return {}, codec.pack(_latents(fields["latents"], payload))


def _unpack(codec: LatentCodec, fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    unpacked = codec.unpack_many(wire.cut(payload, fields["sizes"]))
    return {"latents": [_described(one) for one in unpacked]}, b"".join(one.values.tobytes() for one in unpacked)


_CODEC_CALLS: Mapping[str, Callable[[LatentCodec, dict[str, Any], bytes], tuple[dict[str, Any], Payload]]] = {
    "card": _card,
    "encode": _encode,
    "nearest": _nearest,
    "decode": _decode,
    "pack": _pack,
    "unpack": _unpack,
}
SERVED = {CODEC: _serve_codec, HEAD: _serve_head}
