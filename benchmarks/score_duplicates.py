"""How well pairs of videos are told: pure functions over which pairs were given.

A pair of one group is right; one of another group of the same scene counts neither way, nor does one of `SHOWS_AGAIN`;
everything else is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.datasets import SHOWS_AGAIN
from benchmarks.score_excerpts import NEUTRAL, RIGHT, WRONG

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What the truth is about a file: `edit` is how a generated copy was made, and None for an original."""

    name: str
    group: str
    scene: str
    edit: str | None = None


@dataclass(frozen=True, slots=True)
class PairScore:
    """Counts of pairs. `wanted` and `found` by kind: the edit of a copy and its own original, or what else it is."""

    right: int
    wrong: int
    neutral: int
    wanted: Mapping[str, int]
    found: Mapping[str, int]
    missed: Sequence[Pair]
    false: Sequence[Pair]

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / sum(self.wanted.values())


def judge(one: Known, other: Known) -> str:
    if one.group == other.group:
        return RIGHT
    again = {known.name.rpartition(" of ")[2] for known in (one, other)} == set(SHOWS_AGAIN)
    return NEUTRAL if again or one.scene == other.scene else WRONG


def kind(one: Known, other: Known, sources: Mapping[str, str]) -> str:
    """Which row of a table a right pair belongs to. sources: of each copy the name of its original."""
    for copy, original in ((one, other), (other, one)):
        if copy.edit is not None and sources.get(copy.name) == original.name:
            return copy.edit
    return "others of one group"


def score_pairs(files: Sequence[Known], given: Iterable[Pair], sources: Mapping[str, str]) -> PairScore:
    """files: all that are in the library; given: pairs of their names, in any order, each once."""
    known = {file.name: file for file in files}
    told = {tuple(sorted(pair)) for pair in given}
    verdicts = {pair: judge(known[pair[0]], known[pair[1]]) for pair in told}
    names = sorted(known)
    wanted = [pair for pair in combinations(names, 2) if judge(known[pair[0]], known[pair[1]]) == RIGHT]
    kinds = {pair: kind(known[pair[0]], known[pair[1]], sources) for pair in wanted}
    counts = Counter(verdicts.values())
    return PairScore(
        right=counts[RIGHT],
        wrong=counts[WRONG],
        neutral=counts[NEUTRAL],
        wanted=Counter(kinds.values()),
        found=Counter(kinds[pair] for pair in wanted if pair in told),
        missed=[pair for pair in wanted if pair not in told],
        false=sorted((one, other) for (one, other), verdict in verdicts.items() if verdict == WRONG),
    )
