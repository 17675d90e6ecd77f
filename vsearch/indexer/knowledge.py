"""What the library knows of the places that were scanned, gathered from the store for `plan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vsearch.config import IndexConfig
from vsearch.db.records import FailedFile, KnownPath
from vsearch.db.store import Store
from vsearch.indexer.plan import Knowledge, PathKey, at_least, outdated_by
from vsearch.indexer.scan import Candidate
from vsearch.indexer.volumes import is_under


def gather(store: Store, roots: Sequence[bytes], candidates: Sequence[Candidate], config: IndexConfig) -> Knowledge:
    """All that is known at or below `roots`, on the volumes that are there now and on those that were there before."""
    places = set(_known_places(store, roots)) | set(_scanned_places(roots, candidates))
    paths: dict[PathKey, KnownPath] = {}
    failures: dict[PathKey, FailedFile] = {}
    for volume, under in sorted(places):
        paths |= {(volume, path): known for path, known in store.known_paths(volume, under).items()}
        failures |= {(volume, path): failed for path, failed in store.attempts(volume, under).items()}
    return Knowledge(paths=paths, failures=failures, outdated=outdated_videos(store, config))


def outdated_videos(store: Store, config: IndexConfig) -> dict[int, IndexConfig]:
    """Videos of which more is asked for now than was stored, and with a retry those that broke off: how to read each
    of them again.
    """
    return {
        video.id: at_least(config, video.settings, pictures=video.has_pictures)
        for video in store.videos()
        if outdated_by(config, video.settings, pictures=video.has_pictures)
        or (config.retry and video.state == "partial")
    }


def known_below(store: Store, root: bytes) -> dict[PathKey, KnownPath]:
    """Every path that the library saw at or below `root`, whatever was mounted there."""
    return {
        (volume, path): known
        for volume, under in sorted(set(_known_places(store, [root])))
        for path, known in store.known_paths(volume, under).items()
    }


def _known_places(store: Store, roots: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """(volume, folder inside it) of all that was seen at or below `roots`, going by where volumes were mounted."""
    for volume in store.volumes():
        for mount in volume.mounts:
            yield from ((volume.identity, under) for root in roots if (under := _below(root, mount)) is not None)


def _scanned_places(roots: Sequence[bytes], candidates: Iterable[Candidate]) -> Iterator[tuple[str, bytes]]:
    """The same for the volumes as they are mounted now."""
    for volume, mount in {(c.sighting.volume, c.sighting.mount) for c in candidates}:
        yield from ((volume, under) for root in roots if (under := _below(root, mount)) is not None)


def _below(root: bytes, mount: bytes) -> bytes | None:
    """The part of a volume mounted at `mount` that lies at or below `root`; None for no part."""
    if is_under(root, mount):
        return root[len(mount.rstrip(b"/")) :].lstrip(b"/")
    return b"" if is_under(mount, root) else None
