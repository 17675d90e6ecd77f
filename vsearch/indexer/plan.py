"""What an indexing run has to do, from what is there and what the library knows. Pure: no file or database is touched.

Each file met is put where the first of these fits (product definition of the counts):

- *failed before*: it failed, has not changed since, and no retry was asked for;
- *unchanged*: this path is known with this size and time of change, and what is stored of it is good enough;
- *moved*: a known path is gone, and its file (inode, size, time of change) now stands here: counted as unchanged;
- everything else has to be read; reading it may still show that its content is known (a copy).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vsearch.config import EFFORTS, QUALITIES, IndexConfig
from vsearch.db.records import FailedFile, KnownPath
from vsearch.indexer.scan import Candidate
from vsearch.records import FileStamp, IndexSettings

PathKey = tuple[str, bytes]
STILL = "still"  # the code under which a still picture is remembered: ignored, not failed


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the library knows of the places that were scanned.

    `paths` and `failures` are keyed by (volume identity, path inside it). `outdated`: videos to be read again although
    their files did not change, and how.
    """

    paths: Mapping[PathKey, KnownPath] = field(default_factory=dict)
    failures: Mapping[PathKey, FailedFile] = field(default_factory=dict)
    outdated: Mapping[int, IndexConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each candidate, in the order in which they were met.

    `moved` pairs a file with the path that it had. `absent`: known paths that were not met and did not move.
    """

    failed_before: tuple[tuple[Candidate, FailedFile], ...]
    unchanged: tuple[Candidate, ...]
    moved: tuple[tuple[Candidate, PathKey, KnownPath], ...]
    to_read: tuple[Candidate, ...]
    absent: tuple[tuple[PathKey, KnownPath], ...]


def make_plan(candidates: Sequence[Candidate], known: Knowledge, *, retry: bool = False) -> Plan:
    """Sort what was met. `retry`: files that failed before are tried again."""
    failed_before: list[tuple[Candidate, FailedFile]] = []
    unchanged: list[Candidate] = []
    new: list[Candidate] = []
    to_read: list[Candidate] = []
    for candidate in candidates:
        failure, path = known.failures.get(candidate.key), known.paths.get(candidate.key)
        if failure is not None and not retry and same_file(failure.sighting.stamp, candidate.sighting.stamp):
            failed_before.append((candidate, failure))
        elif path is None:
            new.append(candidate)
        elif same_file(path.stamp, candidate.sighting.stamp) and path.video_id not in known.outdated:
            unchanged.append(candidate)
        else:
            to_read.append(candidate)
    met = {candidate.key for candidate in candidates}
    absent = {key: path for key, path in known.paths.items() if key not in met}
    moved = _moved(new, absent, known.outdated)
    taken = {candidate.key for candidate, _, _ in moved}
    wanted = {candidate.key for candidate in to_read} | {c.key for c in new if c.key not in taken}
    left = {key for _, key, _ in moved}
    return Plan(
        failed_before=tuple(failed_before),
        unchanged=tuple(unchanged),
        moved=tuple(moved),
        to_read=tuple(candidate for candidate in candidates if candidate.key in wanted),
        absent=tuple((key, path) for key, path in absent.items() if key not in left),
    )


def same_file(before: FileStamp, now: FileStamp) -> bool:
    """Whether a file at the same path is taken to be unchanged: by size and time of change."""
    return before.size_bytes == now.size_bytes and before.mtime_ns == now.mtime_ns


def outdated_by(config: IndexConfig, settings: IndexSettings, *, pictures: bool = True) -> bool:
    """Whether a video read with `settings` is to be read again because more is asked for: more frames, or exact ones;
    with `config.upgrade` also finer pictures, larger ones, ones made with more effort, or any (`pictures`: there are).

    Asking for less never throws away what is stored.
    """
    better = at_least(config, settings, pictures=pictures)
    if (better.read.sampling, better.read.fps) != (settings.sampling, settings.fps):
        return True
    stored = (pictures, settings.quality, settings.effort, settings.preview_pixels)
    wanted = (better.pictures, better.quality, better.effort, better.read.preview_pixels)
    return config.upgrade and wanted != stored


def at_least(config: IndexConfig, settings: IndexSettings, *, pictures: bool = True) -> IndexConfig:
    """How to read a video again that was read with `settings`: as is asked now, and in nothing less than it is.

    Qualities and efforts are compared by name: levels mean something to one codec only. A video that was stored without
    pictures (`pictures`: with them) only gets some by an upgrade: whoever left them out may not be allowed to hold
    them.
    """
    exact_before = settings.sampling == "exact"
    few_frames = config.read.sampling == "keyframes" and exact_before  # of which many a second are no more than exact
    read = replace(
        config.read,
        sampling="exact" if exact_before else config.read.sampling,
        fps=settings.fps if few_frames else max(config.read.fps, settings.fps),
        preview_pixels=max(config.read.preview_pixels, settings.preview_pixels),
    )
    return replace(
        config,
        read=read,
        quality=max(config.quality, settings.quality, key=QUALITIES.index),
        effort=max(config.effort, settings.effort, key=EFFORTS.index),
        pictures=pictures or (config.pictures and config.upgrade),
    )


def _moved(
    new: Sequence[Candidate], absent: Mapping[PathKey, KnownPath], outdated: Container[int]
) -> list[tuple[Candidate, PathKey, KnownPath]]:
    """New paths that are the files of absent ones, renamed on the same volume."""
    by_file = {
        (volume, path.stamp): (volume, inside)
        for (volume, inside), path in absent.items()
        if path.stamp.inode and path.video_id not in outdated
    }
    moved = []
    for candidate in new:
        key = by_file.pop((candidate.sighting.volume, candidate.sighting.stamp), None)
        if key is not None:
            moved.append((candidate, key, absent[key]))
    return moved
