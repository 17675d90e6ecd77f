"""Training of the embedding head: recognise edited copies of a frame from the codec's quantised latents.

SimCLR's loss with SSCD's entropy regulariser (arXiv 2202.10261). Each batch holds several moments of the same
videos, at least two seconds apart and visibly different, so that neighbouring moments learn to be told apart.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsearch.errors import InputError
from vsearch.models import load_codec
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.head import HeadNetwork, HeadShape
from vsearch.models.layers import placed
from vsearch.models.weights import ModelFiles
from vsearch.progress import Progress
from vsearch.training.augment import edited, plain, varied
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.loop import Objective, Values, prepare, run_loop, scheduled_rate
from vsearch.training.losses import entropy_regulariser, info_nce
from vsearch.training.stored import StoredLatents, stored_name

SIZES = ((144, 256), (144, 256), (192, 192), (160, 224), (256, 144))


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """One training run of the head. codec: the folder of the codec whose latents it reads. start: the folder of a head
    to begin with, "" for none; it may have read fewer channels, the first ones of these. stored: whether library views
    are latents as a writer stores them (`stored.StoredLatents`, encoded at the start), not the nearest integers.
    variety: whether pictures are changed into others first (`augment.varied`); what is stored cannot be.

    Raises InputError for both of the two.
    """

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
    precision: str = "float32"
    workers: int = 2
    checkpoint_every: int = 50
    validate_every: int = 100
    d: int = 128
    start: str = ""
    stored: bool = False
    variety: bool = False

    def __post_init__(self) -> None:
        if self.stored and self.variety:
            raise InputError("[embedding] stored frames are as they are: variety is for a training before that")


Arrays = list[NDArray[np.float32]]  # latents (C, h, w) of pictures of different sizes


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Frame `number` of a packed source, and another one at most 0.4 s from it; (3, H, W) in [0, 1]."""

    entry: PackedEntry
    number: int
    frame: Tensor
    near: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A batch. queries: (n, 3, H, W) in [0, 1], edited copies of the moments; library: (3, H, W) where a library view
    is edited weakly as well, else None: it is the moment's frame as it is.
    """

    moments: list[Moment]
    size: tuple[int, int]
    library: list[Tensor | None]
    queries: Tensor


class FramePairs:
    """Draws pictures and their edited copies. A video may give two moments to a batch, seconds apart."""

    def __init__(
        self, packed: PackedFrames, *, batch: int, photos: float, held_out: bool, variety: bool = False
    ) -> None:
        entries = packed.select(held_out=held_out, shorter_side=100)
        self._packed, self._batch, self._photo_share, self._held_out = packed, batch, photos, held_out
        self._variety = variety and not held_out
        self._videos = [e for e in entries if e.fps > 0]
        self._photos = [e for e in entries if e.fps == 0]
        if not self._videos or not self._photos:
            raise InputError("training the head needs videos and photographs among the packed frames")
        weights = np.sqrt(np.array([e.shape[0] for e in self._videos], np.float64))
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, strength: float) -> Drawn:
        """Moments and edited copies of them. A quarter of the library views is edited as well, weakly."""
        pictures = self._distinct(rng) if self._held_out else self._training(rng)
        library_size = SIZES[rng.integers(len(SIZES))]
        query_size = library_size if rng.random() < 0.6 else SIZES[rng.integers(len(SIZES))]
        library: list[Tensor | None] = []
        queries = []
        for i, moment in enumerate(pictures):
            other = pictures[(i + 7) % len(pictures)].frame
            weak = rng.random() < 0.25
            library.append(edited(moment.frame, other, library_size, rng, 0.2 * strength) if weak else None)
            queries.append(edited(moment.near, other, query_size, rng, strength))
        return Drawn(pictures, library_size, library, torch.stack(queries))

    def _distinct(self, rng: np.random.Generator) -> list[Moment]:
        """For validation: one moment of each of `batch` sources, since frames of one still scene can't be told
        apart.
        """
        sources = [*self._videos, *self._photos]
        chosen = rng.choice(len(sources), min(self._batch, len(sources)), replace=False)
        return [self._moments(sources[i], rng)[0] for i in chosen]

    def _training(self, rng: np.random.Generator) -> list[Moment]:
        """`batch` pictures, each with another at most 0.4 s from it. No source comes twice before all have come: its
        moments could be alike, and would be told apart all the same.
        """
        videos, photos = self._shuffled(self._videos, self._weights, rng), self._shuffled(self._photos, None, rng)
        pictures: list[Moment] = []
        while len(pictures) < self._batch:
            if rng.random() < self._photo_share:
                pictures += self._moments(next(photos), rng)[:1]
            else:
                pictures += self._moments(next(videos), rng)
        return pictures[: self._batch]

    @staticmethod
    def _shuffled(
        sources: list[PackedEntry], weights: NDArray[np.float64] | None, rng: np.random.Generator
    ) -> Iterator[PackedEntry]:
        """All sources again and again, each time in another order; heavy ones tend to come first."""
        while True:
            for number in rng.choice(len(sources), len(sources), replace=False, p=weights).tolist():
                yield sources[number]

    def _moments(self, entry: PackedEntry, rng: np.random.Generator) -> list[Moment]:
        """One or two moments of a video."""
        frames = self._packed.frames(entry)
        reach = int(0.4 * entry.fps)
        times = [int(rng.integers(len(frames)))]
        if rng.random() < 0.5:
            later = int(rng.integers(len(frames)))
            apart = abs(later - times[0]) >= 2 * entry.fps
            first, second = (frames[t, :, ::4, ::4].astype(np.int16) for t in (times[0], later))
            if apart and np.abs(second - first).mean() > 10:
                times.append(later)
        pairs = []
        for t in times:
            near = int(np.clip(t + rng.integers(-reach, reach + 1), 0, len(frames) - 1))
            pair = _picture(frames[t]), _picture(frames[near])
            if self._variety:
                pair = varied(*pair, rng, crops=0.4 if entry.fps > 0 else 0.6)
            pairs.append(Moment(entry, t, *pair))
        return pairs


def _picture(frame: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.array(frame)).float() / 255.0


class LatentPairs:
    """What the head is trained on: `FramePairs` as the codec stores them. Runs in worker processes, one thread each."""

    def __init__(self, recipe: HeadRecipe, stored: Path | None = None) -> None:
        """stored: the folder of a `StoredLatents`."""
        torch.set_num_threads(1)  # many small operations: a second thread would only wait for the first
        packed = PackedFrames(Path(recipe.frames))
        self._numbers = {entry: number for number, entry in enumerate(packed.entries)}
        self._stored = None if stored is None else StoredLatents(stored)
        self._codec: Any = load_codec(Path(recipe.codec))
        self._pairs = {
            held_out: FramePairs(
                packed, batch=recipe.batch, photos=recipe.photos, held_out=held_out, variety=recipe.variety
            )
            for held_out in (False, True)
        }

    def draw(self, seed: tuple[int, int], strength: float, *, held_out: bool) -> tuple[Arrays, Arrays]:
        """Latents of n library views and of n edited views, on the scale that the head sees."""
        rng = np.random.default_rng(seed)
        drawn = self._pairs[held_out].draw(rng, strength)
        return self._library(drawn, rng), list(self._latents(drawn.queries, rng))

    def _library(self, drawn: Drawn, rng: np.random.Generator) -> Arrays:
        pictures: dict[int, Tensor] = {}  # those that are encoded here, by their place
        for n, (moment, view) in enumerate(zip(drawn.moments, drawn.library, strict=True)):
            if view is not None:
                pictures[n] = view
            elif self._stored is None:
                pictures[n] = plain(moment.frame, drawn.size)
        latents = self._latents(torch.stack(list(pictures.values())), rng) if pictures else ()
        found = dict(zip(pictures, latents, strict=True))
        return [found[n] if n in found else self._as_stored(moment) for n, moment in enumerate(drawn.moments)]

    def _as_stored(self, moment: Moment) -> NDArray[np.float32]:
        assert self._stored is not None
        return self._stored.at(self._numbers[moment.entry], moment.number, self._codec)

    def _latents(self, pictures: Tensor, rng: np.random.Generator) -> NDArray[np.float32]:
        frames = (pictures.clamp(0, 1) * 255).round().byte().numpy()
        if isinstance(self._codec, DyadicCodec):
            lowest, highest = min(self._codec.tiers.values()), max(self._codec.tiers.values())
            codec: DyadicCodec = self._codec
            return codec.scaled(codec.nearest(frames, level=int(rng.integers(lowest, highest + 1))))
        values: NDArray[np.int16] = self._codec.encode(frames).values
        return values.astype(np.float32)


_worker: LatentPairs | None = None


def _open_worker(recipe: HeadRecipe, stored: Path | None) -> None:
    global _worker
    _worker = LatentPairs(recipe, stored)


def _draw_in_worker(seed: tuple[int, int], strength: float, held_out: bool) -> tuple[Arrays, Arrays]:
    if _worker is None:
        raise RuntimeError("the worker was not opened")
    return _worker.draw(seed, strength, held_out=held_out)


class Prefetch:
    """Batches drawn ahead of the training in worker processes. Which batch a step sees depends on the step alone."""

    def __init__(self, recipe: HeadRecipe, pool: ProcessPoolExecutor) -> None:
        self._recipe, self._pool = recipe, pool
        self._ahead: dict[int, Future[tuple[Arrays, Arrays]]] = {}

    def training(self, step: int) -> tuple[Arrays, Arrays]:
        """The latents of one training step."""
        for later in range(step, min(step + 2 * self._recipe.workers, self._recipe.steps)):
            if later not in self._ahead:
                strength = 1.0 if self._recipe.start else min(1.0, 0.4 + 2 * later / self._recipe.steps)
                self._ahead[later] = self._pool.submit(_draw_in_worker, (self._recipe.seed, later), strength, False)
        return self._ahead.pop(step).result()

    def validation(self) -> list[tuple[Arrays, Arrays]]:
        """Four fixed batches of held-out sources."""
        futures = [self._pool.submit(_draw_in_worker, (99, i), 1.0, True) for i in range(4)]
        return [future.result() for future in futures]


def embedded(network: HeadNetwork, latents: Arrays, device: torch.device) -> Tensor:
    """(n, d) unit vectors, those of one size in one call."""
    rows: dict[tuple[int, ...], list[int]] = {}
    for number, one in enumerate(latents):
        rows.setdefault(one.shape, []).append(number)
    found = []
    for numbers in rows.values():
        values = torch.from_numpy(np.stack([latents[n] for n in numbers]))
        found.append(network(values.to(device).contiguous(memory_format=torch.channels_last)))
    order = torch.tensor([n for numbers in rows.values() for n in numbers], device=device)
    return torch.cat(found)[order.argsort()]


def recall_at_1(library: Tensor, queries: Tensor) -> float:
    """Share of queries whose nearest library vector is their own."""
    return float((queries @ library.T).argmax(1).eq(torch.arange(len(queries), device=queries.device)).float().mean())


def train(
    recipe: HeadRecipe, output: Path, *, resume: bool, progress: Progress | None = None
) -> tuple[HeadNetwork, HeadShape]:
    """Run (or go on with) a training; returns the averaged network. See `loop.run_loop` for what goes to `output`."""
    device = prepare(recipe)
    if recipe.stored and ModelFiles.read(Path(recipe.codec)).family != "dyadic":
        raise InputError(f"{recipe.codec}: only a codec with several levels stores latents as `stored` takes them")
    packed = PackedFrames(Path(recipe.frames), progress)  # unpacked here, before the workers open it
    channels = sum(ModelFiles.read(Path(recipe.codec)).decode["groups"])
    shape = HeadShape(channels=channels, d=recipe.d)
    network = placed(HeadNetwork(shape), device)
    if recipe.start:
        begin_with(network, ModelFiles.read(Path(recipe.start)))
    context = multiprocessing.get_context("spawn")
    stored = output / stored_name(packed, Path(recipe.codec)) if recipe.stored else None
    with ProcessPoolExecutor(recipe.workers, context, initializer=_open_worker, initargs=(recipe, stored)) as pool:
        if stored is not None:
            frames, codec = Path(recipe.frames), Path(recipe.codec)
            StoredLatents(stored).write(packed, pool, codec=codec, frames=frames, progress=progress)
        batches = Prefetch(recipe, pool)

        def batch(network: HeadNetwork, step: int) -> Values:
            library, queries = batches.training(step)
            a, b = embedded(network, library, device), embedded(network, queries, device)
            return *head_loss(a, b, recipe), recall_at_1(a, b)

        objective = Objective(
            columns=("loss", "nce", "entropy", "recall_at_1"),
            batch=batch,
            validation=lambda network: validate(network, batches.validation(), recipe, device),
            rate=lambda step: learning_rate_at(step, recipe),
        )
        trained = run_loop(
            network,
            objective,
            recipe,
            output,
            resume=resume,
            log_every=10,
            weight_decay=recipe.weight_decay,
            average_decay=0.99,
        )
    return trained, shape


@torch.no_grad()
def begin_with(network: HeadNetwork, files: ModelFiles) -> None:
    """Take over a head's weights; channels that it did not read begin with zero. Raises InputError for other widths."""
    known = files.torch()
    known.pop("latents.scale", None)
    for name, tensor in network.state_dict().items():
        old = known.get(name)
        if name == "stem.weight" and old is not None and old.shape[1] < tensor.shape[1]:
            tensor.zero_()
            tensor[:, : old.shape[1]] = old
        elif old is None or old.numel() != tensor.numel():
            raise InputError(f"{files.folder}: not a head of this shape ({name})")
        else:
            tensor.copy_(old.reshape(tensor.shape))


