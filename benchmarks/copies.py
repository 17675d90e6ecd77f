"""Which footage is searched, and which edited excerpts of it, and of footage that is not there, are asked for. Pure.

Whole groups are drawn, so that copies of one film never stand on both sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.datasets import Video
from benchmarks.edits import EDITS
from benchmarks.report import BenchmarkError

COPY, STRANGER, LOOKALIKE = "copy", "stranger", "lookalike"

SHORTEST_S, LONGEST_S = 5.0, 9.0  # excerpts of footage in the gallery
LEAST_S = 6.0  # of a video that excerpts are cut from
STRANGERS_S = (2.0, 3.0)  # excerpts of footage that is not there
LEFT_OUT_OF_TRAIN = 0.25


@dataclass(frozen=True, slots=True)
class Split:
    """The videos to index, those of `dev` among them that copies are made of, and those that are not there."""

    gallery: tuple[Video, ...]
    asked: tuple[Video, ...]
    absent: tuple[Video, ...]

    @property
    def strangers(self) -> tuple[Video, ...]:
        """Absent videos that nothing in the gallery looks like."""
        return tuple(video for video in self.absent if video.scene not in self._scenes)

    @property
    def lookalikes(self) -> tuple[Video, ...]:
        """Absent videos whose scene the gallery shows in another group."""
        return tuple(video for video in self.absent if video.scene in self._scenes)

    @property
    def _scenes(self) -> set[str]:
        return {video.scene for video in self.gallery}


@dataclass(frozen=True, slots=True)
class Plan:
    """A query to be made. kind: COPY, STRANGER or LOOKALIKE; place: of the excerpt, 0 at the start of the source, 1 at
    its end; seed: of the edit's parameters.
    """

    name: str
    kind: str
    source: Video
    edit: str
    length_s: float
    place: float
    seed: str


def split_videos(dev: Sequence[Video], train: Sequence[Video], *, seed: int) -> Split:
    """Half of dev's groups and three quarters of train's are there; of a scene with several groups, some are and some
    are not.
    """
    there_dev = draw_groups(dev, 0.5, Random(f"{seed} dev"))
    there_train = draw_groups(train, 1 - LEFT_OUT_OF_TRAIN, Random(f"{seed} train"))
    asked = tuple(video for video in dev if video.group in there_dev)
    gallery = (*asked, *(video for video in train if video.group in there_train))
    there = there_dev | there_train
    return Split(gallery, asked, tuple(video for video in (*dev, *train) if video.group not in there))


def draw_groups(videos: Sequence[Video], share: float, random: Random) -> set[str]:
    """About `share` of the groups: of each scene with several, at least one and not all; of the others, at random."""
    scenes: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        scenes[video.scene].add(video.group)
    drawn: set[str] = set()
    single: list[str] = []
    for scene in sorted(scenes):
        groups = sorted(scenes[scene])
        if len(groups) == 1:
            single += groups
        else:
            drawn |= set(random.sample(groups, min(len(groups) - 1, max(1, round(share * len(groups))))))
    return drawn | set(random.sample(single, round(share * len(single))))


def plan_copies(split: Split, *, an_edit: int, seed: int) -> list[Plan]:
    """So many queries an edit, of as many groups as there are. Raises BenchmarkError without a video that is long
    enough.
    """
    groups = _by_group([video for video in split.asked if video.duration_s >= LEAST_S])
    if not groups:
        raise BenchmarkError(f"no video of {LEAST_S:g} s in the gallery to make copies of")
    plans = []
    for edit in EDITS.values():
        random = Random(f"{seed} {edit.name}")
        for number, group in zip(range(an_edit), _again_and_again(sorted(groups), random), strict=False):
            source = random.choice(groups[group])
            longest = SHORTEST_S if edit.whole_s else min(LONGEST_S, source.duration_s - 0.5)
            length_s = random.uniform(SHORTEST_S, longest)
            name = f"{COPY} {edit.name} {number:03d}"
            plans.append(Plan(name, COPY, source, edit.name, length_s, random.random(), f"{seed} {name}"))
    return plans


def plan_absent(videos: Sequence[Video], *, kind: str, count: int, seed: int) -> list[Plan]:
    """So many short queries of videos that are not there, by edits drawn at random (none that takes a minute), the
    longer videos oftener.
    """
    if not videos:
        return []
    random = Random(f"{seed} {kind}")
    quick = [edit.name for edit in EDITS.values() if edit.whole_s is None]
    sources = random.choices(videos, [video.duration_s for video in videos], k=count)
    plans = []
    for number, source in enumerate(sources):
        name, edit = f"{kind} {number:04d}", random.choice(quick)
        length_s = min(random.uniform(*STRANGERS_S), source.duration_s)
        plans.append(Plan(name, kind, source, edit, length_s, random.random(), f"{seed} {name}"))
    return plans


def _by_group(videos: Sequence[Video]) -> dict[str, list[Video]]:
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        groups[video.group].append(video)
    return groups


def _again_and_again(names: Sequence[str], random: Random) -> Iterator[str]:
    """All names in random order, then in another one, without an end."""
    while True:
        yield from random.sample(names, len(names))
