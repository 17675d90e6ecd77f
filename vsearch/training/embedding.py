"""Training of the embedding head: recognise edited copies of a frame from the codec's quantised latents.

SimCLR's loss with SSCD's entropy regulariser (arXiv 2202.10261). Each batch holds several moments of the same
videos, at least two seconds apart and visibly different, so that neighbouring moments learn to be told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsearch.errors import InputError
from vsearch.models.head import HeadNetwork, HeadShape
from vsearch.models.layers import LATENT_LIMIT, placed
from vsearch.models.temporal import TemporalCodec
from vsearch.models.weights import ModelFiles
from vsearch.training.augment import edited, plain
from vsearch.training.checkpoints import Average, RunLog, RunState, load_state, save_state
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.losses import entropy_regulariser, info_nce

SIZES = ((144, 256), (144, 256), (192, 192), (160, 224), (256, 144))


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """One training run of the head. `codec`: the folder of the codec whose latents it reads."""

    frames: str
    codec: str
    steps: int
    seed: int = 1
    batch: int = 64
    photos: float = 0.35
    temperature: float = 0.07
    entropy_weight: float = 2.0
    learning_rate: float = 1e-3
    warmup_steps: int = 40
    weight_decay: float = 1e-4
    threads: int = 2
    device: str = "cpu"
    checkpoint_every: int = 50
    validate_every: int = 100
    d: int = 128


class FramePairs:
    """Draws pictures and their edited copies. Every third video is drawn twice in a batch, at different moments."""

    def __init__(self, packed: PackedFrames, *, batch: int, photos: float, held_out: bool) -> None:
        entries = packed.select(held_out=held_out, shorter_side=100)
        self._packed, self._batch, self._photo_share = packed, batch, photos
        self._videos = [e for e in entries if e.fps > 0]
        self._photos = [e for e in entries if e.fps == 0]
        if not self._videos or not self._photos:
            raise InputError("training the head needs videos and photographs among the packed frames")
        weights = np.sqrt(np.array([e.shape[0] for e in self._videos], np.float64))
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, strength: float) -> tuple[Tensor, Tensor, Tensor]:
        """Library views (n, 3, H, W) and edited views (n, 3, H', W') in [0, 1], and the (n,) source number of each."""
        pictures: list[tuple[Tensor, Tensor, int]] = []
        while len(pictures) < self._batch:
            if rng.random() < self._photo_share:
                number = int(rng.integers(len(self._photos)))
                frame = _picture(self._packed.frames(self._photos[number])[0])
                pictures.append((frame, frame, len(self._videos) + number))
            else:
                number = int(rng.choice(len(self._videos), p=self._weights))
                pictures += [(a, b, number) for a, b in self._moments(self._videos[number], rng)]
        pictures = pictures[: self._batch]
        library_size = SIZES[rng.integers(len(SIZES))]
        query_size = library_size if rng.random() < 0.6 else SIZES[rng.integers(len(SIZES))]
        library, queries = [], []
        for i, (frame, near, _) in enumerate(pictures):
            other = pictures[(i + 7) % len(pictures)][0]
            weak = rng.random() < 0.25
            library.append(
                edited(frame, other, library_size, rng, 0.2 * strength) if weak else plain(frame, library_size)
            )
            queries.append(edited(near, other, query_size, rng, strength))
        return torch.stack(library), torch.stack(queries), torch.tensor([number for _, _, number in pictures])

    def _moments(self, entry: PackedEntry, rng: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
        """One or two moments of a video, each as a frame and another at most 0.4 s from it."""
        frames = self._packed.frames(entry)
        reach = int(0.4 * entry.fps)
        times = [int(rng.integers(len(frames)))]
        if rng.random() < 0.5:
            later = int(rng.integers(len(frames)))
            apart = abs(later - times[0]) >= 2 * entry.fps
            if apart and np.abs(frames[later].astype(np.int16) - frames[times[0]]).mean() > 10:
                times.append(later)
        pairs = []
        for t in times:
            near = int(np.clip(t + rng.integers(-reach, reach + 1), 0, len(frames) - 1))
            pairs.append((_picture(frames[t]), _picture(frames[near])))
        return pairs


def _picture(frame: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.array(frame)).float() / 255.0


@torch.no_grad()
def quantised_latents(codec: TemporalCodec, pictures: Tensor) -> Tensor:
    """(n, 3, H, W) in [0, 1] -> the integers that the library would store, as floats (n, C, h, w)."""
    encoder = codec.encoder_network
    pixels = ((pictures * 255).round() / 255 - 0.5).contiguous(memory_format=torch.channels_last)
    latents: Tensor = encoder(pixels).round().clamp(-LATENT_LIMIT, LATENT_LIMIT)
    return latents


def recall_at_1(library: Tensor, queries: Tensor) -> float:
    """Share of queries whose nearest library vector is their own."""
    return float((queries @ library.T).argmax(1).eq(torch.arange(len(queries), device=queries.device)).float().mean())


def train(recipe: HeadRecipe, output: Path, *, resume: bool) -> tuple[HeadNetwork, HeadShape]:
    """Run (or go on with) a training; returns the averaged network. Checkpoints, `log.csv` and `curve.png` go to
    `output`.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    codec = TemporalCodec(ModelFiles.read(Path(recipe.codec)), device=recipe.device)
    device = torch.device(recipe.device)
    packed = PackedFrames(Path(recipe.frames))
    pairs = FramePairs(packed, batch=recipe.batch, photos=recipe.photos, held_out=False)
    held_out = FramePairs(packed, batch=recipe.batch, photos=recipe.photos, held_out=True)
    shape = HeadShape(channels=codec.shape.channels, d=recipe.d)
    network = placed(HeadNetwork(shape), device)
    average = Average(network, decay=0.99)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    state = load_state(output, network, average, optimiser) if resume else RunState(step=0)
    log = RunLog(output, resume=resume, columns=("step", "seconds", "loss", "nce", "entropy", "recall_at_1", "rate"))
    for step in range(state.step, recipe.steps):
        done = step / recipe.steps
        rate = recipe.learning_rate * min(
            (step + 1) / recipe.warmup_steps, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        library, queries, _ = pairs.draw(np.random.default_rng([recipe.seed, step]), min(1.0, 0.4 + 2 * done))
        a = network(quantised_latents(codec, library.to(device)))
        b = network(quantised_latents(codec, queries.to(device)))
        nce = info_nce(a, b, temperature=recipe.temperature)
        spread = entropy_regulariser(torch.cat([a, b]), torch.cat([torch.arange(len(a))] * 2).to(device))
        loss = nce + recipe.entropy_weight * spread
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(step)
        if (step + 1) % 10 == 0:
            log.train(step + 1, loss.detach(), nce.detach(), spread.detach(), recall_at_1(a.detach(), b.detach()), rate)
        if (step + 1) % recipe.validate_every == 0 or step + 1 == recipe.steps:
            log.validate(step + 1, *validate(average.network, codec, held_out, recipe, device), rate)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            save_state(output, network, average, optimiser, RunState(step=step + 1))
    log.close()
    return average.network, shape


@torch.no_grad()
def validate(
    network: HeadNetwork, codec: TemporalCodec, pairs: FramePairs, recipe: HeadRecipe, device: torch.device
) -> tuple[float, float, float, float]:
    """Loss, its two terms, and recall@1 among the held-out sources of four fixed batches together."""
    library, queries = [], []
    for i in range(4):
        a, b, _ = pairs.draw(np.random.default_rng([99, i]), 1.0)
        library.append(network(quantised_latents(codec, a.to(device))))
        queries.append(network(quantised_latents(codec, b.to(device))))
    a, b = torch.cat(library), torch.cat(queries)
    nce = float(info_nce(a, b, temperature=recipe.temperature))
    spread = float(entropy_regulariser(torch.cat([a, b]), torch.cat([torch.arange(len(a))] * 2).to(device)))
    return nce + recipe.entropy_weight * spread, nce, spread, recall_at_1(a, b)
