"""`Store`: the only door to the database. Records and numpy arrays in, records and numpy arrays out.

SIGNATURES, being filled in: names, arguments, results and errors below are settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import (
    Changes,
    ClipRecord,
    FailedFile,
    KnownPath,
    MetaRecord,
    ModelRecord,
    PathRecord,
    RunRecord,
    StoredBlock,
    Timeline,
    Totals,
    VideoRecord,
    VolumeRecord,
)
from vsearch.records import CodedChunk, IndexedVideo, PathSighting, Shot


class Store:
    """A library's tables, open for reading or for writing. A context manager; methods may be called from any thread.

    A writer holds the library's lock until `close`. Every method that writes is one transaction: it happens completely or
    not at all, whatever kills the process. Every method raises StoreError when the database cannot be read or written
    (damaged, full disk, lost connection). Volumes are named by their identity (`PathSighting.volume`), paths by their bytes
    inside the volume (`/` between components, no `/` at the start).

    location: a library folder (its tables are `library.db`) or a database URL (`postgresql://...`).
    """

    writable: bool
    needs_migration: bool  # a reader of an older schema; never True for a writer
    notices: tuple[
        str, ...
    ]  # lines a person should see: an older schema, a copy that was recovered, a backup that was made

    # ---------------------------------------------------------------------------------------------------- opening

    @classmethod
    def open(cls, location: Path | str, *, writable: bool, create: bool = False) -> Store:
        """Open a library; with `create` (which needs `writable`) make it if there is none.

        A writer brings an older schema up to date first, after a backup. A reader never changes anything and needs no
        write permission. Raises NotALibraryError (nothing there, or something else), LockedError (another process is
        writing: who), SchemaError (written by a newer vsearch, or too old to read without migrating), UnavailableError
        (a database URL whose driver is not installed), StoreError.
        """
        ...

    def close(self) -> None:
        """Fold the WAL back, so that a closed library is one plain file, and give up the lock. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    # ------------------------------------------------------------------------------------- the library as a whole

    def meta(self) -> MetaRecord:
        """Identity, format version, generation, tombstones, active models: as of now, not as of `open`."""
        ...

    def set_active(self, *, codec: str | None = None, head: str | None = None) -> None:
        """Name the codec and head (model ids) that new videos are indexed with; None leaves one as it is."""
        ...

    def put_model(self, model: ModelRecord) -> None:
        """Record a model, or what is newly known about it. `add_video` records those it meets with what it knows."""
        ...

    def models(self) -> list[ModelRecord]: ...

    def totals(self) -> Totals: ...

    def volumes(self) -> list[VolumeRecord]: ...

    def start_run(self, arguments: Mapping[str, Any], versions: Mapping[str, Any]) -> int:
        """A run begins; its number. Both mappings must be JSON-ready."""
        ...

    def finish_run(self, run_id: int, counts: Mapping[str, Any]) -> None: ...

    def runs(self, *, unfinished: bool = False) -> list[RunRecord]:
        """Oldest first; `unfinished`: only those without an end."""
        ...

    # ------------------------------------------------------------------------------------------------------ paths

    def known_path(self, volume: str, path: bytes) -> KnownPath | None: ...

    def known_paths(self, volume: str, under: bytes = b"") -> dict[bytes, KnownPath]:
        """Every known path at or under `under` (b"": the whole volume), in one query."""
        ...

    def add_path(self, video_id: int, sighting: PathSighting, *, moved_from: tuple[str, bytes] | None = None) -> None:
        """The content of `video_id` was seen at this path: a copy, or (with the old volume and path) a moved file.

        If the path was known for another video, that video no longer is there; if it has no other path, it was
        overwritten and is removed. A remembered failure of the path is forgotten. Raises InputError for an unknown video.
        """
        ...

    def touch_path(self, sighting: PathSighting) -> None:
        """`touch_paths` of one."""
        ...

    def touch_paths(self, sightings: Iterable[PathSighting]) -> int:
        """Known paths were seen again, with the content they had: they are online, with this stamp and mount. How many."""
        ...

    def mark_offline(self, volume: str, under: bytes = b"", *, paths: Iterable[bytes] | None = None) -> int:
        """Known paths at or under `under` (or exactly `paths`) can't be seen now. How many went offline by this."""
        ...

    def mark_online(self, volume: str, under: bytes = b"", *, paths: Iterable[bytes] | None = None) -> int:
        """The opposite."""
        ...

    # --------------------------------------------------------------------------------------------------- failures

    def record_attempt(self, sighting: PathSighting, *, reason: str, code: str) -> None:
        """The file could not be indexed. If its path is known for a video, that content is no longer there: offline."""
        ...

    def attempt_for(self, volume: str, path: bytes) -> FailedFile | None:
        """The remembered failure; whether the file is still the same is for the caller to compare (`sighting.stamp`)."""
        ...

    def attempts(self, volume: str, under: bytes = b"") -> dict[bytes, FailedFile]:
        """Every remembered failure at or under `under`, by path."""
        ...

    def forget_attempt(self, volume: str, path: bytes) -> None: ...

    # ------------------------------------------------------------------------------------------- writing videos

    def video_by_full_hash(self, full_hash: bytes) -> int | None:
        """The id of the video with this content, wherever it was seen."""
        ...

    def add_video(self, video: IndexedVideo, sighting: PathSighting) -> int:
        """Commit everything of a new video in one transaction; its id.

        A path that was known for another video is taken from it as `add_path` says. Raises StoreError when the content is
        known already (`video_by_full_hash` tells), LatentError when a chunk's checksum does not fit its bytes.
        """
        ...

    def replace_video(self, video_id: int, video: IndexedVideo, sighting: PathSighting) -> int:
        """The file at this path has new content, or was read again with other settings; the id under which it is now.

        If no other path holds the old content (or the content is the same), the video keeps its id, its revision grows by
        one, and everything else of it is new. If other paths (online or not) still hold the old content, the video stays
        as it is with those paths, and the new content becomes a new video. Raises InputError for an unknown video,
        StoreError when another video has this content already (then `add_path` is meant).
        """
        ...

    def remove_videos(self, video_ids: Iterable[int]) -> int:
        """Take videos out with all that belongs to them, in one transaction; how many there were. Ids are never reused."""
        ...

    # ------------------------------------------------------------------------------------------- reading videos

    def video(self, video_id: int) -> VideoRecord:
        """Raises InputError when there is no such video."""
        ...

    def video_ids(self) -> list[int]:
        """All of them, ascending."""
        ...

    def videos(
        self, pattern: str | None = None, *, volume: str | None = None, state: str | None = None
    ) -> Iterator[VideoRecord]:
        """Videos in the order of their ids, filtered.

        pattern: a folder or file (absolute, or relative to the working directory), or a glob over the absolute display
        path, or over the name alone when it has no slash. volume: identity or label. state: "ok" | "partial" |
        "offline" (no path of it is there) | "failed" (no video is: see `failures`). Where only some paths of a video fit,
        the first of `paths` does. Raises InputError for another state.
        """
        ...

    def failures(self, pattern: str | None = None, *, volume: str | None = None) -> Iterator[FailedFile]:
        """Remembered failures in the order of their display paths, filtered alike."""
        ...

    def paths(self, video_ids: Sequence[int]) -> dict[int, tuple[PathRecord, ...]]:
        """All paths of these videos, the one to show first."""
        ...

    def resolve(self, name: str | bytes) -> int:
        """The id of the video that a person means: an existing or stored path, then `v12`, then a unique name.

        A name is the last component of a path, or its last few (`b/c.mp4`). `id:v12` or `id:12` and `path:...` force one
        reading. A path under which several volumes had something means the one that is online. Raises AmbiguousError
        with the candidates, InputError when nothing fits.
        """
        ...

    def shots(self, video_id: int) -> tuple[Shot, ...]:
        """In order of time; `Clip.shot` counts in this order from 0."""
        ...

    def clips(self, video_id: int) -> tuple[ClipRecord, ...]:
        """In order of time."""
        ...

    def all_clips(self) -> Iterator[ClipRecord]:
        """Of all videos, in the order of video ids, then time."""
        ...

    def clip(self, clip_id: int) -> ClipRecord:
        """Raises InputError when there is no such clip."""
        ...

    def clip_at(self, video_id: int, start_pts: int, end_pts: int) -> ClipRecord | None:
        """The clip with the largest overlap with [start_pts, end_pts); of a point (equal ends) the clip that holds it."""
        ...

    def timeline(self, video_id: int) -> Timeline:
        """When the video's sampled frames are. Raises InputError when there is no such video."""
        ...

    def timelines(self, video_ids: Sequence[int]) -> dict[int, Timeline]:
        """The same for many; unknown ids are left out."""
        ...

    def chunks(self, video_id: int, first_frame: int = 0, stop_frame: int | None = None) -> tuple[CodedChunk, ...]:
        """The chunks that hold frames [first_frame, stop_frame) (None: to the end), in order, checksums verified.

        Empty for a video without pictures. Raises LatentError when bytes and checksum differ.
        """
        ...

    # ------------------------------------------------------------------------------ keeping an index up to date

    def changes(self, since: int) -> Changes | None:
        """What happened after generation `since`; None when that cannot be told, and an index must be built anew."""
        ...

    def embedding_blocks(
        self, head_id: str, *, after: int = 0, video_ids: Sequence[int] | None = None
    ) -> Iterator[StoredBlock]:
        """Blocks of a head written after generation `after` (0: all), by video and frame; `video_ids`: only of these."""
        ...

    def embeddings_of(self, video_id: int, head_id: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One video's unit vectors (n, d) float32 and low-information marks (n,); (0, 0) and (0,) without any."""
        ...

    def forget_removals(self, upto: int) -> None:
        """An index was rebuilt at generation `upto`: tombstones up to there are dropped. Older indexes must be built anew."""
        ...
