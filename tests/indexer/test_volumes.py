from __future__ import annotations

from pathlib import Path

import pytest

from vsearch.indexer.volumes import Places, is_under, volume_of


@pytest.fixture
def machine(tmp_path: Path) -> Places:
    """A description of mounted disks, as the system would give it."""
    (tmp_path / "by-uuid").mkdir()
    (tmp_path / "by-label").mkdir()
    (tmp_path / "sdb1").touch()
    (tmp_path / "by-uuid/1234-ABCD").symlink_to(tmp_path / "sdb1")
    (tmp_path / "by-label/Holiday").symlink_to(tmp_path / "sdb1")
    (tmp_path / "mountinfo").write_text(
        "1 0 8:1 / / rw - ext4 /dev/root rw\n"
        f"2 1 8:2 / /media/my\\040disk rw shared:1 - vfat {tmp_path}/sdb1 rw\n"
        "3 1 0:4 / /net/films rw - nfs4 server:/films rw\n"
        f"4 1 8:2 /part /bound rw - vfat {tmp_path}/sdb1 rw\n"
    )
    return Places(
        mountinfo=tmp_path / "mountinfo",
        devices=bytes(tmp_path) + b"/",
        by_uuid=tmp_path / "by-uuid",
        by_label=tmp_path / "by-label",
    )


def test_a_disk_is_known_by_its_uuid_and_called_by_its_label(machine: Places) -> None:
    volume = volume_of(b"/media/my disk/2024/film.mp4", machine)
    assert (volume.identity, volume.label, volume.mount) == ("uuid:1234-ABCD", "Holiday", b"/media/my disk")
    assert volume.inside(b"/media/my disk/2024/film.mp4") == b"2024/film.mp4"


def test_a_network_mount_is_known_by_its_export(machine: Places) -> None:
    assert volume_of(b"/net/films/x.mp4", machine).identity == "net:server:/films"


def test_a_part_of_a_disk_mounted_elsewhere_is_told_from_the_whole(machine: Places) -> None:
    assert volume_of(b"/bound/x.mp4", machine).identity == "uuid:1234-ABCD/part"


def test_without_a_uuid_the_mount_point_stands_for_the_disk(machine: Places) -> None:
    volume = volume_of(b"/home/x.mp4", machine)
    assert (volume.identity, volume.mount) == ("mount:/", b"/")
    assert volume.inside(b"/home/x.mp4") == b"home/x.mp4"


def test_without_a_list_of_mounts_the_nearest_mount_point_is_found(tmp_path: Path) -> None:
    assert volume_of(b"/no/such/place", Places(mountinfo=tmp_path / "absent")).mount == b"/"


def test_a_folder_is_not_under_another_that_merely_begins_alike() -> None:
    assert is_under(b"/a/b", b"/a")
    assert is_under(b"/a", b"/a")
    assert is_under(b"/a", b"/")
    assert not is_under(b"/ab", b"/a")
