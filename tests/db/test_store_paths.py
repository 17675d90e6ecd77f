import os
from pathlib import Path

import pytest

from tests.db.compare import assert_stored
from tests.db.samples import indexed, sighting
from vsearch._version import __version__
from vsearch.db.store import Store
from vsearch.errors import AmbiguousError, InputError
from vsearch.records import FileStamp, PathSighting

STRANGE = b"Gr\xfc\xdfe\n/\xff\xfe 100%_.mp4"  # Latin-1, a newline, and bytes that are no text at all


def listed(store: Store, *arguments: str, **filters: str) -> list[int]:
    return [video.id for video in store.videos(*arguments, **filters)]


def test_names_are_bytes(store: Store) -> None:
    seen = PathSighting("uuid \u00fc", "Gr\u00fc\u00dfe", b"/mnt/\xe4", STRANGE, "Gr\ufffd\ufffde", FileStamp(1, -2, 3))
    video_id = store.add_video(indexed(), seen)
    (path,) = store.video(video_id).paths
    assert path.sighting == seen
    assert path.absolute == b"/mnt/\xe4/" + STRANGE
    known = store.known_path("uuid \u00fc", STRANGE)
    assert known is not None
    assert (known.path, known.video_id, known.stamp, known.state, known.online) == (
        STRANGE,
        video_id,
        FileStamp(1, -2, 3),
        "ok",
        True,
    )
    assert store.resolve(os.fsdecode(b"/mnt/\xe4/" + STRANGE)) == video_id
    assert store.resolve(b"\xff\xfe 100%_.mp4") == video_id


def test_a_path_may_be_longer_than_what_databases_index(store: Store) -> None:
    long = b"/".join([bytes([97 + n]) * 250 for n in range(20)])
    video_id = store.add_video(indexed(), sighting(long))
    assert store.known_path("uuid-1", long) is not None
    assert store.known_path("uuid-1", long + b"x") is None
    assert list(store.known_paths("uuid-1", long[:250])) == [long]
    assert store.resolve(b"/mnt/archive/" + long) == video_id


def test_two_volumes_with_the_same_paths_stay_two(store: Store) -> None:
    one = store.add_video(indexed("one"), sighting(volume="uuid-1", label="A"))
    store.mark_offline("uuid-1")
    two = store.add_video(indexed("two"), sighting(volume="uuid-2", label="B"))
    assert one != two
    assert [(volume.label, volume.n_paths, volume.n_online) for volume in store.volumes()] == [("A", 1, 0), ("B", 1, 1)]
    first, second = (store.known_path(name, b"a/one.mp4") for name in ("uuid-1", "uuid-2"))
    assert first is not None
    assert second is not None
    assert (first.video_id, second.video_id) == (one, two)
    assert_stored(store, one, indexed("one"))
    assert store.resolve("/mnt/archive/a/one.mp4") == two  # what is there now
    assert listed(store, volume="A") == listed(store, volume="uuid-1") == [one]
    assert listed(store, volume="B", state="offline") == []


def test_known_paths_are_told_by_folder(store: Store) -> None:
    for number, path in enumerate([b"a", b"a/x", b"a/y/z", b"a0", b"ab/x", b"b", b"A/x", b"a/\xff"]):
        store.add_video(indexed(str(number)), sighting(path))
    store.add_video(indexed("other"), sighting(b"a/x", volume="uuid-2"))
    assert set(store.known_paths("uuid-1", b"a")) == {b"a", b"a/x", b"a/y/z", b"a/\xff"}
    assert set(store.known_paths("uuid-1", b"a/")) == {b"a", b"a/x", b"a/y/z", b"a/\xff"}
    assert set(store.known_paths("uuid-1", b"a/y")) == {b"a/y/z"}
    assert len(store.known_paths("uuid-1")) == 8
    assert store.known_paths("uuid-9") == {}
    assert store.known_path("uuid-9", b"a") is None


def test_absent_paths_go_offline_and_come_back(store: Store) -> None:
    ids = [store.add_video(indexed(name), sighting(name.encode())) for name in ("a/1", "a/2", "b/1")]
    assert store.mark_offline("uuid-1", b"a") == 2
    assert store.mark_offline("uuid-1", b"a") == 0
    assert [store.video(video_id).online for video_id in ids] == [False, False, True]
    assert listed(store, state="offline") == ids[:2]
    assert listed(store, state="ok") == ids
    assert store.mark_online("uuid-1", b"a/1") == 1
    assert store.mark_offline("uuid-1", paths=[b"b/1", b"a/2", b"nowhere"]) == 1
    assert [video.online for video in store.videos()] == [True, False, False]
    assert store.mark_offline("uuid-9") == 0
    assert store.mark_online("uuid-1") == 2


