"""Palettes and their maps among the other entropy-coded symbols: where the blocks of a round's frames come from.

The first layout lists palettes in bytes of their own (`dyadic_reader.read_entries`), three a source. Most entries are
nothing but "that neighbour, unmoved", which takes two or three bits here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.models.entropy import MEAN_STEPS, SymbolReader, SymbolWriter
from vsearch.models.motion import MAX_PALETTE, REACH, Entry, Guess, Source, begun_map, ended_map, expected_choices
from vsearch.models.order import Turn

# Probabilities, as shares of 512, and tables: counted on training videos at three levels.
HELD, TWO, NEAR, MOVED = (share / 512 for share in (180, 36, 425, 360))
COUNT_MEAN, COUNT_SCALE = 5 * MEAN_STEPS // 2, 21  # of how many entries a palette has
SHIFT_SCALE = 34  # about no shift
SHARES, LISTED_SHARES = 32, 256  # of a map, how often blocks are as expected
LEAVES_EARLY, LEAVES_LAST = 20 / 512, 180 / 512  # that a frame leaves its groups out from one on, by which one that is


def plain_entry(turn: Turn) -> Entry | None:
    """What holds for every block where a palette says nothing: the frame is its first neighbour, or knows none."""
    return Entry(Source(turn.known[0]), held=True) if turn.known else None


def plain_guess(turn: Turn, size: tuple[int, int]) -> Guess:
    """size: (h, w) blocks."""
    entry = plain_entry(turn)
    return Guess(() if entry is None else (entry,), np.full(size, entry is not None, np.uint8))


def is_plain(turn: Turn, guess: Guess) -> bool:
    """Whether a guess is what `plain_guess` says."""
    entry = plain_entry(turn)
    if entry is None:
        return not guess.choice.any()
    return guess.entries == (entry,) and bool((guess.choice == 1).all())


def plain_share(plain: int, frames: int) -> float:
    """How probably a guess is plain where so many of the frames before were: a still scene says little of each."""
    return (512 * (2 * plain + 1) // (2 * frames + 10)) / 512


def leaves(group: int, groups: int) -> float:
    """How probably a frame that has not left yet is not coded from a group on."""
    return LEAVES_LAST if group == groups - 1 else LEAVES_EARLY


def write_guesses(
    coder: SymbolWriter, turns: Sequence[Turn], guesses: Sequence[Guess], known: Sequence[int], *, plain_before: int
) -> None:
    """Of the frames of one round. known: all frames of earlier rounds, ascending; plain_before: how many of them had
    plain guesses. Held entries have one source, unshifted.
    """
    plain = [is_plain(turn, guess) for turn, guess in zip(turns, guesses, strict=True)]
    coder.flags(np.array(plain), plain_share(plain_before, len(known)))
    counts = np.array([len(guess.entries) for p, guess in zip(plain, guesses, strict=True) if not p], np.int64)
    coder.write(counts, np.full(len(counts), COUNT_MEAN), np.full(len(counts), COUNT_SCALE))
    listed = [
        (turn, entry)
        for turn, guess, p in zip(turns, guesses, plain, strict=True)
        for entry in (() if p else guess.entries)
    ]
    held = np.array([entry.held for _, entry in listed], bool)
    coder.flags(held, HELD)
    coder.flags(np.array([entry.second is not None for _, entry in listed if not entry.held], bool), TWO)
    sources = [(turn, source) for turn, entry in listed for source in entry.sources]
    near = np.array([source.frame in turn.known for turn, source in sources], bool)
    coder.flags(near, NEAR)
    places = [turn.known.index(source.frame) for turn, source in sources if source.frame in turn.known]
    coder.uniform(np.array(places, np.int64), 2)
    places = [known.index(source.frame) for turn, source in sources if source.frame not in turn.known]
    coder.uniform(np.array(places, np.int64), len(known))
    shifts = np.array(
        [(source.dy, source.dx) for _, entry in listed if not entry.held for source in entry.sources], np.int64
    )
    shifts = shifts.reshape(-1, 2)
    moved = np.asarray(shifts.any(1))
    coder.flags(moved, MOVED)
    numbers = shifts[moved].ravel()
    coder.write(numbers, np.zeros_like(numbers), np.full_like(numbers, SHIFT_SCALE))
    for guess, p in zip(guesses, plain, strict=True):
        if not p and guess.entries:
            write_map(coder, guess)


def read_guesses(
    reader: SymbolReader, turns: Sequence[Turn], known: Sequence[int], size: tuple[int, int], *, plain_before: int
) -> tuple[list[Guess], int]:
    """What `write_guesses` wrote, and how many guesses were said to be plain. size: (h, w) blocks. Raises LatentError
    for what cannot be of such frames.
    """
    plain = reader.flags(len(turns), plain_share(plain_before, len(known)))
    counts = np.zeros(len(turns), np.int64)
    n = int((~plain).sum())
    counts[~plain] = reader.read(np.full(n, COUNT_MEAN), np.full(n, COUNT_SCALE))
    if counts.min() < 0 or counts.max() > (MAX_PALETTE if known else 0):
        raise LatentError("a chunk's palette is too large: the library is damaged there")
    owners = [turn for turn, count in zip(turns, counts.tolist(), strict=True) for _ in range(count)]
    held = reader.flags(len(owners), HELD)
    two = np.zeros(len(owners), bool)
    two[~held] = reader.flags(int((~held).sum()), TWO)
    which = np.repeat(np.arange(len(owners)), 1 + two)
    frames = _read_frames(reader, [owners[number] for number in which], known)
    shifts = np.zeros((len(which), 2), np.int64)
    moved = np.zeros(len(which), bool)
    free = ~held[which]
    moved[free] = reader.flags(int(free.sum()), MOVED)
    n = 2 * int(moved.sum())
    shifts[moved] = reader.read(np.zeros(n, np.int64), np.full(n, SHIFT_SCALE)).reshape(-1, 2)
    if np.abs(shifts).max(initial=0) > REACH:
        raise LatentError("a chunk predicts from what is not known: the library is damaged there")
    sources = iter([Source(frame, dy, dx) for frame, (dy, dx) in zip(frames, shifts.tolist(), strict=True)])
    entries = iter(
        [
            Entry(next(sources), next(sources) if pair else None, still)
            for pair, still in zip(two.tolist(), held.tolist(), strict=True)
        ]
    )
    guesses = []
    for turn, count, nothing in zip(turns, counts.tolist(), plain.tolist(), strict=True):
        own = tuple(next(entries) for _ in range(count))
        choice = read_map(reader, count, size) if count else np.zeros(size, np.uint8)
        guesses.append(plain_guess(turn, size) if nothing else Guess(own, choice))
    return guesses, int(plain.sum())


def _read_frames(reader: SymbolReader, owners: Sequence[Turn], known: Sequence[int]) -> list[int]:
    """The frames of sources, whose entries belong to `owners`."""
    near = reader.flags(len(owners), NEAR)
    neighbours = iter(reader.uniform(int(near.sum()), 2).tolist())
    others = iter(reader.uniform(int((~near).sum()), len(known)).tolist())
    try:
        return [
            turn.known[next(neighbours)] if close else known[next(others)]
            for turn, close in zip(owners, near.tolist(), strict=True)
        ]
    except IndexError as error:
        raise LatentError("a chunk predicts from what is not known: the library is damaged there") from error


def write_map(coder: SymbolWriter, guess: Guess, *, listed: bool = False) -> None:
    """How often blocks are as expected, where, and what they are elsewhere. listed: of a palette that is listed."""
    choice, expected = guess.choice.astype(np.int64), expected_choices(guess.choice)
    same, shares = choice == expected, LISTED_SHARES if listed else SHARES
    share = min(shares - 1, int(same.mean() * shares))
    coder.uniform(np.array([share]), shares)
    coder.flags(same.ravel(), (share + 0.5) / shares)
    if listed:
        coder.uniform(choice[~same], len(guess.entries) + 1)
    else:
        coder.uniform((choice - (choice > expected))[~same], len(guess.entries))  # the expected one is none of them


def read_map(reader: SymbolReader, n: int, size: tuple[int, int], *, listed: bool = False) -> NDArray[np.uint8]:
    """A map of `n` entries, (h, w)."""
    (h, w), shares = size, LISTED_SHARES if listed else SHARES
    share = int(reader.uniform(1, shares)[0])
    same = reader.flags(h * w, (share + 0.5) / shares)
    others = iter(reader.uniform(int((~same).sum()), n + 1 if listed else n).tolist())
    as_expected = iter(same.tolist())
    row, skips = w + 1, not listed
    choices = begun_map(w)
    for _ in range(h):
        choices.append(0)
        for _ in range(w):
            left = choices[-1]
            expected = choices[-row] if left == choices[-row - 1] else left
            if next(as_expected):
                choices.append(expected)
            else:
                other = next(others)
                choices.append(other + (skips and other >= expected))
    return ended_map(choices, h, w)
