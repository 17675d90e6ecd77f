"""What the second codec needs beside its pixel networks: linear maps, what errors cost, and the prediction network.

The pixel networks are trained first (`training.transform`). Everything here is fitted to latents that are fixed by
then: the maps by least squares, the costs by perturbing latents, the prediction network by gradient descent on what the
writer really saw, so that it costs minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.errors import InputError
from vsearch.models.dyadic import MAX_DEPTH, DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, LEVELS_AN_ANCHOR, DyadicNetworks, anchor_weights
from vsearch.models.dyadic_reader import Layout
from vsearch.models.dyadic_writer import CODEC_ID
from vsearch.models.layers import SCALE_STEP
from vsearch.models.motion import BLOCK, BLOCK_VALUES
from vsearch.models.retouch import FROM_RGB
from vsearch.models.weights import ModelFiles, torch_device, write_model
from vsearch.progress import Progress
from vsearch.training.chunks import as_pixels, at_levels, chunk_frames, previews
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.polish import Picture, polish_decoder, written
from vsearch.training.prediction import Seen, by_size, observe, prediction_tensors, train_prediction, within_bound
from vsearch.training.retouching import counted_detail, plain_detail
from vsearch.training.tables import counted_pair, laplace_pair
from vsearch.training.widen import deeper, wider_prediction

logger = logging.getLogger(__name__)

BLACK_MARGIN = 0.35  # of a rounding step
LEAST_STEPS = 4.0  # from zero to black: gains are not changed by much
HALVES = ("encoder.branch.", "decoder.branch.", "decoder.first.")  # kept in float16, so that a model has few bytes


def level_weights(level: int, anchors: int) -> Tensor:
    """(1, anchors): how much each trained rate has of a level."""
    return anchor_weights(torch.tensor([level / LEVELS_AN_ANCHOR]), anchors)


def proxy_blocks(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) in [-0.5, 0.5] -> (N * h * w, 384) as `motion` lays them out, about -128 to 127."""
    ycbcr = torch.einsum("ij,njhw->nihw", torch.from_numpy(FROM_RGB).float(), pixels) * 255.0
    luma = F.unfold(ycbcr[:, :1], BLOCK, stride=BLOCK)
    chroma = F.unfold(F.avg_pool2d(ycbcr[:, 1:], 2), BLOCK // 2, stride=BLOCK // 2)
    return torch.cat([luma, chroma], 1).transpose(1, 2).reshape(-1, BLOCK_VALUES)


@torch.no_grad()
def fit_maps(networks: DyadicNetworks, chunks: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Least squares: synthesis (C, 384) from scaled latents to what the decoder makes of them; analysis (384, C) from
    those proxies back to latents before their gain.
    """
    c = networks.shape.channels
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for number, frames in enumerate(chunks):
        weights = level_weights(number * 7 % LEVELS, networks.shape.anchors)
        up, down = networks.gains(weights)
        latents = networks.encoder(as_pixels(frames))
        scaled = (latents * up).round() * down
        shown = networks.decoder(scaled, weights).clamp(-0.5, 0.5)
        flat = [x.permute(0, 2, 3, 1).reshape(-1, c).double() for x in (scaled, latents)]
        rows.append((flat[0], proxy_blocks(shown).double(), flat[1]))
    scaled, blocks, latents = (torch.cat(x) for x in zip(*rows, strict=True))
    synthesis = torch.linalg.solve(scaled.T @ scaled + 1e-3 * len(scaled) * torch.eye(c), scaled.T @ blocks)
    proxies = (scaled @ synthesis).round().clamp(-128, 127)
    gram = proxies.T @ proxies + 0.5 * len(proxies) * torch.eye(BLOCK_VALUES)
    analysis = torch.linalg.solve(gram, proxies.T @ latents)
    return synthesis.float().numpy(), analysis.float().numpy()


@torch.no_grad()
def error_costs(networks: DyadicNetworks, frames: NDArray[np.uint8], lambdas: Sequence[float]) -> NDArray[np.float32]:
    """(LEVELS, C): bits that a squared error of 1 in a rounded latent is worth, at each level.

    Measured at the anchors by moving one channel at a time by 1 at random places, and interpolated between them.
    """
    shape = networks.shape
    generator = torch.Generator().manual_seed(0)
    at_anchors = torch.zeros(shape.anchors, shape.channels)
    for anchor, rate_lambda in enumerate(lambdas):
        weights = anchor_weights(torch.tensor([float(anchor)]), shape.anchors)
        up, down = networks.gains(weights)
        rounded = (networks.encoder(as_pixels(frames)) * up).round()
        before = networks.decoder(rounded * down, weights)
        for channel in range(shape.channels):
            moved = rounded.clone()
            where = torch.rand(moved[:, channel].shape, generator=generator) < 0.15
            sign = torch.where(torch.rand(where.shape, generator=generator) < 0.5, 1.0, -1.0)
            moved[:, channel] += where * sign
            difference = (networks.decoder(moved * down, weights) - before).square().sum() / where.sum()
            at_anchors[anchor, channel] = rate_lambda * 255.0**2 / 3 * difference
    quality = torch.arange(LEVELS) / LEVELS_AN_ANCHOR
    return torch.exp(anchor_weights(quality, shape.anchors) @ at_anchors.clamp_min(1e-6).log()).numpy()


def known_costs(files: ModelFiles, anchors: int) -> NDArray[np.float32]:
    """The `error_costs` of a finished codec."""
    logs = files.torch()["levels.distortion"][::LEVELS_AN_ANCHOR].log()
    return torch.exp(anchor_weights(torch.arange(LEVELS) / LEVELS_AN_ANCHOR, anchors) @ logs).numpy()


@torch.no_grad()
def place_black(networks: DyadicNetworks, up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """Gains (levels, C) that let black round to a little darker than black at every level.

    The steps of brightness are several grey levels wide. Where black's latent lay half-way between two, black pictures
    came out as 3 of 255, which structure (SSIM) counts as badly wrong; what is darker than black is clamped to it. The
    channel that brightness moves most gets gains that put black `BLACK_MARGIN` before an integer.
    """
    side = 5 * BLOCK
    pixels = torch.stack([torch.full((3, side, side), value) for value in (-0.5, 0.0)])
    black, grey = networks.encoder(pixels)[:, :, 2, 2]
    channel = int((black - grey).abs().argmax())
    steps = (black[channel] - grey[channel]).sign() * black[channel] * up[:, channel]
    wanted = (steps + BLACK_MARGIN).round() - BLACK_MARGIN
    change = torch.where(steps >= LEAST_STEPS, wanted / steps.clamp_min(LEAST_STEPS), torch.ones_like(steps))
    up, down = up.clone(), down.clone()
    up[:, channel] *= change
    down[:, channel] /= change
    return up, down


@torch.no_grad()
def export_dyadic(
    networks: DyadicNetworks,
    folder: Path,
    *,
    maps: tuple[NDArray[Any], NDArray[Any]],
    costs: NDArray[np.float32],
    tiers: dict[str, int],
    training: dict[str, Any],
    tables: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
    detail: Mapping[str, NDArray[np.uint8]] | None = None,
) -> ModelFiles:
    """Write a trained codec as a model folder, every level's numbers included. tables: narrow and wide probability
    tables (None: Laplace ones); detail: those of a codec that retouches (None: `plain_detail`).

    Raises LatentError when it cannot be exact.
    """
    shape = networks.shape
    at_levels = anchor_weights(torch.arange(LEVELS) / LEVELS_AN_ANCHOR, shape.anchors)
    as_trained = [gain[:, :, 0, 0] for gain in networks.gains(at_levels)]
    up, down = place_black(networks, *as_trained)
    costs = costs * (down / as_trained[1]).square().numpy()  # of steps as wide as they are now
    narrow, wide = tables or laplace_pair()
    tensors: dict[str, Any] = {
        name: value.half() if name.startswith(HALVES) else value
        for name, value in networks.state_dict().items()
        if not name.startswith(("gains.", "prediction."))
    }
    tensors |= {f"prediction.{k}": v for k, v in prediction_tensors(networks.prediction, at_levels).items()}
    tensors |= {
        "levels.up": up,
        "levels.down": down,
        "levels.distortion": costs,
        "maps.synthesis": maps[0],
        "maps.analysis": maps[1],
    }
    decode = {
        "codec_id": CODEC_ID,
        "groups": list(shape.groups),
        "context_width": shape.context_width,
        **({"whole": True, "spread": shape.spread, "layers": shape.layers} if shape.whole else {}),
        "predicted": shape.predicted,
        "anchors": shape.anchors,
        "encoder_widths": list(shape.encoder_widths),
        "decoder_widths": list(shape.decoder_widths),
        "decoder_depths": list(shape.decoder_depths),
        **{name: True for name, said in asdict(shape.layout).items() if said},
    }
    if shape.layout.retouched:
        tensors |= detail or plain_detail()
    files = write_model(
        folder,
        kind="codec",
        family="dyadic",
        decode=decode,
        search={"tiers": tiers},
        training=training,
        tensors={
            **{name: np.ascontiguousarray(np.asarray(value)) for name, value in tensors.items()},
            "tables.narrow": narrow,
            "tables.wide": wide,
        },
    )
    DyadicCodec(files)  # refuses weights that cannot be exact
    return files


def networks_state(files: ModelFiles) -> dict[str, Tensor]:
    """The state of the `DyadicNetworks` that `export_dyadic` wrote: what it interpolated is taken at the anchors, and
    what it kept in float16 stays as that was.
    """
    state: dict[str, Tensor] = {}
    for name, value in files.torch().items():
        if name in ("levels.up", "levels.down"):
            state[f"gains.{name.removeprefix('levels.')}.at"] = value[::LEVELS_AN_ANCHOR].log()
        elif name in ("prediction.rate", "prediction.finer"):
            state[f"{name}.at"] = value[::LEVELS_AN_ANCHOR]
        elif name.startswith(("encoder.", "decoder.", "prediction.")):
            state[name] = value.float()
    return state


@dataclass(frozen=True, slots=True)
class PredictionRecipe:
    """How a codec is finished.

    steps, learning_rates: of the passes of the prediction network; in the first `nearest_passes` the writer takes
    the nearest integers, in the others it chooses with the network of the pass before. width, layers: of a
    prediction network in whole numbers: one of so many layers and no more features is widened, any other is made
    anew before the first pass; with a width of 0 it stays what it is. variety: how many parts of each source are
    written for a pass; 0 for each source as it is. depths: how many residual blocks the decoder gets at each size
    (see `DyadicShape`), none for those that it has. polish_steps, polish_batch, polish_rate: of the decoder, before
    the last pass, on what the writer chooses by then; 0 steps for none. device: where the prediction network and
    the decoder are trained. low, default, high: the levels offered by name.

    Raises InputError when the passes do not fit together.
    """

    steps: tuple[int, ...] = (2400, 2400, 2400)
    learning_rates: tuple[float, ...] = (2e-3, 1e-3, 5e-4)
    nearest_passes: int = 1
    width: int = 0
    layers: int = 2
    variety: int = 0
    depths: tuple[int, ...] = ()
    polish_steps: int = 0
    polish_batch: int = 6
    polish_rate: float = 2e-4
    device: str = "cpu"
    batch: int = 16
    levels_a_video: int = 2
    photos_every: int = 4
    seed: int = 1
    low: int = 8
    default: int = 20
    high: int = 40

    def __post_init__(self) -> None:
        if not self.steps or len(self.steps) != len(self.learning_rates):
            raise InputError(
                "[prediction] needs as many steps as learning_rates, one of each a pass, "
                f"not {len(self.steps)} and {len(self.learning_rates)}"
            )
        if self.polish_steps and len(self.steps) < 2:
            raise InputError("[prediction] polishes the decoder between two passes: give two, or polish_steps = 0")
        if self.depths and not (len(self.depths) == 3 and all(depth in range(MAX_DEPTH + 1) for depth in self.depths)):
            raise InputError(f"[prediction] depths are three whole numbers from 0 to {MAX_DEPTH}, not {self.depths}")
        if self.depths and not self.polish_steps:
            raise InputError("[prediction] new blocks of a decoder (depths) need polish_steps")


# Of a codec whose prediction network is good already.
FURTHER = PredictionRecipe(steps=(1200, 1200), learning_rates=(5e-4, 2e-4), nearest_passes=0)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a codec is finished on."""

    packed: PackedFrames
    videos: list[PackedEntry]
    photos: list[PackedEntry]

    @classmethod
    def of(cls, packed: PackedFrames) -> Sources:
        """Those that do not validate."""
        entries = [entry for entry in packed.entries if not entry.held_out]
        return cls(packed, [e for e in entries if e.fps > 0], [e for e in entries if e.fps == 0])

    def sample(self, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
        """Frames of some: of every fifth video and every sixtieth photograph, of more where there are few."""
        videos = self.videos[:: max(1, min(5, len(self.videos) // 30))]
        photos = self.photos[:: max(1, min(60, len(self.photos) // 30))]
        return [
            *(chunk_frames(self.packed, entry, rng)[:6] for entry in videos),
            *(previews(self.packed.frames(entry)) for entry in photos),
        ]


def finish(
    networks: DyadicNetworks,
    packed: PackedFrames,
    lambdas: Sequence[float],
    recipe: PredictionRecipe,
    folder: Path,
    *,
    training: dict[str, Any],
    costs: NDArray[np.float32] | None = None,
    precision: str = "float32",
    structure: float = 0.0,
    progress: Progress | None = None,
) -> ModelFiles:
    """From trained pixel networks to a model folder: maps, costs, the prediction network, a polished decoder, counted
    tables. costs: see `error_costs`, where they are known; precision, structure: of the polish.
    """
    networks.eval().requires_grad_(False)
    sources = Sources.of(packed)
    chunks = sources.sample(np.random.default_rng(recipe.seed))
    maps = fit_maps(networks, chunks)
    if costs is None:
        some = [chunk[:1] for chunk in chunks if chunk.shape == chunks[0].shape][:4]
        costs = error_costs(networks, np.concatenate(some), lambdas)
    tiers = {"low": recipe.low, "default": recipe.default, "high": recipe.high}
    training = {**training, "lambdas": list(lambdas)}
    export = partial(export_dyadic, folder=folder, maps=maps, costs=costs, tiers=tiers, training=training)
    files = export(networks)
    networks = grown(networks, recipe).eval().requires_grad_(False)
    networks.shape = replace(networks.shape, layout=Layout(coded_palettes=True, retouched=True))
    networks.prediction.requires_grad_(True)
    for number in range(len(recipe.steps)):
        if recipe.polish_steps and number == len(recipe.steps) - 1:
            chosen = _written(sources, recipe, len(recipe.steps), progress)
            _polish(networks, written(DyadicCodec(files), chosen), lambdas, recipe, precision, structure)
        seen = _prediction_pass(networks, DyadicCodec(files), sources, recipe, number, progress)
        tables = counted_pair(networks, seen)
        files = export(networks, tables=tables)
        del seen  # gigabytes
    detail = counted_detail(DyadicCodec(files), _as_they_are(sources, recipe, progress))
    return export(networks, tables=tables, detail=detail)


def grown(networks: DyadicNetworks, recipe: PredictionRecipe) -> DyadicNetworks:
    """A codec with the prediction network and the decoder that a recipe asks for, as they begin. Raises InputError
    where they cannot be had from it.
    """
    if recipe.width:
        networks = with_whole_prediction(networks, recipe.width, recipe.layers)
    if recipe.depths:
        at_16, at_8, at_4 = recipe.depths
        networks = deeper(networks, (at_16, at_8, at_4))
    return networks


def with_whole_prediction(networks: DyadicNetworks, width: int, layers: int) -> DyadicNetworks:
    """The same with a prediction network in whole numbers that is yet to be trained. One of so many layers and no more
    features is widened; of any other it keeps how much it trusts predictions, and how scales grow with the level.
    """
    if networks.shape.whole and networks.shape.layers == layers and networks.shape.context_width <= width:
        return wider_prediction(networks, width)
    shape = replace(networks.shape, context_width=width, whole=True, spread=True, layers=layers)
    anew = DyadicNetworks(shape)
    state = {
        name: value
        for name, value in networks.state_dict().items()
        if not name.startswith("prediction.") or name.endswith((".trust", "finer.at"))
    }
    anew.load_state_dict({**anew.state_dict(), **state})
    return anew


def _written(
    sources: Sources, recipe: PredictionRecipe, number: int, progress: Progress | None
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """A chunk of each source, each at some random levels."""
    return at_levels(
        sources.packed,
        [*sources.videos, *sources.photos[:: recipe.photos_every]],
        np.random.default_rng([recipe.seed, number]),
        levels_a_video=recipe.levels_a_video,
        variety=recipe.variety,
        what=f"writing chunks, time {number + 1}",
        progress=progress,
    )


def _as_they_are(
    sources: Sources, recipe: PredictionRecipe, progress: Progress | None
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """A chunk of each video, not varied: a picture by itself has no detail, and tables are few numbers."""
    moving, once = replace(sources, photos=[]), replace(recipe, variety=0)
    return _written(moving, once, len(recipe.steps) + 1, progress)


def _prediction_pass(
    networks: DyadicNetworks,
    codec: DyadicCodec,
    sources: Sources,
    recipe: PredictionRecipe,
    number: int,
    progress: Progress | None,
) -> list[Seen]:
    """Train the prediction network on what the writer sees with `codec`, which is returned."""
    free = number >= recipe.nearest_passes
    chunks = _written(sources, recipe, number, progress)
    seen = by_size([observe(codec, frames, level, free=free) for frames, level in chunks])
    steps, rate = recipe.steps[number], recipe.learning_rates[number]
    for step, bits in train_prediction(
        networks,
        seen,
        steps=steps,
        learning_rate=rate,
        seed=recipe.seed + number,
        batch=recipe.batch,
        device=torch_device(recipe.device),
    ):
        logger.info("pass %d, step %d of %d: %.0f bytes a frame", number + 1, step, steps, bits / 8)
    within_bound(networks, seen)
    return seen


def _polish(
    networks: DyadicNetworks,
    pictures: Sequence[Sequence[Picture]],
    lambdas: Sequence[float],
    recipe: PredictionRecipe,
    precision: str,
    structure: float,
) -> None:
    """Train the decoder on what the writer chose."""
    for step, loss in polish_decoder(
        networks,
        pictures,
        lambdas,
        steps=recipe.polish_steps,
        seed=recipe.seed,
        precision=precision,
        structure=structure,
        learning_rate=recipe.polish_rate,
        batch=recipe.polish_batch,
        device=torch_device(recipe.device),
    ):
        logger.info("decoder, step %d of %d: loss %.4f", step, recipe.polish_steps, loss)


@torch.no_grad()
def start_scales(networks: DyadicNetworks) -> None:
    """Finer latents are larger by their gain: let the scale indices of an untrained prediction network begin so."""
    up = networks.gains.up.at
    steps_a_unit = 1 / SCALE_STEP  # see layers.scale_of_index
    networks.prediction.finer.at.copy_((up - up.mean(0)) * steps_a_unit)
