"""Frames -> chunks of the second codec: where blocks come from, which integers are worth their bits, the bytes.

The encoder wants real numbers; the writer chooses integers. Near what the network expects an integer costs next to
nothing, so each choice minimises bits + weight * squared error (rate-distortion optimised quantisation, Ramchandran
and Vetterli 1994): unchanged pictures keep their latents, and noise does not flicker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, repeat

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.bitstream import ChunkBytes, write_chunk
from vsearch.models.dyadic_reader import (
    Choices,
    Knowledge,
    Layout,
    Payload,
    Places,
    Rate,
    nearest,
    write_entries,
)
from vsearch.models.entropy import (
    GUARD,
    MEAN_BITS,
    MEAN_STEPS,
    NARROW_REACH,
    WIDE_REACH,
    Correction,
    SymbolWriter,
    Tables,
    table_rows,
    write_corrections,
)
from vsearch.models.exact import Choice, StepPlan
from vsearch.models.layers import scale_index
from vsearch.models.motion import (
    LATENT_LIMIT,
    MAX_PALETTE,
    Entry,
    Guess,
    Prediction,
    Shorts,
    Source,
    begun_map,
    ended_map,
)
from vsearch.models.order import Turn, rounds
from vsearch.models.palettes import is_plain, leaves, plain_entry, write_guesses, write_map
from vsearch.models.shifts import Effort, palettes

CODEC_ID = 2
EFFORTS: Mapping[str, Effort] = {"fast": Effort(shifts=0), "default": Effort(shifts=3), "archive": Effort(shifts=8)}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
EXCEPTION_BITS = 28.0  # what a latent costs that is not what its certain table says
JUDGED = 128  # channels by which a block's prediction is judged
LEAVE_BITS = 16.0  # groups of a frame are left out even where that costs this many bits: it saves time as well
HOLD_SHARE = 0.4  # `_leftover`'s bits of a held block for one bit that its change is worth
HOLD_BONUS = 5.0  # less so many
# What an entry of a palette must save for each of its sources, in `_leftover`'s bits, which are more than real ones.
# Of chunks whose palettes are coded it takes 3 to 15 bits, but more entries make longer maps.
SOURCE_BITS = 56.0
MAP_BITS = 4.0  # what it costs, about, that a block is not predicted as its neighbours are
# What errors weigh against the training's balance, by how many rounds are still to come: frames of early rounds hand
# theirs on to those that are predicted from them. Chosen on held-out training videos.
ROUND_WEIGHTS = (1.8, 2.65, 3.7, 4.8, 5.8, 6.5, 6.5)
FLEETING, LASTING = 0.6, 1.6  # times that, for blocks that no other frame shows again, and that all others do
CHANGED_BITS = 10.0  # what a change is worth in bits by which a block stays for 1 / e
WATCHED = 32  # channels by which that is judged
ALONE_WEIGHT = 2.6  # of a frame that is a chunk by itself: about what frames of a chunk have on average


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """values: (T, h, w, C) int16 as chosen, and what a chunk of them is made of."""

    values: Shorts
    prefix: bytes
    corrections: bytes
    payload: Payload

    def chunk(self, retouching: bytes | None) -> bytes:
        """Its bytes. retouching: None for a model that knows nothing of it."""
        t, h, w, c = self.values.shape
        payload = replace(self.payload, retouching=retouching).joined()
        return write_chunk(ChunkBytes(CODEC_ID, self.prefix, (t, c, h, w), self.corrections, payload))


def write_pictures(
    wanted: NDArray[np.float32],
    frames: NDArray[np.uint8],
    rate: Rate,
    effort: Effort,
    layout: Layout,
    *,
    prefix: bytes,
) -> Coded:
    """wanted: (T, h, w, C) real-valued latents of frames (T, 3, H, W) uint8 RGB."""
    luma = np.einsum("tchw,c->thw", frames, LUMA)
    return ChunkWriter(wanted, rate, palettes(luma, rounds(len(wanted)), effort), layout, free=True).write(prefix)


def write_latents(values: Shorts, rate: Rate, layout: Layout, *, prefix: bytes) -> Coded:
    """A chunk of exactly these latents, (T, h, w, C) int16."""
    entries = palettes(np.empty((0, 0, 0), np.float32), rounds(len(values)), EFFORTS["fast"])  # looks at no picture
    return ChunkWriter(values.astype(np.float32), rate, entries, layout, free=False).write(prefix)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What was chosen for one step of some frames. places: the blocks that it codes; tables: those of their latents;
    values: (places, out) int32.
    """

    plan: StepPlan
    places: Places
    values: NDArray[np.int32]
    tables: Choice

    def of(self, some: NDArray[np.bool_]) -> Step:
        """The same for some of the places."""
        if some.all():
            return self
        return replace(self, places=self.places[some], values=self.values[some], tables=self.tables.of(some))


