"""The second codec: latents at any of several rates, predicted from moved neighbours on both sides (codec id 2).

Latent t is computed from frame t alone; time lives in how it is coded. Frames take turns as in `order`: each is
predicted from known frames before and after it, block by block (`motion`), and a small exact network (`whole`, or
`exact` in earlier models) turns the prediction and what is known of the frame already into the probability table of
each latent. docs/format.md
describes every byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vsearch.bitstream import ChunkBytes, read_chunk
from vsearch.errors import InputError, LatentError
from vsearch.models.dyadic_layers import (
    LEVELS,
    LEVELS_AN_ANCHOR,
    DyadicShape,
    GainedDecoder,
    GainedEncoder,
    anchor_weights,
)
from vsearch.models.dyadic_reader import Layout, Rate, read_chunks
from vsearch.models.dyadic_writer import CODEC_ID, EFFORTS, Coded, write_latents, write_pictures
from vsearch.models.entropy import LATENT_LIMIT, Tables
from vsearch.models.exact import HALVED, ExactPrediction, TableNetwork, step_plans
from vsearch.models.layers import BLOCK, Network, placed
from vsearch.models.motion import BLOCK_VALUES, FLAGS, Maps
from vsearch.models.palettes import SHIFT_SCALE
from vsearch.models.retouch import DetailTables, Retouching
from vsearch.models.retoucher import Sample, best_retouching, sampled_frames
from vsearch.models.shifts import Effort
from vsearch.models.weights import ModelFiles, has_bfloat16, one_thread, torch_device
from vsearch.models.whole import WholePrediction
from vsearch.records import CHUNK_FRAMES, Latents

BATCH = 8  # frames a network call; every call of the encoder is padded to it
BLOCKS_ON_GPU = 1 << 14  # a call at most, where BATCH frames have fewer: starting calls is what a GPU waits for
RETOUCHINGS_KEPT = 4  # of chunks whose frames are often decoded one by one; half a MB each
MAX_LAYERS = 8  # of the prediction network
MAX_DEPTH = 32  # residual blocks of the decoder at one size
MAX_BLOCKS = 8192  # of 16x16 pixels in a frame: what is larger is no preview, and a chunk of it no honest one


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CodedLatents(Latents):
    """Latents as the writer chose them, with the chunk that it made of them on the way. Copies with other values do not
    inherit it.
    """

    chunk: bytes = field(default=b"", init=False)

    @classmethod
    def of(cls, latents: Latents, chunk: bytes) -> CodedLatents:
        """The values are locked, so that the chunk stays theirs."""
        latents.values.flags.writeable = False
        coded = cls(latents.values, latents.codec_id, latents.model_id, latents.level, latents.retouching)
        object.__setattr__(coded, "chunk", chunk)
        return coded


class DyadicCodec:
    """Implements `models.base.LatentCodec`."""

    codec_id = CODEC_ID
    efforts = tuple(EFFORTS)

    def __init__(self, files: ModelFiles, *, device: str = "cpu", threads: int | None = None) -> None:
        if files.decode.get("codec_id") != CODEC_ID:
            raise LatentError(
                f"{files.folder}: codec {files.decode.get('codec_id')} is not the dyadic codec ({CODEC_ID})"
            )
        if threads is not None:
            torch.set_num_threads(threads)
        self.model_id = files.model_id
        self.shape = shape_of(files.decode)
        self.tiers: Mapping[str, int] = MappingProxyType(_tiers(files.search))
        self._files = files
        self._device = torch_device(device)
        self.reduced = has_bfloat16(self._device)  # whether the pixel networks run in bfloat16
        self._tensors = files.numpy()
        _check_tensors(files, self._tensors, self.shape)
        self.tables = Tables.from_counts(self._tensors["tables.narrow"], self._tensors["tables.wide"])
        if self.shape.layout.coded_palettes and self.tables.n_scales <= SHIFT_SCALE:
            raise LatentError(f"{files.folder}: the weights do not fit the card (palettes need tables of more scales)")
        self._retouching = lru_cache(maxsize=RETOUCHINGS_KEPT)(Retouching.read)
        self._detail_tables = DetailTables.of(self.tables, self._tensors) if self.shape.layout.retouched else None
        self.rate = lru_cache(maxsize=LEVELS)(self._rate)
        self.rate(0)  # refuses weights whose sums are not exact, or whose rounding error cannot be bounded

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int | None = None) -> DyadicCodec:
        """Raises LatentError when the folder holds another kind of model or damaged weights."""
        return cls(ModelFiles.read(folder), device=device, threads=threads)

    def _rate(self, level: int) -> Rate:
        """What reader and writer need at one level."""
        if not 0 <= level < LEVELS:
            raise LatentError(f"a chunk says level {level}; there are {LEVELS}: the library is damaged there")
        t = self._tensors
        prediction = {k.removeprefix("prediction."): v for k, v in t.items() if k.startswith("prediction.")}
        groups, n_scales = self.shape.groups, self.tables.n_scales
        network: TableNetwork
        if self.shape.whole:
            spread, layers = self.shape.spread, self.shape.layers
            network = WholePrediction(prediction, groups, n_scales, level, spread=spread, layers=layers)
        else:
            network = ExactPrediction(prediction, groups, n_scales, level)
        down, up = t["levels.down"][level].astype(np.float64), t["levels.up"][level].astype(np.float64)
        return Rate(
            level=level,
            network=network,
            maps=Maps(t["maps.synthesis"] * down[:, None], t["maps.analysis"] * up),
            tables=self.tables,
            weights=t["levels.distortion"][level].astype(np.float64),
        )

    @cached_property
    def encoder_network(self) -> GainedEncoder:
        """The analysis network: pixels in [-0.5, 0.5] -> latents before gain and rounding."""
        return self._network(GainedEncoder(self.shape), "encoder.")

    @cached_property
    def _decoder(self) -> GainedDecoder:
        return self._network(GainedDecoder(self.shape), "decoder.")

    def _network(self, network: Network, prefix: str) -> Network:
        tensors = {k.removeprefix(prefix): v for k, v in self._files.torch().items() if k.startswith(prefix)}
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise LatentError(f"{self._files.folder}: the weights do not fit the card ({error})") from error
        if self.reduced:  # once, not at every call
            for name, layer in network.named_modules():
                if isinstance(layer, nn.Conv2d) and name != "linear":
                    layer.to(torch.bfloat16)
        return placed(network.eval().requires_grad_(False), self._device)

    def _precision(self) -> torch.autocast:
        """bfloat16 for the pixel networks where the device computes in it: half the time, the same PSNR to 0.01 dB. The
        encoder decides what is written, never how it is read.
        """
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.reduced)

    def frames_a_call(self, blocks: int) -> int:
        """Of so many blocks each, that its pixel networks take at once."""
        if self._device.type == "cpu":
            return BATCH
        return max(BATCH, min(CHUNK_FRAMES, BLOCKS_ON_GPU // blocks))

    def analyse(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Latents before gain and rounding, (T, h, w, C), of frames (T, 3, H, W) uint8 RGB. Raises InputError."""
        _check_frames(frames)
        t, _, height, width = frames.shape
        out = np.empty((t, height // BLOCK, width // BLOCK, self.shape.channels), np.float32)
        many = self.frames_a_call(height * width // BLOCK**2)
        with torch.inference_mode(), self._precision():
            for start in range(0, t, many):
                batch = frames[start : start + many]
                padded = np.concatenate([batch, np.repeat(batch[-1:], many - len(batch), 0)])
                pixels = torch.from_numpy(padded).to(self._device).contiguous(memory_format=torch.channels_last)
                latents = self.encoder_network(pixels.float() / 255.0 - 0.5)
                out[start : start + len(batch)] = latents[: len(batch)].permute(0, 2, 3, 1).cpu().numpy()
        return out

    def encode(self, frames: NDArray[np.uint8], *, level: int | None = None, effort: str = "default") -> Latents:
        """frames: (T, 3, H, W) uint8 RGB, H and W multiples of 16, consecutive frames of one video.

        Of more frames than a chunk holds nothing is retouched, and no chunk is made. Raises InputError for other sizes,
        levels and efforts.
        """
        level = self.tiers["default"] if level is None else level
        if not 0 <= level < LEVELS or effort not in EFFORTS:
            raise InputError(f"level must be 0 to {LEVELS - 1} and effort one of {', '.join(EFFORTS)}")
        _check_frames(frames)
        rate = self.rate(level)
        starts = range(0, len(frames), CHUNK_FRAMES)
        if len(starts) == 1:
            return self._retouched(frames, *self._coded(frames, rate, EFFORTS[effort]))
        coded = [self._coded(frames[start : start + CHUNK_FRAMES], rate, EFFORTS[effort])[0] for start in starts]
        size = frames.shape[2] // BLOCK, frames.shape[3] // BLOCK
        nothing = np.zeros((0, self.shape.channels, *size), np.int16)
        return self._latents(np.concatenate([nothing, *(part.values for part in coded)]), level)

    def _coded(self, frames: NDArray[np.uint8], rate: Rate, effort: Effort) -> tuple[Latents, Coded]:
        """The frames of one chunk."""
        wanted = np.clip(self.analyse(frames) * self.up(rate.level), -LATENT_LIMIT, LATENT_LIMIT)
        with one_thread():
            coded = write_pictures(wanted, frames, rate, effort, self.shape.layout, prefix=self._prefix)
        return self._latents(np.ascontiguousarray(coded.values.transpose(0, 3, 1, 2)), rate.level), coded

    def _retouched(self, frames: NDArray[np.uint8], latents: Latents, coded: Coded) -> CodedLatents:
        """With what some of the frames say of how their pictures are corrected, if the model knows of that."""
        tables = self._detail_tables
        if tables is None:
            return CodedLatents.of(latents, coded.chunk(None))
        which, stands_for = sampled_frames(frames)
        sample = Sample.of(frames[which], self.decode(replace(latents, values=latents.values[which])), stands_for)
        with one_thread():
            bits, still = 8 * len(coded.chunk(b"")), bool((coded.values == coded.values[:1]).all())
            found = best_retouching(sample, bits, tables, still=still).coded(tables)
        return CodedLatents.of(replace(latents, retouching=found), coded.chunk(found))

    def _latents(self, values: NDArray[np.int16], level: int, retouching: bytes = b"") -> Latents:
        """values: (T, C, h, w)."""
        return Latents(values, CODEC_ID, self.model_id, level, retouching)

    def up(self, level: int) -> NDArray[np.float32]:
        """(C,): what latents are multiplied by before they are rounded."""
        return np.asarray(self._tensors["levels.up"][level], np.float32)

    def down(self, level: int) -> NDArray[np.float32]:
        """(C,): what integers are multiplied by, to be on one scale at all levels."""
        return np.asarray(self._tensors["levels.down"][level], np.float32)

    @property
    def _prefix(self) -> bytes:
        return bytes.fromhex(self.model_id[:8])

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        """Pictures (T, 3, H, W) uint8 RGB. Raises LatentError for latents of other weights, and where their retouching
        cannot be read: whoever needs the latents alone does not notice that.
        """
        self._check(latents)
        t, _, h, w = latents.values.shape
        out = np.empty((t, 3, h * BLOCK, w * BLOCK), np.uint8)
        down = torch.from_numpy(self.down(latents.level)).to(self._device)[:, None, None]
        weights = self.level_weights(latents.level)
        many = self.frames_a_call(h * w)
        with torch.inference_mode(), self._precision():
            for start in range(0, t, many):
                # Not padded: what a picture's last bit is decides nothing.
                values = latents.values[start : start + many].astype(np.float32)
                batch = torch.from_numpy(values).to(self._device) * down
                pixels = self._decoder(batch.contiguous(memory_format=torch.channels_last), weights)
                rgb = ((pixels + 0.5) * 255.0).round_().clamp_(0, 255).to(torch.uint8)
                out[start : start + len(values)] = rgb.contiguous().cpu().numpy()
        if not latents.retouching or self._detail_tables is None:
            return out
        with one_thread():
            return self._retouching(latents.retouching, (h * BLOCK, w * BLOCK), self._detail_tables).on(out)

    def nearest(self, frames: NDArray[np.uint8], *, level: int | None = None) -> Latents:
        """The integers nearest to what the encoder says of each frame (T, 3, H, W) alone, without the writer's choices:
        what heads are trained on. Raises InputError for other sizes.
        """
        level = self.tiers["default"] if level is None else level
        wanted = np.rint(np.clip(self.analyse(frames) * self.up(level), -LATENT_LIMIT, LATENT_LIMIT))
        values = np.ascontiguousarray(wanted.transpose(0, 3, 1, 2).astype(np.int16))
        return self._latents(values, level)

    def level_weights(self, level: int) -> torch.Tensor:
        """(1, anchors): how much each trained rate has of a level."""
        quality = torch.tensor([level / LEVELS_AN_ANCHOR], device=self._device)
        return anchor_weights(quality, self.shape.anchors)

    def scaled(self, latents: Latents) -> NDArray[np.float32]:
        """Latents (T, C, h, w) of whatever level on one scale, as the decoder and heads see them."""
        return np.asarray(latents.values * self.down(latents.level)[:, None, None], np.float32)

    def _check(self, latents: Latents) -> None:
        if latents.model_id != self.model_id or latents.values.shape[1] != self.shape.channels:
            raise LatentError(
                f"latents of model {latents.model_id[:12]} cannot be decoded with model {self.model_id[:12]}; "
                "the library's models/ folder must hold the weights that it was written with"
            )
        if not 0 <= latents.level < LEVELS:
            raise LatentError(f"latents of level {latents.level}; there are {LEVELS} levels")

    def pack(self, latents: Latents) -> bytes:
        """A chunk of 1 to 32 frames. Raises LatentError for other weights' latents or too many frames."""
        self._check(latents)
        if not 1 <= len(latents) <= CHUNK_FRAMES:
            raise LatentError(f"a chunk holds 1 to {CHUNK_FRAMES} frames, not {len(latents)}")
        if np.abs(latents.values.astype(np.int32)).max() > LATENT_LIMIT or latents.values[0, 0].size > MAX_BLOCKS:
            raise LatentError(f"a chunk holds latents up to {LATENT_LIMIT} of at most {MAX_BLOCKS} blocks a frame")
        if isinstance(latents, CodedLatents) and latents.chunk:
            return latents.chunk
        values = np.ascontiguousarray(latents.values.transpose(0, 2, 3, 1))
        with one_thread():
            coded = write_latents(values, self.rate(latents.level), self.shape.layout, prefix=self._prefix)
        return coded.chunk(None if self._detail_tables is None else latents.retouching)

    def unpack(self, data: bytes) -> Latents:
        """Exactly the latents that were packed."""
        return self.unpack_many([data])[0]

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        """Several chunks in lockstep: round by round, the network runs once for all of them."""
        opened = [self._opened(read_chunk(data)) for data in chunks]
        with one_thread():
            found = read_chunks(opened, self.rate, self.shape.layout)
        return [
            self._latents(np.ascontiguousarray(one.values.transpose(0, 3, 1, 2)), one.level, one.retouching)
            for one in found
        ]

    def _opened(self, chunk: ChunkBytes) -> ChunkBytes:
        if chunk.codec_id != CODEC_ID:
            raise LatentError(f"a chunk of codec {chunk.codec_id} cannot be read by codec {CODEC_ID}")
        if chunk.model_prefix != self._prefix or chunk.shape[1] != self.shape.channels:
            raise LatentError("a chunk was written with other weights than those given to read it")
        if chunk.shape[2] * chunk.shape[3] > MAX_BLOCKS:
            raise LatentError("a chunk of pictures too large to be previews: the library is damaged there")
        return chunk


def _check_frames(frames: NDArray[np.uint8]) -> None:
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] % BLOCK or frames.shape[3] % BLOCK:
        raise InputError(f"frames must be (T, 3, H, W) with H and W multiples of {BLOCK}, not {frames.shape}")
    if frames.shape[2] * frames.shape[3] > MAX_BLOCKS * BLOCK**2:
        raise InputError(f"frames of {frames.shape[3]}x{frames.shape[2]} are too large: at most {MAX_BLOCKS} blocks")


def _check_tensors(files: ModelFiles, tensors: Mapping[str, NDArray[Any]], shape: DyadicShape) -> None:
    """Raises LatentError unless all that reading and writing latents takes is there, in the shapes of the card."""
    for name, wanted in _shapes(shape).items():
        found = tensors[name].shape if name in tensors else None
        if found != wanted:
            what = "is missing" if found is None else f"is {found} instead of {wanted}"
            raise LatentError(f"{files.folder}: the weights do not fit the card ({name} {what})")
    for name in ("tables.narrow", "tables.wide"):
        if name not in tensors or tensors[name].ndim != 2:
            raise LatentError(f"{files.folder}: the weights do not fit the card ({name} is no list of tables)")


def _shapes(shape: DyadicShape) -> dict[str, tuple[int, ...]]:
    """What every tensor measures that takes part in reading and writing latents, but for the tables."""
    c, k = shape.channels, shape.context_width
    shapes: dict[str, tuple[int, ...]] = {
        "levels.up": (LEVELS, c),
        "levels.down": (LEVELS, c),
        "levels.distortion": (LEVELS, c),
        "maps.synthesis": (c, BLOCK_VALUES),
        "maps.analysis": (BLOCK_VALUES, c),
        "prediction.near.weight": (k, shape.predicted + FLAGS, 3, 3),
        "prediction.near.bias": (k,),
        "prediction.rest.weight": (k, c - shape.predicted, 1, 1),
        "prediction.rate": (LEVELS, k),
        "prediction.finer": (LEVELS, c),
    }
    if shape.spread:
        shapes["prediction.spread.weight"] = (k, c, 1, 1)
    for i, group in enumerate(shape.groups[:-1]):
        shapes[f"prediction.gather.{i}.weight"] = (k, group, 3, 3)
    for i, plan in enumerate(step_plans(shape.groups)):
        out = plan.end - plan.start
        step = {"hidden.weight": (k, k, 1, 1), "hidden.bias": (k,), "choose.weight": (2 * out, k, 1, 1)}
        step |= {"choose.bias": (2 * out,), "trust": (out,)}
        for number in range(shape.layers - 1):
            step |= {f"more.{number}.weight": (k, k, 1, 1), f"more.{number}.bias": (k,)}
        if plan.half == 1:
            step |= {"from_half.weight": (k, out, 3, 3), "from_neighbours.weight": (out, 1, 3, 3)}
        shapes |= {f"prediction.steps.{i}.{name}": size for name, size in step.items()}
    return shapes


def _tiers(search: Mapping[str, Any]) -> dict[str, int]:
    try:
        tiers = {str(name): int(level) for name, level in dict(search.get("tiers", {})).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise LatentError(f"the codec's model.json is malformed: {error!r}") from error
    if not all(0 <= level < LEVELS for level in tiers.values()):
        raise LatentError(f"the codec's model.json names levels that there are not: {tiers}")
    return tiers if "default" in tiers else {"default": LEVELS_AN_ANCHOR, **tiers}


def shape_of(decode: Mapping[str, Any]) -> DyadicShape:
    """The codec's widths from the decode-relevant fields of its `model.json`. Raises LatentError when malformed."""
    try:
        if not 0 < int(decode["predicted"]) < sum(decode["groups"]) or min(decode["groups"]) < 1:
            raise ValueError("groups and predicted do not fit together")
        if len(decode["groups"]) <= HALVED or int(decode["anchors"]) != (LEVELS - 1) // LEVELS_AN_ANCHOR + 1:
            raise ValueError("too few groups, or another number of anchors than levels are made for")
        whole, spread, layers = decode.get("whole", False), decode.get("spread", False), decode.get("layers", 1)
        retouched, coded_palettes = decode.get("retouched", False), decode.get("coded_palettes", False)
        if not all(isinstance(flag, bool) for flag in (whole, spread, retouched, coded_palettes)):
            raise ValueError("whole, spread, retouched and coded_palettes are true or false")
        if layers not in range(1, MAX_LAYERS + 1):
            raise ValueError("layers is a small number")
        a, b, c = (int(x) for x in decode["encoder_widths"])
        d, e, f = (int(x) for x in decode["decoder_widths"])
        at_16, at_8, at_4 = (int(x) for x in decode.get("decoder_depths", DyadicShape().decoder_depths))
        if not all(0 <= depth <= MAX_DEPTH for depth in (at_16, at_8, at_4)):
            raise ValueError(f"decoder_depths are three numbers from 0 to {MAX_DEPTH}")
        return DyadicShape(
            groups=tuple(int(x) for x in decode["groups"]),
            context_width=int(decode["context_width"]),
            predicted=int(decode["predicted"]),
            anchors=int(decode["anchors"]),
            encoder_widths=(a, b, c),
            decoder_widths=(d, e, f),
            decoder_depths=(at_16, at_8, at_4),
            whole=whole,
            spread=spread,
            layers=int(layers),
            layout=Layout(coded_palettes, retouched),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LatentError(f"the codec's model.json is malformed: {error!r}") from error
