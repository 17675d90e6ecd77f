from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsearch.errors import InputError
from vsearch.indexer.scan import Scan, scan
from vsearch.indexer.volumes import volume_of


def scanned(*paths: Path, library: Path | None = None, volume: str | None = None) -> Scan:
    return scan([bytes(path) for path in paths], library=bytes(library) if library else None, volume=volume)


def names(found: Scan) -> list[str]:
    return [Path(os.fsdecode(candidate.absolute)).name for candidate in found.candidates]


def reasons(found: Scan) -> dict[str, str]:
    return {Path(os.fsdecode(refusal.absolute)).name: refusal.reason for refusal in found.ignored}


def test_files_come_in_the_order_of_their_names_folder_by_folder(tmp_path: Path) -> None:
    for name in ("b/2.mp4", "b/1.mp4", "a/x.mkv", "c.mp4", "b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(scanned(tmp_path)) == ["b.mp4", "c.mp4", "x.mkv", "1.mp4", "2.mp4"]


def test_a_path_named_twice_is_met_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.mp4").touch()
    assert names(scanned(tmp_path, tmp_path / "a", tmp_path / "a/1.mp4", tmp_path)) == ["1.mp4"]


def test_system_files_and_the_library_itself_are_left_out(tmp_path: Path) -> None:
    for name in ("@eaDir/1.mp4", "$RECYCLE.BIN/1.mp4", ".Trashes/1.mp4", "lib/cache/1.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "._film.mp4").touch()
    (tmp_path / ".hidden.mp4").touch()
    found = scanned(tmp_path, library=tmp_path / "lib")
    assert names(found) == [".hidden.mp4"]
    assert reasons(found)["lib"] == "the library itself"
    assert set(reasons(found)) == {"@eaDir", "$RECYCLE.BIN", ".Trashes", "._film.mp4", "lib"}


def test_the_library_cannot_be_indexed_into_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="belongs to the library"):
        scanned(tmp_path, library=tmp_path)


def test_links_never_lead_out_of_the_folders_named_nor_into_loops(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "film.mp4").touch()
    (outside / "secret.mp4").touch()
    (inside / "good.mp4").symlink_to("film.mp4")
    (inside / "out.mp4").symlink_to(outside / "secret.mp4")
    (inside / "folder").symlink_to(outside)
    (inside / "self").symlink_to(".")
    (inside / "loop_a.mp4").symlink_to("loop_b.mp4")
    (inside / "loop_b.mp4").symlink_to("loop_a.mp4")
    (inside / "dangling.mp4").symlink_to("nothing")
    found = scanned(inside)
    assert names(found) == ["film.mp4", "good.mp4"]
    assert reasons(found)["out.mp4"] == "a link to a file outside the folders named"
    assert reasons(found)["folder"] == reasons(found)["self"] == "a link to a folder: not entered"
    assert reasons(found)["loop_a.mp4"].startswith("a link that leads nowhere")
    assert reasons(found)["dangling.mp4"].startswith("a link that leads nowhere")


def test_what_is_not_a_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder.mp4").mkdir()
    found = scanned(tmp_path)
    assert names(found) == []
    assert reasons(found) == {"fifo.mp4": "not a regular file", "fifo": "not a regular file"}


def test_a_named_file_is_a_candidate_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert names(scanned(tmp_path)) == []
    assert names(scanned(tmp_path / "notes.txt")) == ["notes.txt"]


def test_missing_and_empty_roots_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = scanned(tmp_path / "missing", tmp_path / "empty")
    assert found.missing == [bytes(tmp_path / "missing")]
    assert found.empty == [bytes(tmp_path / "empty")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    found = scanned(tmp_path)
    assert [(u.absolute, u.code) for u in found.unreadable] == [(bytes(tmp_path / "closed"), "input")]


def test_names_are_bytes_with_a_display_form_beside_them(tmp_path: Path) -> None:
    raw = bytes(tmp_path) + b"/not\xff\xfeutf8\n.mp4"
    Path(os.fsdecode(raw)).touch()
    (candidate,) = scanned(tmp_path).candidates
    assert candidate.absolute == raw
    assert candidate.sighting.display == f"{tmp_path}/not\\xff\\xfeutf8\\n.mp4"


def test_a_path_is_known_by_its_volume_and_the_path_inside_it(tmp_path: Path) -> None:
    (tmp_path / "1.mp4").write_bytes(b"12345")
    (candidate,) = scanned(tmp_path).candidates
    sighting = candidate.sighting
    assert sighting.mount.rstrip(b"/") + b"/" + sighting.path == bytes(tmp_path / "1.mp4")
    assert sighting.volume == volume_of(bytes(tmp_path)).identity
    assert sighting.stamp.size_bytes == 5
    assert sighting.stamp.mtime_ns == (tmp_path / "1.mp4").stat().st_mtime_ns


def test_a_named_volume_replaces_the_identity(tmp_path: Path) -> None:
    (tmp_path / "1.mp4").touch()
    (a,) = scanned(tmp_path, volume="Shelf 7").candidates
    (b,) = scanned(tmp_path).candidates
    assert a.sighting.volume == "name:Shelf 7"
    assert a.sighting.volume_label == "Shelf 7"
    assert a.sighting.path == b.sighting.path
    assert a.key != b.key


def test_one_name_cannot_stand_for_several_disks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several disks"):
        scanned(tmp_path, Path("/proc/self"), volume="A")
