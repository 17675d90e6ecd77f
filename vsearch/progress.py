"""How long operations tell what they are doing, without printing anything."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a long operation does. Every method may be called from any thread."""

    def start(self, what: str, *, total_files: int | None = None, total_bytes: int | None = None) -> None:
        """A phase begins (`"scanning"`, `"indexing"`, ...)."""

    def file(self, display_path: str) -> None:
        """Work on one file begins."""

    def advance(self, *, files: int = 0, bytes_: int = 0, seconds_of_video: float = 0.0) -> None:
        """So much is done since the last call."""

    def message(self, text: str) -> None:
        """One line that a person should see."""

    def finish(self) -> None:
        """The phase is over."""


class SilentProgress:
    """Ignores everything: the default."""

    def start(self, what: str, *, total_files: int | None = None, total_bytes: int | None = None) -> None:
        pass

    def file(self, display_path: str) -> None:
        pass

    def advance(self, *, files: int = 0, bytes_: int = 0, seconds_of_video: float = 0.0) -> None:
        pass

    def message(self, text: str) -> None:
        pass

    def finish(self) -> None:
        pass
