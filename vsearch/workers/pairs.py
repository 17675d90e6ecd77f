"""What indexing asks of a process that has a codec and a head: whole groups of frames, or chunks, at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.extract import Fidelity, Keeping, KeptFrames, kept_frames
from vsearch.media import wire
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import CodedChunk
from vsearch.workers.models import families, learn
from vsearch.workers.process import ModelProcess, Payload

PAIR, FRAMES, CHUNKS = b"P", b"F", b"K"


class PairProcess:
    """A child process with a codec and a head. For one thread at a time; `close` may be called by any."""

    def __init__(self, codec: Path, head: Path, *, device: str, threads: int = 1) -> None:
        self._process = ModelProcess()
        self._ready = False
        folders = {"codec": str(codec), "head": str(head)}
        self._pair = {**folders, "device": device, "threads": threads, "families": families()}

    def wait_ready(self) -> None:
        """Until both are loaded, a second or two. Raises what loading raises there, and ProcessDiedError."""
        if self._ready:
            return
        try:
            self._process.ask(PAIR, self._pair)
        except BaseException:
            self.close()
            raise
        self._ready = True

    def encode(self, frames: NDArray[np.uint8], keeping: Keeping) -> KeptFrames:
        """See `extract.kept_frames`. Raises what that does, and ProcessDiedError."""
        fields = {"shape": list(frames.shape), "keeping": wire.to_json(keeping)}
        return _kept(*self._process.ask(FRAMES, fields, np.ascontiguousarray(frames).data.cast("B")))

    def embed(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        """See `embed_chunks`. Raises what that does, and ProcessDiedError."""
        fields = {"sizes": [len(chunk.data) for chunk in chunks], "frames": [chunk.n_frames for chunk in chunks]}
        found, payload = self._process.ask(CHUNKS, fields, b"".join(chunk.data for chunk in chunks))
        return np.frombuffer(payload, np.float32).reshape(found["shape"])

    def close(self) -> None:
        """End it, at once."""
        self._process.close()

    @property
    def pid(self) -> int:
        return self._process.pid


def embed_chunks(
    chunks: Sequence[bytes], n_frames: Sequence[int], codec: LatentCodec, head: EmbeddingHead
) -> NDArray[np.float32]:
    """(frames, d) float32 of chunks that hold so many frames each. Raises LatentError."""
    unpacked = codec.unpack_many(chunks)
    for latents, recorded in zip(unpacked, n_frames, strict=True):
        if len(latents) != recorded:
            raise LatentError(f"a chunk holds {len(latents)} frames where {recorded} were recorded")
    return np.concatenate([head.embed(latents) for latents in unpacked])


def _kept(fields: dict[str, Any], payload: bytes) -> KeptFrames:
    """What `_serve_frames` sent."""
    parts = iter(wire.cut(payload, fields["sizes"]))
    vectors = np.frombuffer(next(parts), np.float32).reshape(-1, fields["d"])
    low = np.frombuffer(next(parts), np.bool_)
    fidelity = None
    if fields["compared"]:
        fidelity = Fidelity(np.frombuffer(next(parts), np.float64), np.frombuffer(next(parts), np.float64))
    return KeptFrames(next(parts) if fields["pictures"] else None, fidelity, vectors, low)


# The child's side


@dataclass(frozen=True, slots=True)
class _Pair:
    codec: LatentCodec
    head: EmbeddingHead


_loaded: list[_Pair] = []


def _serve_pair(fields: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], Payload]:
    learn(fields["families"])
    options = {"device": fields["device"], "threads": fields["threads"]}
    _loaded[:] = [_Pair(load_codec(Path(fields["codec"]), **options), load_head(Path(fields["head"]), **options))]
    return {}, b""


def _serve_frames(fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    frames = np.frombuffer(payload, np.uint8).reshape(fields["shape"])
    pair = _loaded[0]
    kept = kept_frames(frames, wire.from_json(Keeping, fields["keeping"]), pair.codec, pair.head)
    parts = [kept.vectors.astype(np.float32).tobytes(), kept.low_information.tobytes()]
    if kept.fidelity is not None:
        parts += [kept.fidelity.psnr_db.tobytes(), kept.fidelity.ssim.tobytes()]
    if kept.chunk is not None:
        parts.append(kept.chunk)
    answer = {"sizes": [len(part) for part in parts], "d": kept.vectors.shape[1]}
    return answer | {"compared": kept.fidelity is not None, "pictures": kept.chunk is not None}, b"".join(parts)


def _serve_chunks(fields: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], Payload]:
    chunks = wire.cut(payload, fields["sizes"])
    vectors = np.ascontiguousarray(embed_chunks(chunks, fields["frames"], _loaded[0].codec, _loaded[0].head))
    return {"shape": list(vectors.shape)}, vectors.data.cast("B")


SERVED = {PAIR: _serve_pair, FRAMES: _serve_frames, CHUNKS: _serve_chunks}
