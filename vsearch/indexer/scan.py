"""What is there: the files below the folders that a person named, and nothing outside of them.

Symbolic links to folders are not entered (what they lead to is found under its own name if it lies in the folders
named), so that no loop can arise; a link to a file counts as a path of that file as long as the file lies in the
folders named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from vsearch.errors import InputError
from vsearch.indexer.candidates import SNIFFED_BYTES, decided_by_name, why_not
from vsearch.indexer.volumes import Volume, is_under, named_volume, volume_of
from vsearch.osys import open_read_only
from vsearch.records import FileStamp, PathSighting, display_path

IGNORED_FOLDERS = frozenset(
    {b".AppleDouble", b".Trashes", b".Spotlight-V100", b"@eaDir", b"$RECYCLE.BIN", b"System Volume Information"}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to be looked into. `absolute` is where it can be opened now; `sighting` how the library knows it."""

    absolute: bytes
    sighting: PathSighting

    @property
    def key(self) -> tuple[str, bytes]:
        """(volume identity, path inside the volume)."""
        return self.sighting.volume, self.sighting.path


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file or folder that was met and left alone, and why. `code`: as errors have it; "" when it is only ignored."""

    absolute: bytes
    reason: str
    code: str = ""


@dataclass(slots=True)
class Scan:
    """Everything that was met below `roots` (absolute, symbolic links resolved).

    `unreadable` has a code and counts as failed. `missing`: roots that are not there; `empty`: with nothing in them.
    """

    roots: tuple[bytes, ...]
    candidates: list[Candidate] = field(default_factory=list)
    ignored: list[Refusal] = field(default_factory=list)
    unreadable: list[Refusal] = field(default_factory=list)
    missing: list[bytes] = field(default_factory=list)
    empty: list[bytes] = field(default_factory=list)


def scan(paths: Sequence[bytes], *, library: bytes | None = None, volume: str | None = None) -> Scan:
    """Walk files and folders in the order of their names. library: a folder to leave out; volume: `--volume NAME`.

    Raises InputError for a path that can't be reached for another reason than being absent, for the library itself, and
    for one volume name over several mounted disks.
    """
    roots = tuple(dict.fromkeys(os.path.realpath(path) for path in paths))
    named = _named(roots, volume) if volume else None
    walk = _Walk(Scan(roots), library=os.path.realpath(library) if library else None, volume=named)
    for root in roots:
        walk.root(root)
    return walk.found


def _named(roots: Sequence[bytes], name: str) -> Volume:
    """The volume that a person named: mounted at one place, or paths inside it would not be unique."""
    mounts = {volume_of(root).mount for root in roots}
    if len(mounts) > 1:
        places = ", ".join(sorted(map(display_path, mounts)))
        raise InputError(f"--volume {name} can't name several disks at once ({places}): index them one after the other")
    return named_volume(name, mounts.pop() if mounts else b"/")


class _Walk:
    """One scan under way."""

    def __init__(self, found: Scan, *, library: bytes | None, volume: Volume | None) -> None:
        self.found = found
        self._library = library
        self._named = volume
        self._seen: set[bytes] = set()
        self._volumes: dict[int, Volume] = {}

    def root(self, root: bytes) -> None:
        if self._library is not None and is_under(root, self._library):
            raise InputError(f"{display_path(root)} belongs to the library itself: it holds no videos to index")
        try:
            status = os.stat(root)
        except (FileNotFoundError, NotADirectoryError):
            self.found.missing.append(root)
            return
        except OSError as error:
            raise InputError(f"{display_path(root)}: {_words(error)}") from error
        if stat.S_ISDIR(status.st_mode):
            self._folder(root)
        else:
            self._file(root, status, named=True)

    def _folder(self, root: bytes) -> None:
        """Walk a folder, without recursion: trees can be deep."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            entries = self._entries(folder)
            if folder == root and entries == []:
                self.found.empty.append(root)
            below = [entry.path for entry in entries or () if self._is_folder(entry)]
            waiting.extend(reversed(below))

    def _entries(self, folder: bytes) -> list[os.DirEntry[bytes]] | None:
        """What is in a folder, by name; None when it can't be read."""
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.found.unreadable.append(Refusal(folder, f"the folder can't be read: {_words(error)}", InputError.code))
            return None

    def _is_folder(self, entry: os.DirEntry[bytes]) -> bool:
        """Whether this is a folder to walk; anything else is dealt with."""
        if self._library is not None and entry.path == self._library:
            self._ignore(entry.path, "the library itself")
            return False
        if entry.name in IGNORED_FOLDERS or entry.name.startswith(b"._"):
            self._ignore(entry.path, "system files: ignored by name")
            return False
        try:
            if entry.is_symlink():
                self._link(entry.path)
                return False
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self.found.unreadable.append(Refusal(entry.path, _words(error), InputError.code))
            return False
        if stat.S_ISDIR(status.st_mode):
            return True
        self._file(entry.path, status, named=False)
        return False

    def _link(self, path: bytes) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            self._ignore(path, f"a link that leads nowhere: {_words(error)}")
            return
        target = os.path.realpath(path)
        if stat.S_ISDIR(status.st_mode):
            self._ignore(path, "a link to a folder: not entered")
        elif not any(is_under(target, root) for root in self.found.roots):
            self._ignore(path, "a link to a file outside the folders named")
        else:
            self._file(path, status, named=False)

    def _file(self, path: bytes, status: os.stat_result, *, named: bool) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        if not stat.S_ISREG(status.st_mode):
            self._ignore(path, "not a regular file")
            return
        if not named and (reason := self._why_not(path)) is not None:
            self._ignore(path, reason)
            return
        self.found.candidates.append(Candidate(path, self._sighting(path, status)))

    def _why_not(self, path: bytes) -> str | None:
        name = os.path.basename(path)
        if decided_by_name(name):
            return why_not(name, b"")
        try:
            descriptor = open_read_only(path)
        except OSError as error:
            return f"can't be opened to see what it is: {_words(error)}"
        try:
            return why_not(name, os.read(descriptor, SNIFFED_BYTES))
        except OSError as error:
            return f"can't be read to see what it is: {_words(error)}"
        finally:
            os.close(descriptor)

    def _sighting(self, path: bytes, status: os.stat_result) -> PathSighting:
        """How the library knows a path. The volume is that of the folder it lies in, also for a link."""
        folder = os.path.dirname(path)
        volume = self._named or self._volume_at(folder)
        return PathSighting(
            volume=volume.identity,
            volume_label=volume.label,
            mount=volume.mount,
            path=volume.inside(path),
            display=display_path(path),
            stamp=FileStamp(status.st_size, status.st_mtime_ns, status.st_ino),
        )

    def _volume_at(self, folder: bytes) -> Volume:
        """The disk of a folder, looked up once a device."""
        device = os.stat(folder).st_dev
        if device not in self._volumes:
            self._volumes[device] = volume_of(folder)
        return self._volumes[device]

    def _ignore(self, path: bytes, reason: str) -> None:
        self.found.ignored.append(Refusal(path, reason))


def _words(error: OSError) -> str:
    return error.strerror or str(error)
