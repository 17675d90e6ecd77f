"""One writer at a time: the lock of a library folder."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

from vsearch.errors import LockedError, StoreError
from vsearch.osys import lock_file

LOCK_NAME = "library.lock"

_held: set[tuple[int, int]] = set()  # the operating system does not lock a process out of its own files: this does
_mutex = threading.Lock()


class FolderLock:
    """The exclusive right to write to a library folder, from construction to `release`.

    The lock file stays where it is, empty while nobody writes; what counts is the system's lock on it, which ends with
    the process. Raises LockedError, naming who has it, and StoreError when the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        with _mutex:
            self._refuse_own()
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            except OSError as error:
                raise StoreError(f"{folder} cannot be written to: {error.strerror}") from error
            if not lock_file(self._descriptor):
                holder = _read_holder(self._descriptor)
                os.close(self._descriptor)
                raise LockedError(f"{folder} is being written to by {holder}; wait for it to end, or end it")
            self._key = _identity(os.fstat(self._descriptor))
            _held.add(self._key)
            self._write(_describe_self())

    def release(self) -> None:
        """Give the lock up; the file stays, empty."""
        with _mutex:
            self._write(b"")
            _held.discard(self._key)
            os.close(self._descriptor)

    def _refuse_own(self) -> None:
        """Looks before opening: closing a second descriptor would give up the lock of the first."""
        if self._path.exists() and _identity(self._path.stat()) in _held:
            raise LockedError(f"{self._path.parent} is open for writing in this process already; close it first")

    def _write(self, content: bytes) -> None:
        """Who has the lock is a courtesy: a full disk must not get in the way of the lock itself."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0) if hasattr(os, "pwrite") else os.write(self._descriptor, content)
        except OSError:
            return


def process_name() -> str:
    """This process, for the message that another one shows when it has to wait."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _describe_self() -> bytes:
    command = " ".join(Path(part).name if i == 0 else part for i, part in enumerate(sys.argv[:3]))
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"who": process_name(), "since": since, "command": command}).encode("ascii")


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.read(descriptor, 4096))
        return f"{holder['who']} (`{holder['command']}`, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
