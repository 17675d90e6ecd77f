"""The groups of clips that `vsearch cluster` made last: kept beside the search indexes, so that a search can name one.

The file can be deleted at any time, like those. But where it is missing, or the library is not as it was, nothing is
grouped anew for a search: a number means what somebody saw under it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import MetaRecord
from vsearch.errors import AnnError, InputError
from vsearch.search.ann.files import Stamp, read_index, replace_file, write_index
from vsearch.search.clusters import Grouping

_log = logging.getLogger(__name__)

KIND = "groups"
FIELDS = ("groups", "clip_ids", "first_frames", "stop_frames")


@dataclass(frozen=True, slots=True, eq=False)
class GroupedClips:
    """Clips and their groups, all (n,) int64. groups: numbers from 1. first_frames, stop_frames: public ids of the
    sampled frames that each clip holds, half open; no frame is in two clips.
    """

    groups: NDArray[np.int64]
    clip_ids: NDArray[np.int64]
    first_frames: NDArray[np.int64]
    stop_frames: NDArray[np.int64]

    @staticmethod
    def of(grouping: Grouping, clip_ids: Sequence[int], frames: NDArray[np.int64]) -> GroupedClips:
        """The clips of a grouping. clip_ids: of all that were grouped, m; frames: (m, 2) each one's first and stop."""
        sizes = [len(one.members) for one in grouping.groups]
        groups = np.repeat(np.arange(1, len(sizes) + 1), sizes).astype(np.int64)
        members = np.array([i for one in grouping.groups for i in one.members], np.int64)
        return GroupedClips(groups, np.array(clip_ids, np.int64)[members], *frames[members].T)

    def only(self, numbers: Sequence[int]) -> GroupedClips:
        """The clips of these groups. Raises InputError for a group that there is not."""
        there = int(self.groups.max(initial=0))
        for number in numbers:
            if not 1 <= number <= there:
                raise InputError(f"there is no group {number}: the last `vsearch cluster` made {there}")
        keep = np.isin(self.groups, numbers)
        return GroupedClips(*(getattr(self, name)[keep] for name in FIELDS))

    def hold(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(m,) whether each of these frames (m,), by public id, is in one of the clips."""
        order = np.argsort(self.first_frames)
        stops = np.concatenate([[0], self.stop_frames[order]])  # the first: of frames before all clips
        return np.asarray(frames < stops[np.searchsorted(self.first_frames[order], frames, side="right")])

    @property
    def runs(self) -> NDArray[np.int64]:
        """(r, 2) public ids of frames, half open, ascending: where the clips hold every sampled frame."""
        order = np.argsort(self.first_frames)
        firsts, stops = self.first_frames[order], self.stop_frames[order]
        begins = firsts > np.concatenate([[-1], stops[:-1]])
        return np.stack([firsts[begins], stops[np.roll(begins, -1)]], axis=1)


def keep_groups(folder: Path, clips: GroupedClips, meta: MetaRecord) -> None:
    """Keep the groups of a library's clips in its cache folder, in place of those kept before. meta: read before them.

    A folder that cannot be written to costs a warning.
    """
    arrays = {name: getattr(clips, name) for name in FIELDS}

    def write(place: Path) -> None:
        write_index(place, kind=KIND, d=0, stamp=_stamp(meta), arrays=arrays)

    try:
        replace_file(_path(folder), write)
    except OSError as error:
        _log.warning("the groups are not kept, so that `search --cluster` cannot look into them: %s", error)


def read_groups(folder: Path, meta: MetaRecord) -> GroupedClips:
    """The groups that were kept last. Raises InputError without any, and for those of another state of the library."""
    try:
        header, arrays = read_index(_path(folder), kind=KIND)
    except FileNotFoundError as error:
        raise InputError("the clips of the library are not grouped yet: run `vsearch cluster`") from error
    except (AnnError, OSError) as error:
        raise InputError(f"the groups of clips cannot be read: run `vsearch cluster` again ({error})") from error
    if header.stamp != _stamp(meta):
        raise InputError(
            "the library has changed since its clips were grouped: run `vsearch cluster` again, and look up the numbers"
        )
    return GroupedClips(*(arrays[name] for name in FIELDS))


def _path(folder: Path) -> Path:
    return folder / "groups.index"


def _stamp(meta: MetaRecord) -> Stamp:
    """What groups are made of: vectors of one head, in one state of one library."""
    return {"library": meta.uuid, "generation": meta.generation, "head": meta.active_head or ""}
