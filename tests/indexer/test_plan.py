from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from vsearch.config import IndexConfig, ReadConfig
from vsearch.db.records import FailedFile, KnownPath
from vsearch.indexer.plan import Knowledge, at_least, make_plan, outdated_by
from vsearch.indexer.scan import Candidate
from vsearch.records import FileStamp, IndexSettings, PathSighting

STORED = IndexSettings(Fraction(1), "exact", Fraction(10), 36864, "pyav", "x", 1)


def stamp(n: int, inode: int = 0) -> FileStamp:
    return FileStamp(size_bytes=100 + n, mtime_ns=n, inode=inode)


def file(name: bytes, at: FileStamp, volume: str = "V") -> Candidate:
    return Candidate(b"/m/" + name, PathSighting(volume, volume, b"/m", name, "/m/" + name.decode(), at))


def known(name: bytes, video: int, at: FileStamp) -> KnownPath:
    return KnownPath(path=name, video_id=video, stamp=at, state="ok", online=True)


def failed(name: bytes, at: FileStamp) -> FailedFile:
    return FailedFile(file(name, at).sighting, "0.1", "media", "broken", 0)


def test_a_known_file_that_did_not_change_needs_nothing() -> None:
    a = file(b"a", stamp(1))
    plan = make_plan([a], Knowledge(paths={a.key: known(b"a", 1, stamp(1))}))
    assert plan.unchanged == (a,)
    assert plan.to_read == ()


@pytest.mark.parametrize("before", [FileStamp(1, 7, 3), FileStamp(101, 6, 3)])
def test_a_file_with_another_size_or_time_of_change_is_read(before: FileStamp) -> None:
    a = file(b"a", FileStamp(101, 7, 3))
    assert make_plan([a], Knowledge(paths={a.key: known(b"a", 1, before)})).to_read == (a,)


def test_a_failure_is_remembered_until_the_file_changes_or_a_retry() -> None:
    a = file(b"a", stamp(1))
    remembered = Knowledge(failures={a.key: failed(b"a", stamp(1))})
    assert make_plan([a], remembered).failed_before == ((a, remembered.failures[a.key]),)
    assert make_plan([a], remembered, retry=True).to_read == (a,)
    assert make_plan([a], Knowledge(failures={a.key: failed(b"a", stamp(2))})).to_read == (a,)


def test_failed_before_comes_first_for_a_path_that_was_good_once() -> None:
    a = file(b"a", stamp(1))
    both = Knowledge(paths={a.key: known(b"a", 1, stamp(1))}, failures={a.key: failed(b"a", stamp(1))})
    assert [c for c, _ in make_plan([a], both).failed_before] == [a]


def test_a_renamed_file_is_recognised_by_inode_size_and_time() -> None:
    new, old = file(b"new", stamp(1, inode=9)), file(b"old", stamp(1, inode=9))
    plan = make_plan([new], Knowledge(paths={old.key: known(b"old", 4, stamp(1, inode=9))}))
    assert [(c, key, k.video_id) for c, key, k in plan.moved] == [(new, old.key, 4)]
    assert not plan.to_read
    assert not plan.absent


def test_a_file_without_an_inode_or_on_another_volume_is_read_to_be_recognised() -> None:
    new, old = file(b"new", stamp(1)), file(b"old", stamp(1))
    assert make_plan([new], Knowledge(paths={old.key: known(b"old", 4, stamp(1))})).to_read == (new,)
    elsewhere = file(b"new", stamp(1, inode=9), volume="W")
    plan = make_plan([elsewhere], Knowledge(paths={old.key: known(b"old", 4, stamp(1, inode=9))}))
    assert plan.to_read == (elsewhere,)
    assert [key for key, _ in plan.absent] == [old.key]


def test_two_new_links_to_one_moved_file_are_one_move_and_one_copy() -> None:
    at = stamp(1, inode=9)
    one, two, old = file(b"one", at), file(b"two", at), file(b"old", at)
    plan = make_plan([one, two], Knowledge(paths={old.key: known(b"old", 4, at)}))
    assert [c for c, _, _ in plan.moved] == [one]
    assert plan.to_read == (two,)


def test_outdated_videos_are_read_again_although_their_files_did_not_change() -> None:
    a = file(b"a", stamp(1))
    plan = make_plan([a], Knowledge(paths={a.key: known(b"a", 1, stamp(1))}, outdated={1: IndexConfig()}))
    assert plan.to_read == (a,)


def test_what_was_not_met_is_absent() -> None:
    a, b = file(b"a", stamp(1)), file(b"b", stamp(2))
    plan = make_plan([a], Knowledge(paths={x.key: known(x.sighting.path, 1, x.sighting.stamp) for x in (a, b)}))
    assert [key for key, _ in plan.absent] == [b.key]


def test_files_are_read_in_the_order_in_which_they_were_met() -> None:
    a, b, c = file(b"a", stamp(1)), file(b"b", stamp(2)), file(b"c", stamp(3))
    paths = {b.key: known(b"b", 1, stamp(9))}
    assert make_plan([c, b, a], Knowledge(paths=paths)).to_read == (c, b, a)


@pytest.mark.parametrize(
    ("asked", "had", "outdated"),
    [
        (("exact", 1), ("exact", 1), False),
        (("exact", 2), ("exact", 1), True),
        (("exact", 1), ("exact", 2), False),
        (("exact", 1), ("keyframes", 2), True),
        (("keyframes", 5), ("exact", 1), False),
        (("keyframes", 2), ("keyframes", 1), True),
    ],
)
def test_a_video_is_outdated_only_when_more_is_asked_for(
    asked: tuple[str, int], had: tuple[str, int], outdated: bool
) -> None:
    config = IndexConfig(read=ReadConfig(fps=Fraction(asked[1]), sampling=asked[0]))
    settings = replace(STORED, fps=Fraction(had[1]), sampling=had[0])
    assert outdated_by(config, settings) == outdated


@pytest.mark.parametrize(
    ("asked", "outdated"),
    [
        (("default", "default", 36864), False),
        (("high", "default", 36864), True),
        (("low", "default", 36864), False),
        (("default", "archive", 36864), True),
        (("default", "fast", 36864), False),
        (("default", "default", 40000), True),
        (("default", "default", 9216), False),
        (("low", "fast", 40000), True),
    ],
)
def test_an_upgrade_reads_again_what_is_stored_with_less(asked: tuple[str, str, int], outdated: bool) -> None:
    quality, effort, pixels = asked
    config = IndexConfig(read=ReadConfig(preview_pixels=pixels), quality=quality, effort=effort)
    assert outdated_by(replace(config, upgrade=True), STORED) == outdated
    assert not outdated_by(config, STORED)


def test_an_upgrade_reads_again_what_has_no_pictures() -> None:
    assert outdated_by(IndexConfig(upgrade=True), STORED, pictures=False)
    assert not outdated_by(IndexConfig(), STORED, pictures=False)


def test_what_is_read_again_is_never_stored_with_less_than_before() -> None:
    settings = replace(
        STORED, fps=Fraction(5), sampling="exact", preview_pixels=90000, quality="high", effort="archive", level=36
    )
    asked = IndexConfig(read=ReadConfig(sampling="keyframes", fps=Fraction(25)), quality="low", upgrade=True)
    again = at_least(asked, settings)
    assert (again.read.fps, again.read.sampling, again.read.preview_pixels) == (5, "exact", 90000)
    assert (again.quality, again.effort) == ("high", "archive")
    finer = at_least(replace(asked, read=ReadConfig(fps=Fraction(25))), settings)
    assert finer.read.fps == 25