def test_a_video_is_offline_only_without_any_path_online(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"a"))
    store.add_path(video_id, sighting(b"a", volume="uuid-2", label="BACKUP", mount=b"/mnt/backup"))
    store.mark_offline("uuid-1")
    record = store.video(video_id)
    assert record.online
    assert [path.sighting.volume for path in record.paths] == ["uuid-2", "uuid-1"]
    assert listed(store, state="offline") == []
    store.mark_offline("uuid-2")
    assert listed(store, state="offline") == [video_id]
    assert store.totals().offline == 1


def test_touching_updates_stamp_mount_and_label(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"a"))
    store.mark_offline("uuid-1")
    again = sighting(b"a", mount=b"/media/elsewhere", label="RENAMED", mtime_ns=5)
    assert store.touch_paths([again, sighting(b"unknown")]) == 1
    (path,) = store.video(video_id).paths
    assert path.online
    assert path.sighting.mount == b"/media/elsewhere"
    assert path.sighting.stamp.mtime_ns == 5
    store.touch_path(again)
    assert store.volumes()[0].label == "RENAMED"
    assert store.volumes()[0].mounts == (b"/media/elsewhere",)


def test_a_copy_is_a_second_path(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"a"))
    generation = store.meta().generation
    store.add_path(video_id, sighting(b"b"))
    store.add_path(video_id, sighting(b"b"))
    assert [path.sighting.path for path in store.video(video_id).paths] == [b"a", b"b"]
    assert store.meta().generation == generation  # nothing that is searched changed
    with pytest.raises(InputError, match="v99"):
        store.add_path(99, sighting(b"c"))


def test_a_moved_file_leaves_its_old_path(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"old"))
    store.add_path(video_id, sighting(b"new"), moved_from=("uuid-1", b"old"))
    assert [path.sighting.path for path in store.video(video_id).paths] == [b"new"]
    store.add_path(video_id, sighting(b"newer"), moved_from=("uuid-9", b"nowhere"))
    assert len(store.video(video_id).paths) == 2


def test_a_path_that_was_overwritten_with_known_content_changes_hands(store: Store) -> None:
    one = store.add_video(indexed("one"), sighting(b"1"))
    two = store.add_video(indexed("two"), sighting(b"2"))
    store.add_path(one, sighting(b"2"))
    assert store.video_ids() == [one]
    changes = store.changes(0)
    assert changes is not None
    assert changes.removed == (two,)
    assert {path.sighting.path for path in store.video(one).paths} == {b"1", b"2"}


def test_a_new_video_at_a_known_path_takes_it(store: Store) -> None:
    one = store.add_video(indexed("one"), sighting(b"1"))
    store.add_path(one, sighting(b"copy"))
    two = store.add_video(indexed("two"), sighting(b"1"))
    assert [path.sighting.path for path in store.video(one).paths] == [b"copy"]
    three = store.add_video(indexed("three"), sighting(b"1"))
    assert store.video_ids() == [one, three]
    assert two not in store.paths([one, two, three])


def test_failures_are_remembered_until_the_file_is_read(store: Store) -> None:
    bad = sighting(b"bad.mp4", size_bytes=3)
    store.record_attempt(bad, reason="no video stream\0", code="no-video")
    failed = store.attempt_for("uuid-1", b"bad.mp4")
    assert failed is not None
    assert (failed.sighting, failed.code, failed.program_version) == (bad, "no-video", __version__)
    assert failed.reason == "no video stream\ufffd"
    store.record_attempt(bad, reason="again", code="media")
    assert [one.reason for one in store.failures()] == ["again"]
    assert set(store.attempts("uuid-1")) == {b"bad.mp4"}
    assert store.attempts("uuid-1", b"elsewhere") == store.attempts("uuid-9") == {}
    store.add_video(indexed(), bad)
    assert store.attempt_for("uuid-1", b"bad.mp4") is None


def test_a_failure_may_be_forgotten(store: Store) -> None:
    store.record_attempt(sighting(b"bad.mp4"), reason="no", code="media")
    store.forget_attempt("uuid-1", b"bad.mp4")
    store.forget_attempt("uuid-9", b"bad.mp4")
    assert list(store.failures()) == []
    assert store.attempt_for("uuid-9", b"bad.mp4") is None


def test_a_known_file_that_fails_now_is_offline_until_it_is_whole_again(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"a"))
    store.record_attempt(sighting(b"a", size_bytes=1), reason="truncated", code="media")
    assert not store.video(video_id).online
    store.touch_paths([sighting(b"a")])
    assert store.video(video_id).online
    assert store.attempt_for("uuid-1", b"a") is None


