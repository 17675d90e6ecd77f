"""What long operations are doing, on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from threading import Lock
from time import monotonic
from typing import Protocol, Self

from vsearch.progress import Progress
from vsearch.text import counted, printable, span

PLAIN_INTERVAL_S = 10.0  # often enough to see that it lives, seldom enough for a log file


class ClosingProgress(Progress, Protocol):
    """A Progress that can be told that all is over, whatever happened."""

    def close(self) -> None: ...


def progress_on_stderr() -> ClosingProgress:
    """A live display where stderr is a terminal, else plain lines."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


class Tally:
    """What a phase has done so far, and how fast."""

    def __init__(self, what: str, total_files: int | None, total_bytes: int | None) -> None:
        self.what, self.total_files, self.total_bytes = what, total_files, total_bytes
        self.files, self.bytes, self.seconds_of_video = 0, 0, 0.0
        self.began = monotonic()

    def add(self, files: int, bytes_: int, seconds_of_video: float) -> Self:
        self.files += files
        self.bytes += bytes_
        self.seconds_of_video += seconds_of_video
        return self

    @property
    def done(self) -> float | None:
        """The share that is done: by bytes where they are known, else by files."""
        if self.total_bytes:
            return min(1.0, self.bytes / self.total_bytes)
        return min(1.0, self.files / self.total_files) if self.total_files else None

    def describe(self) -> str:
        """Files done, speed, time left: `12 of 122 files, 3.4 hours of video a minute, 4 min left`."""
        elapsed = monotonic() - self.began
        total = f" of {self.total_files:,}" if self.total_files is not None else ""
        parts = [f"{self.files:,}{total} files"]
        if self.seconds_of_video and elapsed > 1:
            parts.append(f"{self.seconds_of_video / 3600 / (elapsed / 60):.2g} hours of video a minute")
        if self.done and self.done < 1 and elapsed > 2:
            parts.append(f"{span(elapsed * (1 - self.done) / self.done)} left")
        return ", ".join(parts)


class PlainProgress:
    """Lines for log files: one when a phase begins, one every ten seconds, one when it ends."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tally: Tally | None = None
        self._file = ""
        self._last = 0.0

    def start(self, what: str, *, total_files: int | None = None, total_bytes: int | None = None) -> None:
        with self._lock:
            self._tally, self._last, self._file = Tally(what, total_files, total_bytes), monotonic(), ""
            self._print(f"{what}: {counted(total_files, 'file')}" if total_files is not None else what)

    def file(self, display_path: str) -> None:
        with self._lock:
            self._file = display_path

    def advance(self, *, files: int = 0, bytes_: int = 0, seconds_of_video: float = 0.0) -> None:
        with self._lock:
            if self._tally is None:
                return
            self._tally.add(files, bytes_, seconds_of_video)
            if monotonic() - self._last >= PLAIN_INTERVAL_S:
                self._last = monotonic()
                self._print(f"{self._tally.what}: {self._tally.describe()}{', now ' if self._file else ''}{self._file}")

    def message(self, text: str) -> None:
        self._print(text)

    def finish(self) -> None:
        with self._lock:
            if self._tally is not None and self._tally.files:
                elapsed = monotonic() - self._tally.began
                self._print(f"{self._tally.what}: {counted(self._tally.files, 'file')} in {span(elapsed)}")
            self._tally = None

    def close(self) -> None:
        with self._lock:
            self._tally = None

    def _print(self, text: str) -> None:
        print(f"vsearch: {printable(text)}", file=sys.stderr, flush=True)


class LiveProgress:
    """One live line on a terminal, with messages above it."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console
        from rich.text import Text

        self._text = Text
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.fields[figures]}", markup=False),
            progress.TextColumn("{task.fields[file]}", style="dim", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._lock = Lock()
        self._tally: Tally | None = None
        self._task: progress.TaskID | None = None

    def start(self, what: str, *, total_files: int | None = None, total_bytes: int | None = None) -> None:
        with self._lock:
            self._drop()
            self._tally = Tally(what, total_files, total_bytes)
            total = 1.0 if total_files or total_bytes else None
            self._task = self._bar.add_task(what, total=total, figures="", file="")
            self._bar.start()

    def file(self, display_path: str) -> None:
        with self._lock:
            self._show(file=_tail(printable(display_path), 40))

    def advance(self, *, files: int = 0, bytes_: int = 0, seconds_of_video: float = 0.0) -> None:
        with self._lock:
            if self._tally is not None:
                tally = self._tally.add(files, bytes_, seconds_of_video)
                self._show(figures=tally.describe(), completed=tally.done or 0.0)

    def message(self, text: str) -> None:
        self._bar.console.print(self._text(printable(text)), soft_wrap=True)

    def finish(self) -> None:
        with self._lock:
            self._drop()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _show(self, **changes: object) -> None:
        if self._task is not None:
            self._bar.update(self._task, **changes)  # type: ignore[arg-type]

    def _drop(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.stop()
        self._task = self._tally = None


def _tail(text: str, n: int) -> str:
    return text if len(text) <= n else "…" + text[-(n - 1) :]
