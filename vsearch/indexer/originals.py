"""The originals of what the library keeps, wherever they lie: what `--upgrade` without a path looks at.

Nothing is scanned for. Only a file that is at a known path, on the volume that the path is of, with the size and time
of change that it had, is taken for the original; everything else counts as offline and stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from vsearch.config import IndexConfig
from vsearch.db.records import PathRecord
from vsearch.db.store import Store
from vsearch.indexer.knowledge import outdated_videos
from vsearch.indexer.plan import Knowledge, PathKey, same_file
from vsearch.indexer.scan import Candidate, Scan
from vsearch.indexer.volumes import Volume, volume_of
from vsearch.records import FileStamp


def find_originals(store: Store, config: IndexConfig) -> tuple[Scan, Knowledge]:
    """One original of each video that is to be read again, as if it had been scanned for, and what is known of it.

    Videos without any are known by all their paths, none of which is met. `config.volume`: only videos on this volume
    (its identity or label).
    """
    outdated = outdated_videos(store, config)
    places = _places(store, outdated, config.volume)
    volume_at = cache(volume_of)
    originals = {video_id: _original(paths, volume_at) for video_id, paths in places.items()}
    looked_at: set[PathKey] = set()
    for video_id, original in originals.items():
        looked_at |= {_key(path) for path in places[video_id]} if original is None else {original.key}
    return (
        Scan(roots=(), candidates=[original for original in originals.values() if original is not None]),
        Knowledge(
            paths={key: known for key in looked_at if (known := store.known_path(*key)) is not None},
            failures={key: failed for key in looked_at if (failed := store.attempt_for(*key)) is not None},
            outdated={video_id: outdated[video_id] for video_id in places},
        ),
    )


def _places(store: Store, video_ids: Mapping[int, object], volume: str | None) -> dict[int, Sequence[PathRecord]]:
    """Where the videos were seen, those left out that were not seen on `volume`."""
    places: dict[int, Sequence[PathRecord]] = {}
    for video_id, paths in store.paths(sorted(video_ids)).items():
        fitting = [path for path in paths if volume in (None, path.sighting.volume, path.sighting.volume_label)]
        if fitting:
            places[video_id] = fitting
    return places


def _key(path: PathRecord) -> PathKey:
    return path.sighting.volume, path.sighting.path


def _original(paths: Sequence[PathRecord], volume_at: Callable[[bytes], Volume]) -> Candidate | None:
    """The first of these places where the file still is."""
    for path in paths:
        seen = path.sighting
        try:
            status = os.stat(path.absolute)
        except OSError:
            continue
        stamp = FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)
        named = seen.volume.startswith("name:")  # a person said which disk it is: the file itself has to tell
        if same_file(seen.stamp, stamp) and (named or volume_at(seen.mount).identity == seen.volume):
            return Candidate(path.absolute, replace(seen, stamp=stamp))
    return None
