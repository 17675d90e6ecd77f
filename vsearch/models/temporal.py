"""The first codec: linear-plus-convolutional transform, integer latents, tables chosen from the frame before (codec
id 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.bitstream import ChunkBytes, read_chunk, write_chunk
from vsearch.errors import InputError, LatentError
from vsearch.models.entropy import (
    LATENT_LIMIT,
    Correction,
    ExactContext,
    Floats,
    Integers,
    SymbolReader,
    SymbolWriter,
    Tables,
    read_corrections,
    step_positions,
    write_corrections,
)
from vsearch.models.layers import BLOCK, CodecShape, Decoder, Encoder, Network, placed
from vsearch.models.weights import ModelFiles, torch_device
from vsearch.records import CHUNK_FRAMES, Latents

CODEC_ID = 1
BATCH = 8  # frames a network call; every call is padded to it


class TemporalCodec:
    """Implements `models.base.LatentCodec`. Latent t is computed from frame t alone; time is used by the entropy
    coder only.
    """

    codec_id = CODEC_ID
    tiers: Mapping[str, int] = MappingProxyType({"default": 0})
    efforts = ("default",)

    def __init__(self, files: ModelFiles, *, device: str = "cpu", threads: int | None = None) -> None:
        if files.decode.get("codec_id") != CODEC_ID:
            raise LatentError(
                f"{files.folder}: codec {files.decode.get('codec_id')} is not the temporal codec ({CODEC_ID})"
            )
        if threads is not None:
            torch.set_num_threads(threads)
        self.model_id = files.model_id
        self.shape = shape_of(files.decode)
        self._files = files
        self._device = torch_device(device)
        tensors = files.numpy()
        context = {k.removeprefix("context."): v for k, v in tensors.items() if k.startswith("context.")}
        self.tables = Tables.from_counts(tensors["tables.narrow"], tensors["tables.wide"])
        self.context = ExactContext(context, self.shape.groups, self.tables.n_scales)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int | None = None) -> TemporalCodec:
        """Raises LatentError when the folder holds another kind of model or damaged weights."""
        return cls(ModelFiles.read(folder), device=device, threads=threads)

    @cached_property
    def encoder_network(self) -> Encoder:
        """The analysis network: pixels in [-0.5, 0.5] -> latents before rounding."""
        return self._network(Encoder(self.shape), "encoder.")

    @cached_property
    def _decoder(self) -> Decoder:
        return self._network(Decoder(self.shape), "decoder.")

    def _network(self, network: Network, prefix: str) -> Network:
        tensors = {k.removeprefix(prefix): v for k, v in self._files.torch().items() if k.startswith(prefix)}
        network.load_state_dict(tensors)
        return placed(network.eval().requires_grad_(False), self._device)

    def encode(self, frames: NDArray[np.uint8], *, level: int | None = None, effort: str = "default") -> Latents:
        """frames: (T, 3, H, W) uint8 RGB, H and W multiples of 16. Raises InputError for other sizes, and for other
        levels than 0 and efforts than "default".
        """
        if level not in (None, 0) or effort not in self.efforts:
            raise InputError("the library's codec has one quality and one effort only: use the default ones")
        if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] % BLOCK or frames.shape[3] % BLOCK:
            raise InputError(f"frames must be (T, 3, H, W) with H and W multiples of {BLOCK}, not {frames.shape}")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(frames), BATCH):
                batch = _padded(frames[start : start + BATCH])
                pixels = torch.from_numpy(batch).to(self._device).contiguous(memory_format=torch.channels_last)
                latents = self.encoder_network(pixels.float() / 255.0 - 0.5)
                parts.append(
                    latents.round().clamp(-LATENT_LIMIT, LATENT_LIMIT).to(torch.int16).contiguous().cpu().numpy()
                )
        shape = (self.shape.channels, frames.shape[2] // BLOCK, frames.shape[3] // BLOCK)
        values = np.concatenate(parts)[: len(frames)] if parts else np.zeros((0, *shape), np.int16)
        return Latents(values=values, codec_id=CODEC_ID, model_id=self.model_id)

    def nearest(self, frames: NDArray[np.uint8], *, level: int | None = None) -> Latents:
        """What `encode` gives: this codec's writer changes nothing."""
        return self.encode(frames, level=level)

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        """Pictures (T, 3, H, W) uint8 RGB. Raises LatentError for latents of other weights."""
        self._check(latents)
        t, _, h, w = latents.values.shape
        out = np.empty((t, 3, h * BLOCK, w * BLOCK), np.uint8)
        with torch.inference_mode():
            for start in range(0, t, BATCH):
                # Not padded: what a picture's last bit is decides nothing.
                batch = torch.from_numpy(latents.values[start : start + BATCH]).to(self._device)
                pixels = self._decoder(batch.float().contiguous(memory_format=torch.channels_last))
                rgb = ((pixels + 0.5) * 255.0).round().clamp(0, 255).to(torch.uint8).contiguous().cpu().numpy()
                out[start : start + BATCH] = rgb
        return out

    def _check(self, latents: Latents) -> None:
        if latents.model_id != self.model_id or latents.values.shape[1] != self.shape.channels:
            raise LatentError(
                f"latents of model {latents.model_id[:12]} cannot be decoded with model {self.model_id[:12]}; "
                "the library's models/ folder must hold the weights that it was written with"
            )

    def pack(self, latents: Latents) -> bytes:
        """A chunk of 1 to 32 frames. Raises LatentError for other weights' latents or too many frames."""
        self._check(latents)
        t, c, h, w = latents.values.shape
        if not 1 <= t <= CHUNK_FRAMES:
            raise LatentError(f"a chunk holds 1 to {CHUNK_FRAMES} frames, not {t}")
        values = np.ascontiguousarray(latents.values.transpose(0, 2, 3, 1)).astype(np.int64)
        known = values.astype(np.float64)
        previous = np.concatenate([np.zeros((1, h, w, c)), known[:-1]])
        features = self.context.features(previous, np.minimum(np.arange(t), 1).astype(np.float64))
        corrections: list[Correction] = []
        chosen = []
        for number, step in enumerate(self.context.steps):
            coded = known * step_positions(0, h, w)[None, :, :, None] if number == 1 else known
            means, scales = self.context.outputs(number, features, previous, coded)
            mean_index, scale_index = self.context.indices(means, scales)
            where = np.broadcast_to(step_positions(number, h, w)[None, :, :, None], means.shape)
            for is_scale, near, index in zip(
                (False, True), self.context.near_boundary(means, scales), (mean_index, scale_index), strict=True
            ):
                for f, y, x, k in np.argwhere(near & where):
                    position = ((f * h + y) * w + x) * c + step.channels.start + k
                    corrections.append(Correction(int(position), is_scale, int(index[f, y, x, k])))
            chosen.append((mean_index, scale_index))
        writer = SymbolWriter(self.tables)
        for f in range(t):
            for number, step in enumerate(self.context.steps):
                where2 = step_positions(number, h, w)
                mean_index, scale_index = chosen[number]
                writer.write(
                    values[f][where2][:, step.channels].ravel(),
                    mean_index[f][where2].ravel(),
                    scale_index[f][where2].ravel(),
                )
        corrections.sort(key=lambda item: (item.position, item.is_scale))
        return write_chunk(
            ChunkBytes(
                codec_id=CODEC_ID,
                model_prefix=bytes.fromhex(self.model_id[:8]),
                shape=(t, c, h, w),
                corrections=write_corrections(corrections),
                payload=writer.bytes(),
            )
        )

    def unpack(self, data: bytes) -> Latents:
        """Exactly the latents that were packed."""
        return self.unpack_many([data])[0]

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        """Several chunks in lockstep: frame by frame, the network runs once for all of them."""
        opened = [_OpenChunk(read_chunk(data), self.model_id, self.tables, self.shape.channels) for data in chunks]
        by_size: dict[tuple[int, int], list[_OpenChunk]] = {}
        for chunk in opened:
            by_size.setdefault(chunk.values.shape[1:3], []).append(chunk)
        for group in by_size.values():
            self._unpack_group(group)
        return [
            Latents(
                values=np.ascontiguousarray(chunk.values.transpose(0, 3, 1, 2).astype(np.int16)),
                codec_id=CODEC_ID,
                model_id=self.model_id,
            )
            for chunk in opened
        ]

    def _unpack_group(self, group: list[_OpenChunk]) -> None:
        """Decode chunks of one frame size, frame by frame."""
        h, w, c = group[0].values.shape[1:]
        masks = [step_positions(number, h, w) for number in range(len(self.context.steps))]
        for f in range(max(len(chunk.values) for chunk in group)):
            active = [chunk for chunk in group if f < len(chunk.values)]
            n = len(active)
            previous = (
                np.stack([chunk.values[f - 1] for chunk in active]).astype(np.float64) if f else np.zeros((n, h, w, c))
            )
            features = self.context.features(previous, np.full(n, float(f > 0)))
            coded: Floats = np.zeros((n, h, w, c))
            for number, step in enumerate(self.context.steps):
                mean_index, scale_index = self.context.indices(*self.context.outputs(number, features, previous, coded))
                for i, chunk in enumerate(active):
                    chunk.correct(f, number, step.channels, mean_index[i], scale_index[i])
                    symbols = chunk.reader.read(
                        mean_index[i][masks[number]].ravel(), scale_index[i][masks[number]].ravel()
                    )
                    block = chunk.values[f, :, :, step.channels]
                    block[masks[number]] = symbols.reshape(-1, block.shape[-1])
                    coded[i, :, :, step.channels] = block