def learning_rate_at(step: int, recipe: HeadRecipe) -> float:
    """Linear warm-up below half a cosine down to a fiftieth."""
    return scheduled_rate(
        step, peak=recipe.learning_rate, steps=recipe.steps, warmup_steps=recipe.warmup_steps, floor=0.02
    )


def head_loss(a: Tensor, b: Tensor, recipe: HeadRecipe) -> tuple[Tensor, Tensor, Tensor]:
    """The whole loss, its contrastive and its spreading part. a, b: (n, d), row i of each from the same picture."""
    nce = info_nce(a, b, temperature=recipe.temperature)
    own = torch.arange(len(a), device=a.device)
    spread = entropy_regulariser(torch.cat([a, b]), torch.cat([own, own]))
    return nce + recipe.entropy_weight * spread, nce, spread


@torch.no_grad()
def validate(
    network: HeadNetwork, batches: list[tuple[Arrays, Arrays]], recipe: HeadRecipe, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Loss, its two parts, and recall@1, as means over the batches."""
    rows = []
    for library, queries in batches:
        a, b = embedded(network, library, device), embedded(network, queries, device)
        rows.append(torch.stack([*head_loss(a, b, recipe), torch.tensor(recall_at_1(a, b), device=device)]))
    loss, nce, spread, recall = torch.stack(rows).mean(0).unbind()
    return loss, nce, spread, float(recall)
