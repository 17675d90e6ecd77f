"""Groups of clips that are kept, and which frames are theirs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.db.records import MetaRecord
from vsearch.errors import InputError
from vsearch.records import frame_id
from vsearch.search.clusters import Group, Grouping
from vsearch.search.kept_groups import GroupedClips, keep_groups, read_groups

META = MetaRecord("a-library", 1, 7, 0, "codec", "head", 0)
GROUPING = Grouping((Group((2, 0), (0.9, 0.8)), Group((3,), (1.0,))), outliers=(1,))
FRAMES = np.array([[frame_id(4, n), frame_id(4, n + 10)] for n in (0, 10, 20)] + [[frame_id(5, 3), frame_id(5, 4)]])
CLIPS = GroupedClips.of(GROUPING, [11, 12, 13, 20], FRAMES)


def test_clips_are_kept_by_group_the_most_central_first(tmp_path: Path) -> None:
    keep_groups(tmp_path / "cache", CLIPS, META)
    kept = read_groups(tmp_path / "cache", META)
    assert kept.groups.tolist() == [1, 1, 2]
    assert kept.clip_ids.tolist() == [13, 11, 20]
    assert kept.only([2]).clip_ids.tolist() == [20]
    assert kept.only([2, 1]).clip_ids.tolist() == [13, 11, 20]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["groups.index"]


def test_a_clip_holds_its_frames_and_no_others() -> None:
    frames = np.array([frame_id(3, 9), frame_id(4, 9), frame_id(4, 10), frame_id(4, 29), frame_id(4, 30)])
    assert CLIPS.hold(frames).tolist() == [False, True, False, True, False]
    assert CLIPS.only([2]).hold(np.array([frame_id(5, 2), frame_id(5, 3), frame_id(5, 4)])).tolist() == [0, 1, 0]


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=30), st.permutations(range(30)))
def test_frames_of_clips_in_any_order_are_those_of_a_plain_reading(
    lengths: list[tuple[int, bool]], order: list[int]
) -> None:
    stops = np.cumsum([n for n, _ in lengths], dtype=np.int64)
    clips = [(int(stop) - n, int(stop)) for (n, mine), stop in zip(lengths, stops, strict=True) if mine]
    clips = [clips[i] for i in order if i < len(clips)]
    firsts, ends = np.array(clips, np.int64).reshape(-1, 2).T
    held = GroupedClips(np.ones_like(firsts), firsts, firsts, ends).hold(np.arange(610))
    assert np.flatnonzero(held).tolist() == sorted(n for first, stop in clips for n in range(first, stop))


def test_clips_that_follow_each_other_are_one_run() -> None:
    assert CLIPS.runs.tolist() == [
        [frame_id(4, 0), frame_id(4, 10)],
        [frame_id(4, 20), frame_id(4, 30)],
        FRAMES[3].tolist(),
    ]
    three = GroupedClips.of(Grouping((Group((2, 0, 1), (0.9, 0.8, 0.7)),), outliers=()), [11, 12, 13], FRAMES[:3])
    assert three.runs.tolist() == [[frame_id(4, 0), frame_id(4, 30)]]


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_group_that_there_is_not_is_named(number: int) -> None:
    with pytest.raises(InputError, match=f"no group {number}: the last `vsearch cluster` made 2"):
        CLIPS.only([1, number])


def test_a_library_without_clips_has_no_groups(tmp_path: Path) -> None:
    keep_groups(tmp_path, GroupedClips.of(Grouping((), ()), [], np.empty((0, 2), np.int64)), META)
    kept = read_groups(tmp_path, META)
    assert kept.hold(np.arange(3)).tolist() == [False] * 3
    assert kept.runs.shape == (0, 2)
    with pytest.raises(InputError, match="made 0"):
        kept.only([1])


def test_without_groups_one_is_told_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not grouped yet: run `vsearch cluster`"):
        read_groups(tmp_path, META)


@pytest.mark.parametrize("change", [{"generation": 8}, {"active_head": "another"}, {"uuid": "another"}])
def test_groups_of_another_state_of_the_library_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    keep_groups(tmp_path, CLIPS, META)
    with pytest.raises(InputError, match="changed since its clips were grouped: run `vsearch cluster` again"):
        read_groups(tmp_path, replace(META, **change))


def test_a_damaged_file_is_no_groups(tmp_path: Path) -> None:
    keep_groups(tmp_path, CLIPS, META)
    file = tmp_path / "groups.index"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read: run `vsearch cluster` again"):
        read_groups(tmp_path, META)


def test_where_nothing_can_be_written_one_is_told_that_groups_are_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("no folder")
    with caplog.at_level(logging.WARNING, "vsearch"):
        keep_groups(tmp_path / "cache", CLIPS, META)
    assert "the groups are not kept" in caplog.text
    with pytest.raises(InputError, match="vsearch cluster"):
        read_groups(tmp_path / "cache", META)
