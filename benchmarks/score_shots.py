"""How well found shot boundaries match known ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of shot. Frames before `start` show the old shot alone, from `end` on the new one; equal for a cut."""

    kind: str  # "cut" | "dissolve" | "fade"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ShotScore:
    """Counts over any number of sequences. `found` by kind: (found, there)."""

    hits: int
    predicted: int
    truth: int
    found: dict[str, tuple[int, int]]

    @property
    def precision(self) -> float:
        return self.hits / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        return self.hits / self.truth if self.truth else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(pairs: Sequence[tuple[Sequence[int], Sequence[Transition]]], slack: int, late: int) -> ShotScore:
    """Compare (frame numbers that begin a shot, the true transitions), a pair a sequence.

    A number matches a cut within `slack` frames, a gradual transition from `slack` frames before its start to `late`
    frames after its end. Each matches at most one of the other.
    """
    hits = predicted = truth = 0
    found: dict[str, tuple[int, int]] = {}
    for numbers, transitions in pairs:
        free = sorted(numbers)
        predicted, truth = predicted + len(free), truth + len(transitions)
        for transition in transitions:
            last = transition.end + (slack if transition.kind == "cut" else late)
            match = next((number for number in free if transition.start - slack <= number <= last), None)
            there = found.get(transition.kind, (0, 0))
            found[transition.kind] = (there[0] + (match is not None), there[1] + 1)
            if match is not None:
                free.remove(match)
                hits += 1
    return ShotScore(hits, predicted, truth, found)
