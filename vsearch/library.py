"""`Library`: the whole public Python API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vsearch.config import IndexConfig
from vsearch.progress import Progress
from vsearch.records import Hit


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one query: its hits, best first, or why it could not be read."""

    query: str
    hits: tuple[Hit, ...]
    error: str | None = None
    error_code: str | None = None


class Library:
    """SIGNATURES ONLY: being written. Everything returned is a record or a JSON-ready dict in product.md's forms."""

    @classmethod
    def open(cls, path: Path | str | None = None, *, create: bool = False, database: str | None = None) -> Library: ...

    def index(self, paths: Sequence[Path | str], config: IndexConfig | None = None, *, progress: Progress | None = None,
              log: Path | None = None) -> Any: ...  # IndexReport (frozen dataclass with .as_json())

    def plan(self, paths: Sequence[Path | str], config: IndexConfig | None = None) -> Any: ...  # DryRun, --dry-run

    def search(self, queries: Sequence[Path | str], *, k: int = 10, start_s: float | None = None, end_s: float | None = None,
               min_similarity: float | None = None, device: str = "auto") -> Iterator[SearchResult]: ...

    def preview(self, targets: Sequence[str], out: Path, *, start_s: float | None = None, end_s: float | None = None,
                every_s: float | None = None, speed: float = 4.0) -> Any: ...

    def cluster(self, n: int | None = None, *, report: Path | None = None) -> Any: ...

    def list(self, pattern: str | None = None, *, volume: str | None = None, state: str | None = None) -> Any: ...

    def info(self, video: str | None = None) -> dict[str, Any]: ...

    def remove(self, videos: Sequence[str]) -> int: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
