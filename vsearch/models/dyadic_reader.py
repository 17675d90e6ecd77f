"""Chunks of the second codec -> the integers that they hold; and what reading and writing share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise

import numpy as np
from numpy.typing import NDArray

from vsearch.bitstream import ChunkBytes, read_varints, unzigzag, write_varints, zigzag
from vsearch.errors import LatentError
from vsearch.models.entropy import (
    LATENT_LIMIT,
    MEAN_BITS,
    MEAN_STEPS,
    Correction,
    SymbolReader,
    Tables,
    read_corrections,
)
from vsearch.models.exact import HALVED, Choice, Grid, StepPlan, TableNetwork
from vsearch.models.motion import (
    MAX_PALETTE,
    PREDICTION_STEPS,
    REACH,
    UNMOVED,
    Entry,
    Guess,
    Maps,
    Prediction,
    Proxy,
    Shorts,
    Source,
    predict,
    predict_all,
)
from vsearch.models.order import Turn, rounds
from vsearch.models.palettes import is_plain, leaves, plain_guess, read_guesses, read_map

PALETTE_BITS = 5  # of the number that begins a palette: how many entries it has
LOCKSTEP_BLOCKS = 64 * 144  # blocks a network call at most: their features fit the caches


@dataclass(frozen=True, slots=True, eq=False)
class Rate:
    """What one level of one model needs. weights: (C,) the cost in bits of a squared error of 1 in a latent."""

    level: int
    network: TableNetwork
    maps: Maps
    tables: Tables
    weights: NDArray[np.float64]


class Knowledge:
    """Frames of one chunk that are known so far, and the proxies of those that others look at through shifts."""

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self.latents: dict[int, Shorts] = {}
        self.proxies: dict[int, Proxy] = {}

    def learn(self, frames: Sequence[int], latents: Shorts) -> None:
        """latents: (n, h, w, C)."""
        self.latents.update(zip(frames, latents, strict=True))

    def _look(self, entries: Iterable[Entry]) -> None:
        """Make the proxies that entries look at and that there are not yet."""
        looked_at = dict.fromkeys(s.frame for entry in entries for s in entry.sources if s.dy or s.dx)
        frames = [frame for frame in looked_at if frame not in self.proxies]
        if frames:
            proxies = self._maps.proxies(np.stack([self.latents[frame] for frame in frames]))
            self.proxies.update(zip(frames, proxies, strict=True))

    def predict(self, guesses: Sequence[Guess], frames: Sequence[int]) -> list[Prediction]:
        self._look(chain.from_iterable(guess.entries for guess in guesses))
        return predict(guesses, frames, self.latents, self.proxies, self._maps)

    def predict_all(self, entries: Sequence[Entry], size: tuple[int, int], *, channels: int) -> NDArray[np.float32]:
        """About what each entry says of every block, (entries, h, w, channels), for who chooses among them."""
        self._look(entries)
        return predict_all(entries, size, self.latents, self.proxies, self._maps, channels)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Blocks of some frames, (m,) each: number of the frame, row, column. Frame after frame, in row order."""

    frames: NDArray[np.intp]
    y: NDArray[np.intp]
    x: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.frames)

    def of(self, first: int, stop: int) -> slice:
        """Those of the frames from `first` up to `stop`."""
        begin, end = np.searchsorted(self.frames, (first, stop))
        return slice(int(begin), int(end))

    def __getitem__(self, some: NDArray[np.bool_]) -> Places:
        return Places(self.frames[some], self.y[some], self.x[some])


