"""Commands and what they cost: wall and CPU time, and the peak memory of the whole process tree (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.environment import ROOT
from benchmarks.report import BenchmarkError

VSEARCH = (sys.executable, "-m", "vsearch")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took, its children included. `stdout` is what it printed."""

    wall_s: float
    cpu_s: float
    stdout: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks of sums over a process tree, in bytes. `rss` counts pages that processes share once for each of them."""

    rss: int
    pss: int
    processes: int


def run(command: Sequence[str | Path], *, memory: MemorySampler | None = None) -> Spent:
    """Run a command from the root of the checkout, without input, and wait for it.

    memory: watches the command's process tree meanwhile. Raises BenchmarkError when the command is missing or fails,
    with the end of what it printed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT
            )
        except OSError as error:
            raise BenchmarkError(f"{command[0]}: {error.strerror}") from error
        try:
            with _watched(process.pid, memory):
                _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C: nothing is left behind
            process.kill()
            raise
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BenchmarkError(f"{' '.join(map(str, command))[:200]}: exit {process.returncode}: {_tail(err)}")
        out.seek(0)
        return Spent(wall_s, usage.ru_utime + usage.ru_stime, out.read().decode("utf-8", "replace"))


class MemorySampler:
    """Sums the memory of a process and all its descendants every `every_s` seconds, in a thread.

    Reading PSS stops a process for a moment: don't take times from a run that is watched.
    """

    def __init__(self, every_s: float = 0.2) -> None:
        self._every_s = every_s
        self._ended = threading.Event()
        self.peak = Memory(0, 0, 0)

    def watch(self, pid: int) -> None:
        """Until `end` is called."""
        while not self._ended.is_set():
            now = tree_memory(pid)
            self.peak = Memory(*(max(a, b) for a, b in zip(_values(self.peak), _values(now), strict=True)))
            self._ended.wait(self._every_s)

    def end(self) -> None:
        self._ended.set()


def tree_memory(pid: int) -> Memory:
    """The memory of a process and all its descendants now. Processes that end meanwhile count as nothing."""
    tree = descendants(pid)
    rss = [_kilobytes(Path(f"/proc/{one}/status"), "VmRSS") for one in tree]
    pss = [_kilobytes(Path(f"/proc/{one}/smaps_rollup"), "Pss") for one in tree]
    return Memory(1024 * sum(rss), 1024 * sum(pss), sum(value > 0 for value in rss))


def descendants(pid: int) -> list[int]:
    """A process and everything that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            parent = _parent(folder)
            if parent is not None:
                children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


@contextmanager
def _watched(pid: int, sampler: MemorySampler | None) -> Iterator[None]:
    if sampler is None:
        yield
        return
    thread = threading.Thread(target=sampler.watch, args=(pid,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        sampler.end()
        thread.join()


def _values(memory: Memory) -> tuple[int, int, int]:
    return memory.rss, memory.pss, memory.processes


def _parent(folder: Path) -> int | None:
    """From `stat`: `pid (name) state ppid ...`, where the name may hold anything."""
    try:
        return int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _tail(stream: IO[bytes]) -> str:
    """The last lines of what was written to a temporary file."""
    stream.seek(0)
    return " | ".join(stream.read()[-1000:].decode("utf-8", "replace").strip().splitlines()[-4:])
