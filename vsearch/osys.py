"""What differs between operating systems: every POSIX-only call of the project, each with a stated fallback."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from functools import cache
from pathlib import Path


def limit_address_space(extra_bytes: int) -> bool:
    """Let this process map at most `extra_bytes` more than now. False where that can't be had: no limit then.

    macOS accepts the limit and does not enforce it; Windows has none.
    """
    if sys.platform != "linux":
        return False
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + extra_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    return True


def no_core_dumps() -> None:
    """A crash of this process leaves no core file. Nothing to do where there are none."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def ignore_interrupts() -> None:
    """Ctrl-C in the terminal reaches every process of the group; this one leaves the reaction to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def open_read_only(path: bytes | str) -> int:
    """A descriptor for reading that neither blocks on a FIFO nor outlives an exec. Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags | getattr(os, "O_NOCTTY", 0))


def exit_reason(status: int) -> str:
    """A process's exit status in words: `signal SIGSEGV` or `exit status 1`."""
    if status < 0:
        try:
            return f"signal {signal.Signals(-status).name}"
        except ValueError:
            return f"signal {-status}"
    return f"exit status {status}"


def lock_file(descriptor: int) -> bool:
    """Take the exclusive lock of an open, writable file without waiting; False when another process has it.

    It ends with the process, is not inherited by its children, and works on NFS. Closing *any* descriptor of the file
    gives it up. Between processes only: a process never locks itself out.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the content, which must stay readable
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


# fmt: off
NETWORK_FILE_SYSTEMS = frozenset({
    "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2",
    "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf",
    "virtiofs", "vmhgfs", "webdav",
})
# fmt: on


def file_system(path: str | os.PathLike[str]) -> str | None:
    """The type of the file system that holds `path`, like `nfs4`; None where it can't be told (only Linux tells)."""
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return None
    real = os.fsencode(os.path.realpath(path))
    best, found = -1, None
    for line in table.splitlines():
        left, _, right = line.partition(b" - ")
        mount = _unescape(left.split()[4])
        inside = real == mount or real.startswith(mount.rstrip(b"/") + b"/")
        if inside and len(mount) >= best:  # of several mounts at one place the last is the one on top
            best, found = len(mount), right.split()[0].decode("ascii", "replace")
    return found


def on_network(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is known to lie on a network (or host-shared) file system."""
    return file_system(path) in NETWORK_FILE_SYSTEMS


def _unescape(field: bytes) -> bytes:
    """mountinfo writes blanks, tabs, newlines and backslashes as octal escapes."""
    for escaped, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(escaped, plain)
    return field


@cache
def has_gpu_driver() -> bool:
    """Whether there is a driver for a GPU that PyTorch may compute with, NVIDIA's or AMD's: without, it finds none."""
    names = ("nvcuda.dll", "amdhip64.dll") if sys.platform == "win32" else ("libcuda.so.1", "libamdhip64.so")
    return any(_loads(name) for name in names)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