def test_videos_and_failures_are_listed_by_pattern(store: Store) -> None:
    one = store.add_video(indexed("one"), sighting(b"a/one.mp4"))
    two = store.add_video(indexed("two", state="partial", reason="cut"), sighting(b"b/two.mov"))
    store.record_attempt(sighting(b"b/bad.mp4"), reason="r", code="media")
    assert listed(store) == [one, two]
    assert listed(store, "/mnt/archive/a") == [one]
    assert listed(store, "*.mov") == [two]
    assert listed(store, "*.mp4", state="partial") == []
    assert listed(store, state="partial") == [two]
    assert listed(store, state="failed") == []
    assert [one.sighting.path for one in store.failures("/mnt/archive/b")] == [b"b/bad.mp4"]
    assert list(store.failures("/mnt/archive/a")) == []
    assert list(store.failures(volume="OTHER")) == []
    with pytest.raises(InputError, match="state must be"):
        listed(store, state="good")


def test_a_filtered_listing_shows_the_path_that_fits_first(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting(b"a/1"))
    store.add_path(video_id, sighting(b"b/1"))
    (record,) = store.videos("/mnt/archive/b")
    assert [path.sighting.path for path in record.paths] == [b"b/1", b"a/1"]


def test_long_listings_come_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import vsearch.db.store

    ids = [store.add_video(indexed(str(n), n=2), sighting(str(n).encode())) for n in range(7)]
    monkeypatch.setattr(vsearch.db.store, "BATCH", 3)
    assert listed(store) == ids
    assert len(list(store.all_clips())) == 14
    assert set(store.paths(ids)) == set(store.timelines(ids)) == set(ids)


def test_a_video_is_named_by_path_number_or_unique_name(store: Store, tmp_path: Path) -> None:
    mount = os.fsencode(tmp_path.resolve())
    one = store.add_video(indexed("one"), sighting(b"a/one.mp4", mount=mount))
    two = store.add_video(indexed("two"), sighting(b"b/two.mp4", mount=mount))
    odd = store.add_video(indexed("odd"), sighting(f"v{one}".encode(), mount=mount))
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert store.resolve(str(tmp_path / "a" / "one.mp4")) == one
    assert store.resolve(str(tmp_path / "a" / ".." / "a" / "one.mp4")) == one
    assert store.resolve(str(tmp_path / "link" / "one.mp4")) == one
    assert store.resolve(f"v{two}") == two
    assert store.resolve("one.mp4") == one
    assert store.resolve("b/two.mp4") == two
    assert store.resolve(f"id:{two}") == store.resolve(f"id:v{two}") == two
    assert store.resolve(f"path:{tmp_path}/v{one}") == odd
    assert store.resolve(f"v{one}") == one
    for wrong in ("three.mp4", "v999", "id:999", "id:x", "path:one.mp4", "", "wo.mp4", "a\0b", "\ud800"):
        with pytest.raises(InputError, match="no video"):
            store.resolve(wrong)


def test_a_stored_path_wins_over_a_number(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mount = os.fsencode(tmp_path.resolve())
    one = store.add_video(indexed("one"), sighting(b"a", mount=mount))
    two = store.add_video(indexed("two"), sighting(f"v{one}".encode(), mount=mount))
    assert store.resolve(f"v{one}") == two
    assert store.resolve(f"id:{one}") == one


def test_an_ambiguous_name_lists_its_candidates(store: Store) -> None:
    ids = [store.add_video(indexed(str(n)), sighting(f"{n}/clip.mp4".encode())) for n in range(12)]
    with pytest.raises(AmbiguousError) as caught:
        store.resolve("clip.mp4")
    lines = str(caught.value).splitlines()
    assert lines[0] == "'clip.mp4' fits 12 videos:"
    assert lines[1] == f"  v{ids[0]}  /mnt/archive/0/clip.mp4 (ARCHIVE)"
    assert lines[-1] == "  and 2 more"
    assert caught.value.exit_status == 2
    assert store.resolve("3/clip.mp4") == ids[3]


def test_a_path_of_several_volumes_that_are_all_offline_is_ambiguous(store: Store) -> None:
    store.add_video(indexed("one"), sighting(volume="uuid-1", label="A"))
    store.add_video(indexed("two"), sighting(volume="uuid-2", label="B"))
    with pytest.raises(AmbiguousError, match=r"\(A\)[^$]*\(B\)"):
        store.resolve("/mnt/archive/a/one.mp4")
    store.mark_offline("uuid-1")
    store.mark_offline("uuid-2")
    with pytest.raises(AmbiguousError):
        store.resolve("/mnt/archive/a/one.mp4")