class Choices:
    """Table choices of the frames of one round, step by step, as writer and reader both make them.

    predictions: of the frames, in the order in which `latents` (n, h, w, C) int16 is filled; held blocks are at once.
    present: those of the frames that still have groups to come.
    """

    def __init__(self, network: TableNetwork, predictions: Sequence[Prediction], latents: Shorts) -> None:
        self._network = network
        self.latents = latents
        limit = 2 * LATENT_LIMIT * PREDICTION_STEPS
        predicted = np.clip(np.stack([p.values for p in predictions]), -limit, limit)
        flags = np.stack([p.flags for p in predictions])
        spread = np.stack([p.spread for p in predictions])
        held = np.stack([p.held for p in predictions])
        latents[held] = nearest(limited(predicted[held]))
        self._grid = Grid(~held)
        self._features = network.begin(self._grid, predicted, flags, spread)
        self._predicted = predicted
        self._rows = predicted[~held]  # of the blocks that are coded
        self._unmoved = flags[~held, UNMOVED] > 0
        self._known = -1
        self.present = np.arange(len(latents))
        self.leave_out(0, np.asarray((~held).any((1, 2))))  # of what is held nothing is coded

    def leave_out(self, number: int, stay: NDArray[np.bool_]) -> None:
        """From step `number` on, only some of the frames that were present are coded: the other latents of the rest
        are what was predicted.
        """
        if stay.all():
            return
        start = self._network.plans[number].start
        rows = stay[self._grid.frames]
        places = self.places()[~rows]
        self.latents[places.frames, places.y, places.x, start:] = nearest(limited(self._rows[~rows, start:]))
        self._features, self._rows, self._unmoved = self._features[rows], self._rows[rows], self._unmoved[rows]
        self._grid = self._grid.some(stay)
        self._predicted = self._predicted[stay]
        self.present = self.present[stay]

    def present_of(self, span: slice) -> NDArray[np.intp]:
        """Those of some frames that are present."""
        begin, end = np.searchsorted(self.present, (span.start, span.stop))
        return self.present[begin:end]

    def places(self, number: int | None = None) -> Places:
        """Where step `number` codes, or any step may, of the frames present."""
        grid = self._grid
        rows = grid.rows(None if number is None else self._network.plans[number].half)
        return Places(self.present[grid.frames[rows]], grid.y[rows], grid.x[rows])

    def predicted(self, start: int) -> NDArray[np.int32]:
        """Latents of the channels from `start` on as they are predicted, of all `places`: (blocks, channels)."""
        return nearest(limited(self._rows[:, start:]))

    def fill(self, number: int, values: NDArray[np.int32]) -> None:
        """Put what step `number` holds, (places, out), into the latents."""
        places = self.places(number)
        self.latents[places.frames, places.y, places.x, self._network.plans[number].channels] = values

    def choose(self, number: int) -> Choice:
        """The tables of step `number` where it codes, of the `places` there. All earlier steps must be filled in."""
        plan = self._network.plans[number]
        while self._known < plan.after:
            self._known += 1
            start = sum(self._network.groups[: self._known])
            group = self.latents[self.present, :, :, start : start + self._network.groups[self._known]]
            self._features = self._network.gather(self._known, self._grid, self._features, group)
        half = None
        if plan.half == 1:
            even = ~plan.where(*self.latents.shape[1:3])
            known = self.latents[self.present, :, :, plan.channels].astype(np.int32) * PREDICTION_STEPS
            half = (known - self._predicted[..., plan.channels]) * even[:, :, None]
        rows = self._grid.rows(plan.half)
        values, unmoved = self._rows[rows, plan.channels], self._unmoved[rows]
        return self._network.choose(number, self._grid, self._features, values, unmoved, half)


def limited(predicted: NDArray[np.int32]) -> NDArray[np.int32]:
    """A prediction as a mean that a latent may have."""
    return np.clip(predicted, -LATENT_LIMIT * MEAN_STEPS, LATENT_LIMIT * MEAN_STEPS)