@dataclass(slots=True, eq=False)
class _OpenChunk:
    """One chunk while it is being decoded. values: (T, h, w, C) int64, filled frame by frame."""

    values: Integers
    reader: SymbolReader
    corrections: Mapping[int, list[Correction]]

    def __init__(self, chunk: ChunkBytes, model_id: str, tables: Tables, channels: int) -> None:
        if chunk.codec_id != CODEC_ID:
            raise LatentError(f"a chunk of codec {chunk.codec_id} cannot be read by codec {CODEC_ID}")
        if chunk.model_prefix != bytes.fromhex(model_id[:8]) or chunk.shape[1] != channels:
            raise LatentError("a chunk was written with other weights than those given to read it")
        t, c, h, w = chunk.shape
        self.values = np.zeros((t, h, w, c), np.int64)
        self.reader = SymbolReader(tables, chunk.payload)
        by_frame: dict[int, list[Correction]] = {}
        for item in read_corrections(chunk.corrections):
            by_frame.setdefault(item.position // (h * w * c), []).append(item)
        self.corrections = by_frame

    def correct(self, frame: int, number: int, channels: slice, means: Integers, scales: Integers) -> None:
        """Put the listed indices of one step of one frame in place of the computed ones. means, scales: (h, w, out)."""
        _, h, w, c = self.values.shape
        mask = step_positions(number, h, w)
        for item in self.corrections.get(frame, ()):
            place, channel = divmod(item.position % (h * w * c), c)
            y, x = divmod(place, w)
            if channels.start <= channel < channels.stop and mask[y, x]:
                (scales if item.is_scale else means)[y, x, channel - channels.start] = item.index


def _padded(batch: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last item up to BATCH: results must not depend on how many frames happened to come together."""
    missing = BATCH - len(batch)
    return np.concatenate([batch, np.repeat(batch[-1:], missing, 0)]) if missing else np.array(batch)


def shape_of(decode: Mapping[str, Any]) -> CodecShape:
    """The codec's widths from the decode-relevant fields of its `model.json`. Raises LatentError when they are
    malformed.
    """
    try:
        return CodecShape(
            groups=tuple(decode["groups"]),
            context_width=int(decode["context_width"]),
            encoder_widths=tuple(decode["encoder_widths"]),
            decoder_widths=tuple(decode["decoder_widths"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LatentError(f"the codec's model.json is malformed: {error!r}") from error