class ChunkWriter:
    """One chunk being written. free: whether integers other than the nearest may be chosen. left_out: how many of a
    frame's last groups are not coded (0 where it is missing). predictions: of each frame, for who trains the network.
    """

    def __init__(
        self,
        wanted: NDArray[np.float32],
        rate: Rate,
        entries: Mapping[int, tuple[Entry, ...]],
        layout: Layout,
        *,
        free: bool,
    ) -> None:
        self._wanted, self._rate, self._entries, self._free = wanted, rate, entries, free
        self._layout = layout
        self._order = rounds(len(wanted))
        t, h, w, c = wanted.shape
        self._size = t, h, w, c
        self._values = np.zeros(self._size, np.int16)
        self._weights = weights_of_blocks(wanted, self._order, rate.weights) if free else np.ones(wanted.shape[:3])
        self._known = Knowledge(rate.maps)
        self._coder = SymbolWriter(rate.tables)
        self._corrections: list[Correction] = []
        self._guesses: list[tuple[Turn, Guess]] = []
        self._plain = 0  # of them
        self.left_out: dict[int, int] = {}
        self.predictions: dict[int, Prediction] = {}

    def write(self, prefix: bytes) -> Coded:
        for depth in range(len(self._order)):
            self._round(depth)
        self._corrections.sort(key=lambda item: (item.position, item.is_scale))
        palettes = None if self._layout.coded_palettes else write_entries(self._guesses, self.left_out)
        payload = Payload(self._rate.level, palettes, self._coder.bytes())
        return Coded(self._values, prefix, write_corrections(self._corrections), payload)

    def _round(self, depth: int) -> None:
        turns = self._order[depth]
        frames = [turn.frame for turn in turns]
        guesses = [self._guess(turn) for turn in turns]
        self._say(turns, guesses)
        predictions = self._known.predict(guesses, frames)
        self.predictions.update(zip(frames, predictions, strict=True))
        latents = np.zeros((len(turns), *self._values.shape[1:]), np.int16)
        choices = Choices(self._rate.network, predictions, latents)
        for number, plan in enumerate(self._rate.network.plans):
            before, left = choices.present, None
            if plan.half is None:
                left = self._prices_left(frames, plan, choices)
                self._leave_out(frames, number, left <= 0.0, choices)
                left = left[left > 0.0]
            step = self._step(frames, number, plan, choices, left) if len(choices.present) else None
            if plan.half is None and self._layout.coded_palettes:
                gone = ~np.isin(before, choices.present)
                self._coder.flags(gone, leaves(plan.group, len(self._rate.network.groups)))
            if step is not None:
                self._write_step(np.array(frames), step)
                choices.fill(number, step.values)
        self._values[frames] = latents
        self._known.learn(frames, latents)

    def _say(self, turns: Sequence[Turn], guesses: Sequence[Guess]) -> None:
        """Where blocks of the frames of a round come from. Palettes that are listed are written at the end."""
        if self._layout.coded_palettes:
            write_guesses(self._coder, turns, guesses, sorted(self._known.latents), plain_before=self._plain)
            self._plain += sum(map(is_plain, turns, guesses))
        else:
            for turn, guess in zip(turns, guesses, strict=True):
                if not is_plain(turn, guess):
                    write_map(self._coder, guess, listed=True)
        self._guesses += zip(turns, guesses, strict=True)

    def _prices_left(self, frames: Sequence[int], plan: StepPlan, choices: Choices) -> NDArray[np.float64]:
        """What it costs each frame present that its channels from this step on are what is predicted of them: bits that
        the errors are worth, less `LEAVE_BITS`. Where integers are not free it is nothing or infinite.
        """
        places = choices.places()
        wanted = self._wanted_at(frames, places, slice(plan.start, None))
        difference = wanted - choices.predicted(plan.start).astype(np.float32)
        if not self._free:
            differing = np.bincount(places.frames, difference.any(1), len(frames))[choices.present]
            return np.where(differing > 0, np.inf, 0.0)
        worth = weighed(difference, self._rate.weights[plan.start :]) * self._weights_at(frames, places)
        return np.asarray(np.bincount(places.frames, worth, len(frames))[choices.present] - LEAVE_BITS)

    def _wanted_at(self, frames: Sequence[int], places: Places, channels: slice) -> NDArray[np.float32]:
        """What the encoder wants of some channels of some blocks, (places, channels)."""
        return self._wanted[np.array(frames)[places.frames], places.y, places.x, channels]

    def _weights_at(self, frames: Sequence[int], places: Places) -> NDArray[np.float32]:
        return np.asarray(self._weights[np.array(frames)[places.frames], places.y, places.x], np.float32)

    def _leave_out(self, frames: Sequence[int], number: int, out: NDArray[np.bool_], choices: Choices) -> None:
        network = self._rate.network
        for place in choices.present[out]:
            self.left_out[frames[int(place)]] = len(network.groups) - network.plans[number].group
        choices.leave_out(number, ~out)

    def _step(
        self,
        frames: Sequence[int],
        number: int,
        plan: StepPlan,
        choices: Choices,
        left: NDArray[np.float64] | None,
    ) -> Step:
        """What is chosen for one step of the frames of one round. left: `_prices_left` of those present."""
        places = choices.places(number)
        wanted = self._wanted_at(frames, places, plan.channels)
        tables = choices.choose(number)
        weights, by_block = self._rate.weights[plan.channels], self._weights_at(frames, places)
        values, bits = wanted.astype(np.int32), np.zeros(1, np.float32)
        if self._free:
            values, bits = chosen(wanted, tables, bit_costs(self._rate.tables), weights, by_block)
        step = Step(plan, places, values, tables)
        if left is not None and self._free:
            prices = bits.sum(1) + weighed(values - wanted, weights) * by_block
            out = left <= np.bincount(places.frames, prices, len(frames))[choices.present]
            step = step.of(~np.isin(places.frames, choices.present[out]))
            self._leave_out(frames, number, out, choices)
        return step

    def _write_step(self, frames: NDArray[np.intp], step: Step) -> None:
        """Code what was chosen, and list what rounding might put elsewhere. frames: of the round."""
        _, h, w, c = self._size
        means, scales, values = step.tables.means, step.tables.scales, step.values
        coded = scales > 0
        exceptions = ~coded & (values != nearest(means))
        if exceptions.any():
            scales[exceptions] = scale_index(np.abs(values - nearest(means))[exceptions])
            coded |= exceptions
        listed = [(True, exceptions, scales)]
        if step.tables.unrounded is not None:
            limited = np.clip(step.tables.unrounded[1], 0, self._rate.tables.n_scales - 1)
            near = near_boundary(limited) | exceptions
            listed = [(False, near_boundary(step.tables.unrounded[0]), means), (True, near, scales)]
        blocks = (frames[step.places.frames] * h + step.places.y) * w + step.places.x
        for is_scale, some, index in listed:
            for row, k in zip(*np.nonzero(some), strict=True):
                position = int(blocks[row]) * c + step.plan.start + int(k)
                self._corrections.append(Correction(position, is_scale, int(index[row, k])))
        where = np.flatnonzero(coded)
        self._coder.write(values.take(where), means.take(where), scales.take(where))

    def _guess(self, turn: Turn) -> Guess:
        """The entry that leaves each block least to code."""
        _, h, w, _ = self._size
        entries = self._entries[turn.frame]
        wanted = self._wanted[turn.frame]
        predicted = self._known.predict_all(entries, (h, w), channels=JUDGED)
        differences = wanted[None, ..., :JUDGED] - predicted
        costs = np.concatenate([_leftover(wanted[None, ..., :JUDGED]), _leftover(differences)])
        seen = dict.fromkeys((*turn.known, *(source.frame for entry in entries for source in entry.sources)))
        holding = [self._cost_of_holding(turn.frame, known) for known in seen]
        entries = *entries, *(Entry(Source(known), held=True) for known in seen)
        prices = [SOURCE_BITS * len(entry.sources) for entry in entries]
        choice = smooth(worthwhile(np.stack([*costs, *holding]), prices))
        used = np.unique(choice[choice > 0])
        numbers = np.zeros(len(entries) + 1, np.uint8)
        numbers[used] = np.arange(1, len(used) + 1)
        guess = Guess(tuple(entries[i - 1] for i in used), numbers[choice])
        plain = plain_entry(turn)
        if plain is not None and not len(used):
            guess = Guess((plain,), guess.choice)
        return guess

    def _cost_of_holding(self, frame: int, known: int) -> NDArray[np.float32]:
        """Of each block of a frame, that it is what a known frame shows there, beside `_leftover`: (h, w)."""
        changed = weighed(self._wanted[frame] - self._wanted[known], self._rate.weights)
        if not self._free:
            return np.where(changed > 0, np.float32(np.inf), np.float32(-HOLD_BONUS))
        return np.asarray(HOLD_SHARE * self._weights[frame] * changed - HOLD_BONUS, np.float32)