def nearest(mean_index: NDArray[np.int32]) -> NDArray[np.int32]:
    """The integer nearest to a mean: what a latent of scale index 0 is, without being coded."""
    return np.asarray((mean_index + MEAN_STEPS // 2) >> MEAN_BITS, np.int32)


# The palettes of a chunk


def write_entries(guesses: Sequence[tuple[Turn, Guess]], left_out: Mapping[int, int]) -> bytes:
    """The palettes of all frames in the order of their turns: 0 where a guess is plain; else 1 + the number of entries,
    and the entries. left_out: by frame, how many of its last groups are not coded, which stands above the five lowest
    bits.
    """
    numbers: list[int] = []
    for turn, guess in guesses:
        out = left_out.get(turn.frame, 0) << PALETTE_BITS
        if is_plain(turn, guess):
            numbers.append(0 if turn.known else out)  # of held blocks no group is coded
            continue
        numbers.append(out + 1 + len(guess.entries))
        for entry in guess.entries:
            for place, source in enumerate(entry.sources):
                head = zigzag(source.frame - turn.frame)
                numbers.append(head if place else 4 * head + 2 * entry.held + (entry.second is not None))
                numbers += [zigzag(source.dy), zigzag(source.dx)]
    return write_varints(numbers)


@dataclass(frozen=True, slots=True)
class FrameHead:
    """How one frame of a chunk is coded. entries: None for a plain guess; left_out: how many of its last groups are
    not coded.
    """

    entries: tuple[Entry, ...] | None
    left_out: int


def read_entries(data: bytes, order: Sequence[Sequence[Turn]], *, groups: int) -> dict[int, FrameHead]:
    """What the palettes say, by frame. Raises LatentError when they cannot be of such a chunk."""
    numbers = iter(list(read_varints(data)))
    known: set[int] = set()
    heads: dict[int, FrameHead] = {}
    try:
        for turns in order:
            for turn in turns:
                left_out, count = divmod(next(numbers), 1 << PALETTE_BITS)
                if turn.known and not count and not left_out:
                    left_out = groups - HALVED
                if count > MAX_PALETTE + 1 or left_out > groups - HALVED:
                    raise LatentError("a chunk's palette is too large: the library is damaged there")
                # A list: in a generator, numbers that end too early would be a RuntimeError.
                entries = tuple([_read_entry(numbers, turn.frame, known) for _ in range(count - 1)])
                heads[turn.frame] = FrameHead(entries if count else None, left_out)
            known |= {turn.frame for turn in turns}
    except StopIteration as error:
        raise LatentError("a chunk's palettes are cut off: the library is damaged there") from error
    return heads


def _read_entry(numbers: Iterator[int], frame: int, known: set[int]) -> Entry:
    head = next(numbers)
    first = _read_source(head // 4, numbers, frame, known)
    second = _read_source(next(numbers), numbers, frame, known) if head % 2 else None
    return Entry(first, second, held=bool(head & 2))


def _read_source(head: int, numbers: Iterator[int], frame: int, known: set[int]) -> Source:
    source = Source(frame + unzigzag(head), unzigzag(next(numbers)), unzigzag(next(numbers)))
    if source.frame not in known or max(abs(source.dy), abs(source.dx)) > REACH:
        raise LatentError("a chunk predicts from what is not known: the library is damaged there")
    return source


@dataclass(slots=True, eq=False)
class _OpenChunk:
    """One chunk while it is being decoded. values: (T, h, w, C) int16, filled round by round."""

    values: Shorts
    rate: Rate
    order: list[list[Turn]]
    heads: Mapping[int, FrameHead] | None
    reader: SymbolReader
    retouching: bytes
    corrections: dict[tuple[int, int], list[Correction]]
    known: Knowledge = field(init=False)
    plain: int = 0  # guesses of earlier rounds that were said to be

    def __post_init__(self) -> None:
        self.known = Knowledge(self.rate.maps)

    def guesses(self, turns: Sequence[Turn]) -> list[Guess]:
        """How the frames of a round are predicted, read from the chunk."""
        h, w = self.values.shape[1:3]
        if self.heads is None:
            known = sorted(self.known.latents)
            guesses, plain = read_guesses(self.reader, turns, known, (h, w), plain_before=self.plain)
            self.plain += plain
            return guesses
        found = []
        for turn in turns:
            entries = self.heads[turn.frame].entries
            if entries is None:
                found.append(plain_guess(turn, (h, w)))
            else:
                found.append(Guess(entries, read_map(self.reader, len(entries), (h, w), listed=True)))
        return found

    def staying(self, frames: Sequence[int], plan: StepPlan) -> NDArray[np.bool_]:
        """Which of some frames that have not left yet are coded in a step."""
        groups = len(self.rate.network.groups)
        if self.heads is None and plan.half is not None:
            return np.ones(len(frames), bool)
        if self.heads is None:
            return ~self.reader.flags(len(frames), leaves(plan.group, groups))
        return np.array([groups - self.heads[frame].left_out > plan.group for frame in frames], bool)

    def correct(
        self,
        frame: int,
        number: int,
        blocks: NDArray[np.intp],
        means: NDArray[np.int32],
        scales: NDArray[np.int32],
    ) -> None:
        """Put the listed indices of one step of one frame in place of the computed ones. blocks: (m,), those that are
        coded, as numbers in row order; means, scales: (m, out). Raises LatentError when one is of another block.
        """
        listed = self.corrections.pop((frame, number), None)
        if not listed:
            return
        start = self.rate.network.plans[number].start
        _, h, w, c = self.values.shape
        for item in listed:
            block, channel = divmod(item.position % (h * w * c), c)
            row = int(np.searchsorted(blocks, block))
            if row == len(blocks) or blocks[row] != block:
                raise LatentError("a chunk corrects what it does not code: the library is damaged there")
            (scales if item.is_scale else means)[row, channel - start] = item.index


def _open(chunk: ChunkBytes, rate_of: Callable[[int], Rate], layout: Layout) -> _OpenChunk:
    payload = Payload.read(chunk.payload, layout)
    rate = rate_of(payload.level)
    t, c, h, w = chunk.shape
    order = rounds(t)
    step_of = steps_by_position(rate.network, h, w)
    heads = None
    if payload.palettes is not None:
        heads = read_entries(payload.palettes, order, groups=len(rate.network.groups))
    corrections: dict[tuple[int, int], list[Correction]] = {}
    for item in read_corrections(chunk.corrections):
        frame, inside = divmod(item.position, h * w * c)
        place, channel = divmod(inside, c)
        if frame >= t or (item.is_scale and not 0 <= item.index < rate.tables.n_scales):
            raise LatentError("a chunk corrects what it does not hold: the library is damaged there")
        if not item.is_scale and abs(item.index) > LATENT_LIMIT * MEAN_STEPS:
            raise LatentError("a chunk corrects a mean to what none can be: the library is damaged there")
        step = step_of(place // w, place % w, channel)
        corrections.setdefault((frame, step), []).append(item)
    return _OpenChunk(
        values=np.zeros((t, h, w, c), np.int16),
        rate=rate,
        order=order,
        heads=heads,
        reader=SymbolReader(rate.tables, payload.coded),
        retouching=payload.retouching or b"",
        corrections=corrections,
    )


def steps_by_position(network: TableNetwork, h: int, w: int) -> Callable[[int, int, int], int]:
    """Which step codes the latent at (row, column, channel)."""
    masks = [(plan.start, plan.end, plan.where(h, w)) for plan in network.plans]

    def step(y: int, x: int, channel: int) -> int:
        return next(i for i, (start, end, mask) in enumerate(masks) if start <= channel < end and mask[y, x])

    return step


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model's chunks are made of. coded_palettes: palettes are among the entropy-coded words, not listed before
    them; retouched: how pictures are retouched is said.
    """

    coded_palettes: bool = False
    retouched: bool = False


FIRST_LAYOUT = Layout()


@dataclass(frozen=True, slots=True)
class Payload:
    """What a chunk holds besides corrections: its level, the palettes (None where they are coded), how its pictures are
    retouched (None: of a model that knows nothing of it), the entropy-coded words.
    """

    level: int
    palettes: bytes | None
    coded: bytes
    retouching: bytes | None = None

    def joined(self) -> bytes:
        listed = [part for part in (self.palettes, self.retouching) if part is not None]
        return write_varints([self.level, *map(len, listed)]) + b"".join([*listed, self.coded])

    @classmethod
    def read(cls, payload: bytes, layout: Layout) -> Payload:
        """Raises LatentError when it is cut off."""
        n = 1 + (not layout.coded_palettes) + layout.retouched
        ends = [i + 1 for i, byte in enumerate(payload[: 10 * n]) if byte < 0x80][:n]
        if len(ends) < n:
            raise LatentError("a chunk's payload is cut off: the library is damaged there")
        level, *lengths = read_varints(payload[: ends[-1]])
        cuts = list(accumulate(lengths, initial=ends[-1]))
        if cuts[-1] > len(payload):
            raise LatentError("a chunk's payload is cut off: the library is damaged there")
        listed = iter([payload[start:stop] for start, stop in pairwise(cuts)])
        palettes = None if layout.coded_palettes else next(listed)
        return cls(level, palettes, payload[cuts[-1] :], next(listed) if layout.retouched else None)


@dataclass(frozen=True, slots=True, eq=False)
class ReadChunk:
    """values: (T, h, w, C) int16."""

    values: Shorts
    level: int
    retouching: bytes


def read_chunks(chunks: Sequence[ChunkBytes], rate_of: Callable[[int], Rate], layout: Layout) -> list[ReadChunk]:
    """What each chunk holds. Raises LatentError."""
    opened = [_open(chunk, rate_of, layout) for chunk in chunks]
    alike: dict[tuple[int, int, int], list[_OpenChunk]] = {}
    for chunk in opened:
        alike.setdefault((chunk.rate.level, *chunk.values.shape[1:3]), []).append(chunk)
    for group in alike.values():
        for depth in range(max(len(chunk.order) for chunk in group)):
            waiting = [chunk for chunk in group if depth < len(chunk.order)]
            while waiting:
                batch = [waiting.pop()]
                frames = len(batch[0].order[depth])
                most = LOCKSTEP_BLOCKS // batch[0].values[0, :, :, 0].size
                while waiting and frames + len(waiting[-1].order[depth]) <= most:
                    frames += len(waiting[-1].order[depth])
                    batch.append(waiting.pop())
                _read_round(batch, depth)
    if any(chunk.corrections for chunk in opened):
        raise LatentError("a chunk corrects what it does not code: the library is damaged there")
    return [ReadChunk(chunk.values, chunk.rate.level, chunk.retouching) for chunk in opened]


def _read_round(chunks: Sequence[_OpenChunk], depth: int) -> None:
    """One round of several chunks of one level and frame size."""
    network = chunks[0].rate.network
    predictions: list[Prediction] = []
    spans: list[tuple[_OpenChunk, list[int], slice]] = []
    for chunk in chunks:
        turns = chunk.order[depth]
        begin = len(predictions)
        guesses = chunk.guesses(turns)
        predictions += chunk.known.predict(guesses, [turn.frame for turn in turns])
        spans.append((chunk, [turn.frame for turn in turns], slice(begin, len(predictions))))
    h, w, c = chunks[0].values.shape[1:]
    latents = np.zeros((len(predictions), h, w, c), np.int16)
    choices = Choices(network, predictions, latents)
    for number, plan in enumerate(network.plans):
        stay = [
            chunk.staying([frames[place - span.start] for place in choices.present_of(span)], plan)
            for chunk, frames, span in spans
        ]
        choices.leave_out(number, np.concatenate(stay))
        if not len(choices.present):
            break
        places = choices.places(number)
        choice = choices.choose(number)
        means, scales = choice.means, choice.scales
        blocks = places.y * w + places.x
        for chunk, frames, span in spans:
            for place, frame in enumerate(frames if chunk.corrections else (), span.start):
                rows = places.of(place, place + 1)
                chunk.correct(frame, number, blocks[rows], means[rows], scales[rows])
        values = nearest(means)
        for chunk, _, span in spans:
            part = places.of(span.start, span.stop)
            mean, scale = means[part], scales[part]
            coded = scale > 0
            values[part][coded] = chunk.reader.read(mean[coded].astype(np.int64), scale[coded].astype(np.int64))
        choices.fill(number, values)
    for chunk, frames, span in spans:
        chunk.values[frames] = latents[span]
        chunk.known.learn(frames, latents[span])
