"""Which disk a file is on, so that two disks that are mounted at the same place one after the other stay two.

On Linux a volume is known by the UUID of its file system, or by the server and export of a network mount. Where neither
is to be had (other systems, memory file systems, containers) the place where it is mounted stands for it; `--volume
NAME` then tells disks apart.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from vsearch.records import display_path


@dataclass(frozen=True, slots=True)
class Places:
    """Where a system says what is mounted: a list of mounts, its devices, and links to them by UUID and by label."""

    mountinfo: Path = Path("/proc/self/mountinfo")
    devices: bytes = b"/dev/"
    by_uuid: Path = Path("/dev/disk/by-uuid")
    by_label: Path = Path("/dev/disk/by-label")


LINUX = Places()


@dataclass(frozen=True, slots=True)
class Volume:
    """identity: stable name of the file system; label: for people; mount: where it is mounted now, absolute."""

    identity: str
    label: str
    mount: bytes

    def inside(self, absolute: bytes) -> bytes:
        """The path inside the volume of an absolute path on it; empty for its root."""
        return absolute[len(self.mount.rstrip(b"/")) :].lstrip(b"/")


def named_volume(name: str, mount: bytes) -> Volume:
    """The volume that a person named with `--volume`, wherever it is mounted."""
    return Volume(f"name:{name}", name, mount)


def volume_of(path: bytes, places: Places = LINUX) -> Volume:
    """The volume that holds `path` (absolute, symbolic links resolved), which need not exist."""
    holding = [entry for entry in _mounts(places.mountinfo) if is_under(path, entry[0])] or [(_climb(path), b"", b"/")]
    mount, source, root = max(holding, key=lambda entry: len(entry[0]))
    return Volume(*_identify(places, mount, source, root), mount)


def is_under(path: bytes, folder: bytes) -> bool:
    """Whether `path` is `folder` or lies in it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _mounts(mountinfo: Path) -> list[tuple[bytes, bytes, bytes]]:
    """(mount point, source, root inside the source) of everything mounted, what is mounted last coming last."""
    try:
        lines = mountinfo.read_bytes().splitlines()
    except OSError:
        return []
    mounts: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    for line in lines:
        fields = line.split(b" ")
        mount, root, source = (_unescape(fields[i]) for i in (4, 3, fields.index(b"-") + 2))
        mounts[mount] = (mount, source, root)
    return list(mounts.values())


def _identify(places: Places, mount: bytes, source: bytes, root: bytes) -> tuple[str, str]:
    """(identity, label). A bind mount or subvolume is told from the whole by its root."""
    below = "" if root == b"/" else display_path(root)
    name = display_path(os.path.basename(mount.rstrip(b"/")) or b"/")
    if source.startswith(places.devices):
        device = os.path.realpath(os.fsdecode(source))
        uuid = _link_to(places.by_uuid, device)
        if uuid:
            return f"uuid:{uuid}{below}", _link_to(places.by_label, device) or name
    if b":" in source or source.startswith(b"//"):
        return f"net:{display_path(source)}{below}", display_path(source)
    return f"mount:{display_path(mount)}", name


def _link_to(folder: Path, device: str) -> str | None:
    """The name of the link in `folder` that leads to `device`."""
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return None
    return next((link.name for link in links if os.path.realpath(link) == device), None)


def _climb(path: bytes) -> bytes:
    """The nearest mount point above a path, where the system keeps no list of them."""
    while not os.path.ismount(path):
        parent = os.path.dirname(path)
        if parent == path:
            break
        path = parent
    return path


def _unescape(field: bytes) -> bytes:
    """mountinfo writes space, tab, newline and backslash as octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)