def weights_of_blocks(
    wanted: NDArray[np.float32], order: Sequence[Sequence[Turn]], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """What squared errors of each block count, (T, h, w): by the frame's round, and more the longer the block stays as
    it is, since its errors are handed on (as x264's macroblock tree does it: Garrett-Glaser, "A novel macroblock-tree
    algorithm", 2009). weights: (C,) of channels.
    """
    if len(order) == 1:
        return np.full(wanted.shape[:3], ALONE_WEIGHT, np.float32)
    out = np.empty(wanted.shape[:3], np.float32)
    few, weights = wanted[..., :WATCHED], weights[:WATCHED]
    for round_weight, turns in zip(chain(ROUND_WEIGHTS, repeat(ROUND_WEIGHTS[-1])), reversed(order), strict=False):
        for turn in turns:
            first = 0 if turn.before is None else turn.before + 1
            last = len(wanted) if turn.after is None else turn.after
            others = [frame for frame in range(first, last) if frame != turn.frame]  # may be predicted from it
            out[turn.frame] = round_weight
            if others:
                changes = weighed(few[others] - few[turn.frame], weights)
                stays = np.exp(changes * np.float32(-1 / CHANGED_BITS)).mean(0)
                out[turn.frame] *= FLEETING + (LASTING - FLEETING) * stays
    return out


def weighed(difference: NDArray[np.floating], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """What squared errors (..., C) are worth, (...). By PyTorch, like `motion`'s products."""
    squares = torch.from_numpy(np.square(difference, dtype=np.float32))
    worth: NDArray[np.float32] = (squares @ torch.from_numpy(weights.astype(np.float32))).numpy()
    return worth


def _leftover(difference: NDArray[np.floating]) -> NDArray[np.float32]:
    """About how many bits a block's difference from its prediction takes, (..., C) -> (...)."""
    return np.asarray(np.log1p(np.square(difference, dtype=np.float32)).sum(-1) * np.float32(1.44), np.float32)


def worthwhile(costs: NDArray[np.float32], prices: Sequence[float]) -> NDArray[np.float32]:
    """Costs of blocks by entry, (n, h, w), the first of which is none, where entries are left out: first those that are
    nowhere cheapest, then one by one those that save less than their price. They cost infinitely much. At most
    MAX_PALETTE stay. prices: of all but the first.
    """
    price = np.array([0.0, *prices])
    stay = np.union1d([0], costs.argmin(0))
    while len(stay) > 1:
        left = costs[stay].reshape(len(stay), -1)
        best, columns = left.argmin(0), np.arange(left.shape[1])
        least = left[best, columns]
        left[best, columns] = np.inf
        worth = np.bincount(best, np.minimum(left.min(0) - least, EXCEPTION_BITS * JUDGED), len(stay)) - price[stay]
        worst = len(worth) - 1 - worth[:0:-1].argmin()  # the last one: what is said first is said shortest
        if worth[worst] >= 0 and len(stay) <= 1 + MAX_PALETTE:
            break
        stay = np.delete(stay, worst)
    out = np.full_like(costs, np.inf)
    out[stay] = costs[stay]
    return out


def smooth(costs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The cheapest entry of each block, (n, h, w) -> (h, w), where leaving the expected one costs MAP_BITS."""
    n, h, w = costs.shape
    best = iter(costs.argmin(0).ravel().tolist())
    limits = iter((costs.min(0) + np.float32(MAP_BITS)).ravel().tolist())
    by_block = iter(costs.reshape(n, -1).T.tolist())
    row = w + 1
    choices = begun_map(w)
    for _ in range(h):
        choices.append(0)
        for _ in range(w):
            left = choices[-1]
            expected = choices[-row] if left == choices[-row - 1] else left
            own, limit, prices = next(best), next(limits), next(by_block)
            choices.append(expected if prices[expected] <= limit else own)
    return ended_map(choices, h, w)


def near_boundary(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which outputs lie within GUARD of where their index changes (half-integers)."""
    shifted = x + 0.5
    return np.asarray(np.abs(shifted - np.rint(shifted)) <= GUARD)


def chosen(
    wanted: NDArray[np.float32],
    tables: Choice,
    costs: BitCosts,
    weights: NDArray[np.float64],
    by_block: NDArray[np.float32],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The integers to write and the bits of each, (places, out), of the latents that are wanted. weights: (out,) bits a
    squared error is worth.

    Candidates: the nearest integer, the most probable one, and the one next to the nearest on the way there.
    """
    rows, shifts = table_rows(tables.means, tables.scales), tables.means >> MEAN_BITS
    values, bits = shifts + costs.likely.take(rows), costs.least.take(rows)
    nearest_ = np.rint(wanted).astype(np.int32)
    where = np.flatnonzero(nearest_ != values)  # elsewhere there is nothing to choose; few of them are left
    near, mode, row = nearest_.take(where), values.take(where), rows.take(where)
    candidates = np.stack([near, near - np.sign(near - mode), mode])
    costs_ = costs.of(row, candidates - shifts.take(where))
    costs_ += np.where((row < MEAN_STEPS) & (candidates != mode), np.float32(EXCEPTION_BITS), 0)
    block, channel = np.divmod(where, wanted.shape[1])
    worth = weights.astype(np.float32).take(channel) * by_block.take(block)
    best = (costs_ + worth * np.square(candidates - wanted.take(where))).argmin(0)
    columns = np.arange(len(where))
    values.put(where, candidates[best, columns])
    bits.put(where, costs_[best, columns])
    return np.clip(values, -LATENT_LIMIT, LATENT_LIMIT), bits


@dataclass(frozen=True, slots=True, eq=False)
class BitCosts:
    """Bits of each symbol of each table, (rows, 2 * WIDE_REACH + 1) about 0; likely: (rows,) the cheapest symbol;
    least: (rows,) its bits.
    """

    bits: NDArray[np.float32]
    likely: NDArray[np.int32]
    least: NDArray[np.float32]

    def of(self, rows: NDArray[np.int32], symbols: NDArray[np.int32]) -> NDArray[np.float32]:
        """rows: of the tables; symbols: of a shape that rows broadcast to."""
        places = np.clip(symbols, -WIDE_REACH, WIDE_REACH) + (rows * np.int32(self.bits.shape[1]) + WIDE_REACH)
        return self.bits.take(places)


def bit_costs(tables: Tables) -> BitCosts:
    """Computed once for each set of tables."""
    return _bit_costs(tables.narrow.tobytes(), tables.wide.tobytes(), len(tables.narrow))


@lru_cache(maxsize=4)
def _bit_costs(narrow_bytes: bytes, wide_bytes: bytes, n_narrow: int) -> BitCosts:
    narrow = np.frombuffer(narrow_bytes, np.float32).reshape(n_narrow, -1)
    wide = np.frombuffer(wide_bytes, np.float32).reshape(-1, 2 * WIDE_REACH + 2)
    bits = np.empty((n_narrow + len(wide), 2 * WIDE_REACH + 1), np.float32)
    bits[:n_narrow] = 16 - np.log2(narrow[:, -1:])
    bits[:n_narrow, WIDE_REACH - NARROW_REACH : WIDE_REACH + NARROW_REACH + 1] = -np.log2(narrow[:, :-1])
    bits[n_narrow:] = -np.log2(wide[:, :-1])
    likely = (bits.argmin(1) - WIDE_REACH).astype(np.int32)
    certain = np.arange(MEAN_STEPS, dtype=np.int32)
    likely[:MEAN_STEPS] = nearest(certain)
    least = bits.min(1)
    least[:MEAN_STEPS] = 0  # nothing is coded of what is certain
    return BitCosts(bits, likely, least)
