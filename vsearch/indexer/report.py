"""What an indexing run, or a look ahead at one, has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vsearch.forms import FORMAT, named


@dataclass(frozen=True, slots=True)
class FailedPath:
    """A file or folder that could not be indexed, with the reason in words and its permanent code."""

    path: bytes
    reason: str
    code: str

    def as_json(self) -> dict[str, Any]:
        return {**named("path", self.path), "reason": self.reason, "code": self.code}


@dataclass(frozen=True, slots=True)
class IndexReport:
    """Sums of one run, as the product definition counts them.

    `problems` are lines that a person must see; `exit_status` is 1 when a named path is missing or everything failed.
    `offline`: videos known below the named paths of which no path can be seen now. `upgraded`: of those read now, those
    that were stored with less before; `not_upgraded`: of those offline, those that are stored with less than was asked
    for.
    """

    indexed: int = 0
    partial: int = 0
    unchanged: int = 0
    copies: int = 0
    ignored: int = 0
    failed: tuple[FailedPath, ...] = ()
    offline: int = 0
    upgraded: int = 0
    not_upgraded: int = 0
    clips: int = 0
    seconds_of_video: float = 0.0
    elapsed_seconds: float = 0.0
    bytes_latents: int = 0
    bytes_embeddings: int = 0
    problems: tuple[str, ...] = ()
    exit_status: int = 0

    def as_json(self) -> dict[str, Any]:
        """The object that `vsearch index --json` prints."""
        return {
            "format": FORMAT,
            "indexed": self.indexed,
            "partial": self.partial,
            "unchanged": self.unchanged,
            "copies": self.copies,
            "ignored": self.ignored,
            "failed": [failure.as_json() for failure in self.failed],
            "offline": self.offline,
            "upgraded": self.upgraded,
            "not_upgraded": self.not_upgraded,
            "clips": self.clips,
            "seconds_of_video": round(self.seconds_of_video, 3),
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "bytes_latents": self.bytes_latents,
            "bytes_embeddings": self.bytes_embeddings,
            "problems": list(self.problems),
        }

    def plus(self, other: IndexReport) -> IndexReport:
        """Two runs as one."""
        return IndexReport(
            indexed=self.indexed + other.indexed,
            partial=self.partial + other.partial,
            unchanged=self.unchanged + other.unchanged,
            copies=self.copies + other.copies,
            ignored=self.ignored + other.ignored,
            failed=self.failed + other.failed,
            offline=self.offline + other.offline,
            upgraded=self.upgraded + other.upgraded,
            not_upgraded=self.not_upgraded + other.not_upgraded,
            clips=self.clips + other.clips,
            seconds_of_video=self.seconds_of_video + other.seconds_of_video,
            elapsed_seconds=self.elapsed_seconds + other.elapsed_seconds,
            bytes_latents=self.bytes_latents + other.bytes_latents,
            bytes_embeddings=self.bytes_embeddings + other.bytes_embeddings,
            problems=self.problems + other.problems,
            exit_status=max(self.exit_status, other.exit_status),
        )


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do. Nothing was written.

    `files` would be read; `seconds_of_video` is what their headers claim, or an estimate from the size of those that
    were opened; `estimated_seconds` and `estimated_bytes` come from reading the beginnings of `sampled` files here.
    """

    files: int
    unchanged: int
    ignored: int
    failed: tuple[FailedPath, ...]
    bytes_of_video: int
    seconds_of_video: float
    estimated_seconds: float
    estimated_bytes: int
    sampled: int
    problems: tuple[str, ...] = ()
    exit_status: int = 0

    def as_json(self) -> dict[str, Any]:
        """The object that `vsearch index --dry-run --json` prints."""
        return {
            "format": FORMAT,
            "dry_run": True,
            "files": self.files,
            "unchanged": self.unchanged,
            "ignored": self.ignored,
            "failed": [failure.as_json() for failure in self.failed],
            "bytes_of_video": self.bytes_of_video,
            "seconds_of_video": round(self.seconds_of_video, 3),
            "estimated_seconds": round(self.estimated_seconds, 1),
            "estimated_bytes": self.estimated_bytes,
            "sampled": self.sampled,
            "problems": list(self.problems),
        }
