"""A codec and a head that are real and tiny: no torch, no training, the same interfaces and files as the large ones.

The codec keeps the mean colour of each 16x16 block, the head projects a grid of them. `write_tiny_models` makes model
folders that `load_codec` and `load_head` open; importing this module makes the families known.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vsearch.bitstream import ChunkBytes, read_chunk, write_chunk
from vsearch.errors import InputError, LatentError
from vsearch.models import CODECS, HEADS
from vsearch.models.weights import ModelFiles, write_model
from vsearch.records import Latents
from vsearch.search.calibration import Calibration

CELL = 16
GRID = (6, 8)  # rows, columns that the head looks at
DIMENSIONS = 32


class TinyCodec:
    """Latents (T, 3, H/16, W/16): the mean colour of each block, in steps of 8 at level 0. Chunks are deflated."""

    codec_id = 65_000
    tiers: Mapping[str, int] = MappingProxyType({"low": 0, "default": 1, "high": 2})
    efforts = ("fast", "default", "archive")

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int | None = None) -> Self:
        return cls(ModelFiles.read(folder).model_id)

    def encode(self, frames: NDArray[np.uint8], *, level: int | None = None, effort: str = "default") -> Latents:
        level = 1 if level is None else level
        if level not in self.tiers.values() or effort not in self.efforts:
            raise InputError(f"the tiny codec has no level {level} or no effort {effort}")
        t, c, h, w = frames.shape
        blocks = frames.reshape(t, c, h // CELL, CELL, w // CELL, CELL).astype(np.int32).sum(axis=(3, 5))
        step = 8 if level == 0 else 1
        return self._latents((blocks // CELL**2 // step * step).astype(np.int16), level)

    def nearest(self, frames: NDArray[np.uint8], *, level: int | None = None) -> Latents:
        return self.encode(frames, level=level)

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        if latents.model_id != self.model_id:
            raise LatentError(f"latents of model {latents.model_id[:12]}, not {self.model_id[:12]}")
        return latents.values.astype(np.uint8).repeat(CELL, axis=2).repeat(CELL, axis=3)

    def pack(self, latents: Latents) -> bytes:
        t, c, h, w = latents.values.shape
        payload = bytes([latents.level]) + zlib.compress(
            np.diff(latents.values, axis=0, prepend=np.int16(0)).astype("<i2").tobytes()
        )
        return write_chunk(ChunkBytes(self.codec_id, bytes.fromhex(self.model_id)[:4], (t, c, h, w), b"", payload))

    def unpack(self, data: bytes) -> Latents:
        chunk = read_chunk(data)
        if chunk.codec_id != self.codec_id or chunk.model_prefix != bytes.fromhex(self.model_id)[:4]:
            raise LatentError("a chunk of another codec or other weights")
        try:
            steps = np.frombuffer(zlib.decompress(chunk.payload[1:]), "<i2").reshape(chunk.shape)
        except (zlib.error, ValueError) as error:
            raise LatentError("a damaged chunk") from error
        return self._latents(np.cumsum(steps, axis=0, dtype=np.int16), chunk.payload[0])

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        return [self.unpack(chunk) for chunk in chunks]

    def _latents(self, values: NDArray[np.int16], level: int) -> Latents:
        return Latents(values, codec_id=self.codec_id, model_id=self.model_id, level=level)


CALIBRATION = Calibration(
    (-12.0, 24.0, -8.0, 0.3, 1.0, 0.0, 0.0, 0.0, 0.0), {"duplicate": 0.9, "similar": 0.5, "any": 0.0}
)


class TinyHead:
    """A fixed random projection of a 6x8 grid of colours, their mean taken off."""

    d = DIMENSIONS
    plain_queries = False

    def __init__(
        self, model_id: str, projection: NDArray[np.float32], background: NDArray[np.float32] | None = None
    ) -> None:
        self.model_id = model_id
        self._projection = projection
        self.background = background

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int | None = None) -> Self:
        files = ModelFiles.read(folder)
        tensors = files.numpy()
        return cls(files.model_id, tensors["projection"], tensors.get("background"))

    def embed(self, latents: Latents) -> NDArray[np.float32]:
        t, _, h, w = latents.values.shape
        rows, columns = (np.arange(n) * size // n for n, size in zip(GRID, (h, w), strict=True))
        grid = latents.values[:, :, rows][:, :, :, columns].reshape(t, -1).astype(np.float32)
        grid -= grid.mean(axis=1, keepdims=True)
        vectors = grid @ self._projection
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-6))
        return unit


def write_tiny_models(folder: Path, *, calibrated: bool = False, seed: int = 0) -> tuple[Path, Path]:
    """Folders of the tiny codec and the tiny head below `folder`. calibrated: the head gives probabilities; seed: makes
    another head.
    """
    rng = np.random.default_rng(seed)
    projection = rng.standard_normal((3 * GRID[0] * GRID[1], DIMENSIONS)).astype(np.float32)
    codec, head = folder / "codec", folder / "head"
    write_model(codec, kind="codec", family="tiny", decode={"cell": CELL}, training={}, tensors={"none": np.zeros(1)})
    write_model(
        head,
        kind="head",
        family="tiny",
        decode={"d": DIMENSIONS},
        search={"floor": 0.6, **({"calibration": CALIBRATION.as_json()} if calibrated else {})},
        training={},
        tensors={"projection": projection, **({"background": _unit(rng, 64)} if calibrated else {})},
    )
    return codec, head


def _unit(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, DIMENSIONS)).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


if "tiny" not in CODECS.names():
    CODECS.register("tiny", "tests.tiny_models:TinyCodec")
    HEADS.register("tiny", "tests.tiny_models:TinyHead")
