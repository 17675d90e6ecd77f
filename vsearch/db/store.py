"""`Store`: the only door to the database. Records and numpy arrays in, records and numpy arrays out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, and_, bindparam, case, delete, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from vsearch._version import __version__
from vsearch.db import copying, embeddings, naming, rows, writing
from vsearch.db.copying import Extent
from vsearch.db.filters import conditions
from vsearch.db.records import (
    LIST_STATES,
    VIDEO_STATES,
    Changes,
    ClipRecord,
    EmbeddingState,
    FailedFile,
    KnownPath,
    MetaRecord,
    ModelRecord,
    PathRecord,
    RunRecord,
    StoredBlock,
    TierTotals,
    Timeline,
    Totals,
    VideoRecord,
    VolumeRecord,
)
from vsearch.db.session import Database, PostgresDatabase, SqliteDatabase
from vsearch.db.tables import (
    NOT_SAME_SINCE,
    SCHEMA,
    Attempt,
    ChunkRow,
    ClipRow,
    EmbeddingRow,
    FilePath,
    Meta,
    Model,
    NotSame,
    Removal,
    Run,
    Schema,
    ShotRow,
    Video,
    Volume,
    columns_of,
)
from vsearch.errors import AmbiguousError, InputError, NotALibraryError, SchemaError, StoreError
from vsearch.records import CodedChunk, EmbeddingBlock, IndexedVideo, PathSighting, Shot
from vsearch.request import VideoFilter

BATCH = 500  # rows a query: few enough for every database's limit on parameters and for memory
BLOCK_BATCH = 64  # embedding blocks of up to a megabyte
CANDIDATES = 10


class Store:
    """A library's tables, open for reading or for writing. A context manager; methods may be called from any thread.

    A writer holds the library's lock until `close`. Every method that writes is one transaction: it happens completely
    or not at all, whatever kills the process. Every method raises StoreError when the database cannot be read or
    written (damaged, full disk, lost connection). Volumes are named by their identity (`PathSighting.volume`), paths by
    their bytes inside the volume (`/` between components, no `/` at the start).

    location: a library folder (its tables are `library.db`) or a database URL (`postgresql://...`).
    """

    def __init__(self, database: Database, *, found: int, schema: Schema) -> None:
        """For `open`. `found`: the version of the tables that are there."""
        self._database = database
        self.needs_migration = found < schema.version  # a reader of an older schema; never True for a writer
        self._version = found
        self._video_columns = columns_of(Video, found)

    # ------------------------------------------------------------------------------------------------------- opening

    @classmethod
    def open(cls, location: Path | str, *, writable: bool, create: bool = False, schema: Schema = SCHEMA) -> Store:
        """Open a library; with `create` (which needs `writable`) make it if there is none.

        A writer brings an older schema up to date first, after a backup. A reader never changes anything and needs no
        write permission. `schema`: what the program knows; only tests of migrations name another. Raises
        NotALibraryError (nothing there, or something else), LockedError (another process is writing: who), SchemaError
        (written by a newer vsearch, or too old to read without migrating), UnavailableError (a database URL whose
        driver is not installed), StoreError.
        """
        if create and not writable:
            raise InputError("only a writer can make a library")
        database = _connect(location, writable=writable, create=create)
        try:
            found = _settle_schema(database, schema, create=create)
        except BaseException:
            database.close()
            raise
        return cls(database, found=found, schema=schema)

    def close(self) -> None:
        """Fold the WAL back, so that a closed library is one plain file, and give up the lock. May be called twice."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def writable(self) -> bool:
        return self._database.writable

    @property
    def name(self) -> str:
        """The folder, or the URL without its password: for messages."""
        return self._database.name

    @property
    def notices(self) -> tuple[str, ...]:
        """Lines that a person should see: an older schema, a backup that was made, a copy that was recovered."""
        return tuple(self._database.notices)

    # ---------------------------------------------------------------------------------------- the library as a whole

    def copy_to(self, folder: Path, extent: Extent) -> None:
        """Make a library in `folder` with what this one holds at this moment, or a part of it, whatever another process
        writes meanwhile. Ids stay; those of what was removed are not used again either.
        """
        with Store.open(folder, writable=True, create=True) as copy, self._database.read() as source:
            copying.copy_tables(source, copy._database, extent, version=self._version)
            highest = self._database.highest_ids(source)
            with copy._database.write() as target:
                copy._database.raise_highest_ids(target, highest)

    def meta(self) -> MetaRecord:
        """Identity, format version, generation, tombstones, active models: as of now, not as of `open`."""
        with self._database.read() as connection:
            row = connection.execute(select(Meta.__table__)).one()
            tombstones = connection.scalar(select(func.coalesce(func.sum(Removal.n_frames), 0)))
        return MetaRecord(
            uuid=row.uuid,
            format_version=row.format_version,
            generation=row.generation,
            tombstones=int(tombstones or 0),
            active_codec=row.active_codec,
            active_head=row.active_head,
            created_at=row.created_at,
        )

    def set_active(self, *, codec: str | None = None, head: str | None = None) -> None:
        """Name the codec and head (model ids) that new videos are indexed with; None leaves one as it is."""
        values = {"active_codec": codec, "active_head": head}
        told = {name: value for name, value in values.items() if value is not None}
        if told:
            with self._database.write() as connection:
                connection.execute(update(Meta).values(told))

    def put_model(self, model: ModelRecord) -> None:
        """Record a model, or what is newly known about it. `add_video` records those it meets with what it knows."""
        with self._database.write() as connection:
            writing.put_model(connection, model)

    def dimensions(self, head_id: str) -> int | None:
        """Of the vectors of a head; None for one that the library does not have."""
        return next((model.dimensions for model in self.models() if model.model_id == head_id), None)

    def models(self) -> list[ModelRecord]:
        """In the order in which they were first met."""
        with self._database.read() as connection:
            return [rows.model_of(row) for row in connection.execute(select(Model.__table__).order_by(Model.id))]

    def totals(self) -> Totals:
        """Sums over the library."""
        size = self._database.size_bytes()
        here = select(FilePath.id).where(FilePath.video_id == Video.id, FilePath.online.is_(True))
        with self._database.read() as connection:
            sums = connection.execute(
                select(
                    func.count(),
                    *(func.coalesce(func.sum(column), 0) for column in _SUMMED),
                ).select_from(Video)
            ).one()
            partial = connection.scalar(select(func.count()).select_from(Video).where(Video.state == "partial"))
            offline = connection.scalar(select(func.count()).select_from(Video).where(~here.exists()))
            bare = connection.scalar(select(func.count()).select_from(Video).where(Video.bytes_latents == 0))
            failed = connection.scalar(select(func.count()).select_from(Attempt))
            paths = connection.scalar(select(func.count()).select_from(FilePath))
            spans = connection.execute(
                select(Video.time_base, func.sum(Video.end_pts - Video.start_pts)).group_by(Video.time_base)
            ).all()
        videos, frames, shots, clips, latents, embeddings = (int(value) for value in sums)
        return Totals(
            videos=videos,
            partial=int(partial or 0),
            offline=int(offline or 0),
            without_pictures=int(bare or 0),
            failed=int(failed or 0),
            paths=int(paths or 0),
            frames=frames,
            shots=shots,
            clips=clips,
            seconds_of_video=float(sum(time_base * int(ticks) for time_base, ticks in spans)),
            bytes_latents=latents,
            bytes_embeddings=embeddings,
            bytes_database=size,
        )

    def tiers(self) -> list[TierTotals]:
        """Sums by quality and effort, in the order of their names."""
        chosen = ("id", "time_base", "start_pts", "end_pts", "n_frames", "bytes_latents", "quality", "effort")
        videos = select(*(self._video_columns[name] for name in chosen)).subquery()
        tier = (videos.c.quality, videos.c.effort)
        sums = (func.count(), func.sum(videos.c.n_frames), func.sum(videos.c.bytes_latents))
        ticks = func.sum(videos.c.end_pts - videos.c.start_pts)
        means = (func.count(ClipRow.psnr_db), func.avg(ClipRow.psnr_db), func.avg(ClipRow.ssim))
        compared = select(*tier, *means).join(videos, ClipRow.video_id == videos.c.id)
        with self._database.read() as connection:
            summed = connection.execute(select(*tier, *sums).group_by(*tier).order_by(*tier)).all()
            spans = connection.execute(select(*tier, videos.c.time_base, ticks).group_by(*tier, videos.c.time_base))
            seconds: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
            for quality, effort, time_base, n in spans:
                seconds[quality, effort] += time_base * int(n)
            fidelity = {(row[0], row[1]): row[2:] for row in connection.execute(compared.group_by(*tier))}
        return [
            TierTotals(
                quality,
                effort,
                int(n_videos),
                int(frames),
                float(seconds[quality, effort]),
                int(n_bytes),
                *fidelity.get((quality, effort), (0, None, None)),
            )
            for quality, effort, n_videos, frames, n_bytes in summed
        ]

    def volumes(self) -> list[VolumeRecord]:
        """Every volume that was ever met, in that order."""
        online = func.sum(case((FilePath.online.is_(True), 1), else_=0))
        by_mount = select(FilePath.volume_id, FilePath.mount, func.count(), online).group_by(
            FilePath.volume_id, FilePath.mount
        )
        with self._database.read() as connection:
            counted = [(row[0], bytes(row[1]), int(row[2]), int(row[3])) for row in connection.execute(by_mount)]
            known = connection.execute(select(Volume.__table__).order_by(Volume.id)).all()
        found = []
        for row in known:
            own = [entry for entry in counted if entry[0] == row.id]
            mounts = tuple(sorted(entry[1] for entry in own))
            n_paths, n_online = sum(entry[2] for entry in own), sum(entry[3] for entry in own)
            found.append(VolumeRecord(row.identity, row.label, mounts, n_paths, n_online))
        return found

    def start_run(self, arguments: Mapping[str, Any], versions: Mapping[str, Any]) -> int:
        """A run begins; its number. Both mappings must be JSON-ready."""
        values = {"started_at": writing.now(), "arguments": arguments, "versions": versions, "counts": {}}
        with self._database.write() as connection:
            return int(connection.execute(insert(Run).values(values).returning(Run.id)).scalar_one())

    def finish_run(self, run_id: int, counts: Mapping[str, Any]) -> None:
        """The run ended in good order. Raises InputError when there is no such run."""
        with self._database.write() as connection:
            end = update(Run).where(Run.id == run_id).values(finished_at=writing.now(), counts=counts)
            if not connection.execute(end).rowcount:
                raise InputError(f"there is no run {run_id}")

    def runs(self, *, unfinished: bool = False) -> list[RunRecord]:
        """Oldest first; `unfinished`: only those without an end."""
        query = select(Run.__table__).order_by(Run.id)
        if unfinished:
            query = query.where(Run.finished_at.is_(None))
        with self._database.read() as connection:
            return [rows.run_of(row) for row in connection.execute(query)]

    # --------------------------------------------------------------------------------------------------------- paths

    def known_path(self, volume: str, path: bytes) -> KnownPath | None:
        """What the library knows of exactly this path."""
        with self._database.read() as connection:
            number = _volume_number(connection, volume)
            if number is None:
                return None
            row = connection.execute(_KNOWN.where(writing.at_path(FilePath, number, path))).first()
        return None if row is None else _known_of(row)

    def known_paths(self, volume: str, under: bytes = b"") -> dict[bytes, KnownPath]:
        """Every known path at or under `under` (b"": the whole volume), in one query."""
        with self._database.read() as connection:
            number = _volume_number(connection, volume)
            if number is None:
                return {}
            found = connection.execute(_KNOWN.where(writing.under_path(FilePath, number, under)))
            return {known.path: known for known in map(_known_of, found)}

    def add_path(self, video_id: int, sighting: PathSighting, *, moved_from: tuple[str, bytes] | None = None) -> None:
        """The content of `video_id` was seen at this path: a copy, or (with the old volume and path) a moved file.

        If the path was known for another video, that video no longer is there; if it has no other path, it was
        overwritten and is removed. A remembered failure of the path is forgotten. Raises InputError for an unknown
        video.
        """
        with self._database.write() as connection:
            writing.require_video(connection, video_id)
            if moved_from is not None:
                number = _volume_number(connection, moved_from[0])
                if number is not None:
                    old = writing.at_path(FilePath, number, moved_from[1])
                    connection.execute(delete(FilePath).where(old, FilePath.video_id == video_id))
            overwritten = writing.take_path(connection, video_id, sighting)
            if overwritten is not None:
                writing.delete_videos(connection, [overwritten], writing.next_generation(connection))

    def touch_path(self, sighting: PathSighting) -> None:
        """`touch_paths` of one."""
        self.touch_paths([sighting])

    def touch_paths(self, sightings: Iterable[PathSighting]) -> int:
        """Known paths were seen again, with the content they had: they are online, with this stamp and mount.

        Remembered failures of these paths are forgotten. How many paths were known.
        """
        seen = list(sightings)
        with self._database.write() as connection:
            return writing.touch_paths(connection, seen) if seen else 0

    def mark_offline(self, volume: str, under: bytes = b"", *, paths: Iterable[bytes] | None = None) -> int:
        """Known paths at or under `under` (or exactly `paths`) can't be seen now. How many went offline by this."""
        return self._mark(volume, under, paths, online=False)

    def mark_online(self, volume: str, under: bytes = b"", *, paths: Iterable[bytes] | None = None) -> int:
        """The opposite."""
        return self._mark(volume, under, paths, online=True)

    def _mark(self, volume: str, under: bytes, paths: Iterable[bytes] | None, *, online: bool) -> int:
        with self._database.write() as connection:
            number = _volume_number(connection, volume)
            if number is None:
                return 0
            change = update(FilePath).where(FilePath.online.is_(not online)).values(online=online)
            if paths is None:
                return connection.execute(change.where(writing.under_path(FilePath, number, under))).rowcount
            exact = (writing.at_path(FilePath, number, path) for path in paths)
            return sum(connection.execute(change.where(one)).rowcount for one in exact)

    # ------------------------------------------------------------------------------------------------------ failures

    def record_attempt(self, sighting: PathSighting, *, reason: str, code: str) -> None:
        """The file could not be indexed. If its path is known for a video, that content is no longer there: offline."""
        with self._database.write() as connection:
            number = writing.volume_row(connection, sighting)
            writing.forget_attempt(connection, number, sighting.path)
            values = {
                **rows.sighting_values(sighting, number),
                "tried_at": writing.now(),
                "program_version": __version__,
                "code": code,
                "reason": reason,
            }
            connection.execute(insert(Attempt).values(values))
            at = writing.at_path(FilePath, number, sighting.path)
            connection.execute(update(FilePath).where(at).values(online=False))

    def attempt_for(self, volume: str, path: bytes) -> FailedFile | None:
        """The remembered failure; whether the file is still the same is for the caller to compare."""
        with self._database.read() as connection:
            number = _volume_number(connection, volume)
            if number is None:
                return None
            row = connection.execute(_ATTEMPTS.where(writing.at_path(Attempt, number, path))).first()
        return None if row is None else rows.failed_of(row)

    def attempts(self, volume: str, under: bytes = b"") -> dict[bytes, FailedFile]:
        """Every remembered failure at or under `under`, by path."""
        with self._database.read() as connection:
            number = _volume_number(connection, volume)
            if number is None:
                return {}
            found = connection.execute(_ATTEMPTS.where(writing.under_path(Attempt, number, under)))
            return {failed.sighting.path: failed for failed in map(rows.failed_of, found)}

    def forget_attempt(self, volume: str, path: bytes) -> None:
        """The file may be tried again; nothing happens when it never failed."""
        with self._database.write() as connection:
            number = _volume_number(connection, volume)
            if number is not None:
                writing.forget_attempt(connection, number, path)

    # ------------------------------------------------------------------------------------------------ writing videos

    def video_by_full_hash(self, full_hash: bytes) -> int | None:
        """The id of the video with this content, wherever it was seen."""
        with self._database.read() as connection:
            return connection.scalar(select(Video.id).where(Video.full_hash == full_hash))

    def add_video(self, video: IndexedVideo, sighting: PathSighting) -> int:
        """Commit everything of a new video in one transaction; its id.

        A path that was known for another video is taken from it as `add_path` says. Raises StoreError when the content
        is known already (`video_by_full_hash` tells), LatentError when a chunk's checksum does not fit its bytes.
        """
        with self._database.write() as connection:
            _refuse_known(connection, video, but=None)
            return self._add(connection, video, sighting)

    def replace_video(self, video_id: int, video: IndexedVideo, sighting: PathSighting) -> int:
        """The file at this path has new content, or was read again with other settings; the id under which it is now.

        If no other path holds the old content (or the content is the same), the video keeps its id, its revision grows
        by one, and everything else of it is new. If other paths (online or not) still hold the old content, the video
        stays as it is with those paths, and the new content becomes a new video. Raises InputError for an unknown
        video, StoreError when another video has this content already (then `add_path` is meant).
        """
        with self._database.write() as connection:
            same = writing.require_video(connection, video_id) == video.identity.full_hash
            _refuse_known(connection, video, but=video_id)
            if not same and _is_elsewhere(connection, video_id, sighting):
                return self._add(connection, video, sighting)
            generation = writing.next_generation(connection)
            writing.rewrite_video(connection, video_id, video, generation)
            overwritten = writing.take_path(connection, video_id, sighting)
            if overwritten is not None:
                writing.delete_videos(connection, [overwritten], generation)
            return video_id

    @staticmethod
    def _add(connection: Connection, video: IndexedVideo, sighting: PathSighting) -> int:
        generation = writing.next_generation(connection)
        video_id = writing.insert_video(connection, video, generation)
        overwritten = writing.take_path(connection, video_id, sighting)
        if overwritten is not None:
            writing.delete_videos(connection, [overwritten], generation)
        return video_id

    def remove_videos(self, video_ids: Iterable[int]) -> int:
        """Take videos out with all that belongs to them, in one transaction; how many there were.

        Ids are never reused.
        """
        wanted = sorted(set(video_ids))
        with self._database.write() as connection:
            known = [one for one in wanted if connection.scalar(select(Video.id).where(Video.id == one)) is not None]
            if known:
                writing.delete_videos(connection, known, writing.next_generation(connection))
            return len(known)

    # ------------------------------------------------------------------------------------------------ reading videos

    def video(self, video_id: int) -> VideoRecord:
        """Raises InputError when there is no such video."""
        with self._database.read() as connection:
            row = connection.execute(self._select_videos().where(Video.id == video_id)).first()
            if row is None:
                raise InputError(f"there is no video v{video_id}")
            return rows.video_of(row, _paths_of(connection, [video_id]).get(video_id, ()))

    def video_ids(self) -> list[int]:
        """All of them, ascending."""
        with self._database.read() as connection:
            return list(connection.scalars(select(Video.id).order_by(Video.id)))

    def filtered_ids(self, wanted: VideoFilter) -> list[int]:
        """Ids of the videos that fit a filter, ascending.

        Raises InputError or AmbiguousError for a name in `wanted.not_in` that does not fit one video.
        """
        without = {self.resolve(name) for name in wanted.not_in}
        with self._database.read() as connection:
            fitting = list(conditions(wanted, connection.scalars(select(Video.time_base).distinct()).all()))
            if wanted.paths:
                fits = [naming.matcher(pattern) for pattern in wanted.paths]
                places = select(FilePath.video_id, FilePath.mount, FilePath.path, FilePath.display).join(Video)
                met = connection.execute(places.where(*fitting))
                ids = {row.video_id for row in met if any(one(rows.display_of(row)) for one in fits)}
            else:
                ids = set(connection.scalars(select(Video.id).where(*fitting)))
        return sorted(ids - without)

    def videos(
        self, pattern: str | None = None, *, volume: str | None = None, state: str | None = None
    ) -> Iterator[VideoRecord]:
        """Videos in the order of their ids, filtered.

        pattern: a folder or file (absolute, or relative to the working directory), or a glob over the absolute display
        path, or over the name alone when it has no slash. volume: identity or label. state: "ok" | "partial" |
        "offline" (no path of it is there) | "failed" (no video is: see `failures`). Where only some paths of a video
        fit, those are the first of `paths`. Raises InputError for another state.
        """
        if state is not None and state not in LIST_STATES:
            raise InputError(f"state must be one of {', '.join(LIST_STATES)}, not {state!r}")
        query = self._select_videos()
        if state in VIDEO_STATES:
            query = query.where(Video.state == state)
        return self._videos(query, pattern, volume, state)

    def _select_videos(self) -> Select[Any]:
        return select(*(column for name, column in self._video_columns.items() if name != "frame_times"))

    def _videos(
        self, query: Select[Any], pattern: str | None, volume: str | None, state: str | None
    ) -> Iterator[VideoRecord]:
        for batch in self._pages(query, Video.id, BATCH) if state != "failed" else ():
            with self._database.read() as connection:
                paths = _paths_of(connection, [row.id for row in batch])
            for row in batch:
                own = paths.get(row.id, ())
                fitting = [path for path in own if _fits(path.sighting, pattern, volume)]
                if not fitting and (pattern is not None or volume is not None):
                    continue
                record = rows.video_of(row, (*fitting, *(path for path in own if path not in fitting)))
                if state != "offline" or not record.online:
                    yield record

    def _pages(self, query: Select[Any], key: InstrumentedAttribute[int], size: int) -> Iterator[Sequence[rows.AnyRow]]:
        """A long result in short transactions, so that nobody waits for its reader: rows in the order of a key."""
        last = 0
        while True:
            with self._database.read() as connection:
                page = connection.execute(query.where(key > last).order_by(key).limit(size)).all()
            if page:
                yield page
                last = getattr(page[-1], key.key)
            if len(page) < size:
                return

    def failures(self, pattern: str | None = None, *, volume: str | None = None) -> Iterator[FailedFile]:
        """Remembered failures in the order of their display paths, filtered as `videos` are."""
        with self._database.read() as connection:
            failed = [rows.failed_of(row) for row in connection.execute(_ATTEMPTS)]
        failed.sort(key=lambda one: (one.sighting.display, one.sighting.path, one.sighting.volume))
        return (one for one in failed if _fits(one.sighting, pattern, volume))

    def paths(self, video_ids: Sequence[int]) -> dict[int, tuple[PathRecord, ...]]:
        """All paths of these videos, the one to show first."""
        with self._database.read() as connection:
            return _paths_of(connection, video_ids)

    def resolve(self, name: str | bytes) -> int:
        """The id of the video that a person means: an existing or stored path, then `v12`, then a unique name.

        A name is the last component of a path, or its last few (`b/c.mp4`). `id:v12` or `id:12` and `path:...` force
        one reading. A path under which several volumes had something means the one that is online. Raises
        AmbiguousError with the candidates, InputError when nothing fits.
        """
        text = os.fsdecode(name)
        forced, _, rest = text.partition(":")
        with self._database.read() as connection:
            if forced == "id":
                found = _by_number(connection, naming.forced_number(rest))
            elif forced == "path":
                found = _by_path(connection, rest)
            else:
                found = _by_path(connection, text)
                found = found if found is not None else _by_number(connection, naming.video_number(text))
                found = found if found is not None else _by_name(connection, text)
        if found is None:
            raise InputError(f"no video {text!r} in {self.name}; `vsearch list` shows what there is")
        return found

    def shots(self, video_id: int) -> tuple[Shot, ...]:
        """In order of time; `Clip.shot` counts in this order from 0."""
        query = select(ShotRow.__table__).where(ShotRow.video_id == video_id).order_by(ShotRow.number)
        with self._database.read() as connection:
            return tuple(rows.shot_of(row) for row in connection.execute(query))

    def clips(self, video_id: int) -> tuple[ClipRecord, ...]:
        """In order of time."""
        query = select(ClipRow.__table__).where(ClipRow.video_id == video_id).order_by(ClipRow.start_pts, ClipRow.id)
        with self._database.read() as connection:
            return tuple(rows.clip_of(row) for row in connection.execute(query))

    def all_clips(self) -> Iterator[ClipRecord]:
        """Of all videos, in the order of their ids: those of one video stand together, in order of time."""
        for page in self._pages(select(ClipRow.__table__), ClipRow.id, BATCH):
            yield from map(rows.clip_of, page)

    def worst_clips(self, n: int, video_ids: Sequence[int] | None = None) -> list[ClipRecord]:
        """At most n clips (None: of all videos), of those whose pictures were compared: the lowest PSNR first."""
        compared = select(ClipRow.__table__).where(ClipRow.psnr_db.is_not(None))
        query = compared.order_by(ClipRow.psnr_db, ClipRow.id).limit(n)
        some = [None] if video_ids is None else _batches(video_ids)
        found: list[rows.AnyRow] = []
        with self._database.read() as connection:
            for ids in some:
                found += connection.execute(query if ids is None else query.where(ClipRow.video_id.in_(ids)))
        found.sort(key=lambda row: (row.psnr_db, row.id))
        return [rows.clip_of(row) for row in found[:n]]

    def clip(self, clip_id: int) -> ClipRecord:
        """Raises InputError when there is no such clip."""
        if clip_id >= 1 << 63:
            raise InputError(f"there is no clip c{clip_id}")
        with self._database.read() as connection:
            row = connection.execute(select(ClipRow.__table__).where(ClipRow.id == clip_id)).first()
        if row is None:
            raise InputError(f"there is no clip c{clip_id}")
        return rows.clip_of(row)

    def clips_at(
        self, spans: Sequence[tuple[int, int, int]], among: AbstractSet[int] | None = None
    ) -> list[ClipRecord | None]:
        """For each (video id, start, end) in ticks the clip with the largest overlap with [start, end); of a point
        (equal ends) the one around it. among: the ids of the clips that count (None: all do).
        """
        with self._database.read() as connection:
            return [_clip_at(connection, *span, among) for span in spans]

    def timeline(self, video_id: int) -> Timeline:
        """When the video's sampled frames are. Raises InputError when there is no such video."""
        found = self.timelines([video_id])
        if video_id not in found:
            raise InputError(f"there is no video v{video_id}")
        return found[video_id]

    def timelines(self, video_ids: Sequence[int]) -> dict[int, Timeline]:
        """The same for many; unknown ids are left out."""
        found: dict[int, Timeline] = {}
        with self._database.read() as connection:
            for some in _batches(video_ids):
                query = select(*_TIMELINE_COLUMNS).where(Video.id.in_(some))
                found.update((row.id, rows.timeline_of(row)) for row in connection.execute(query))
        return found

    def chunks(self, video_id: int, first_frame: int = 0, stop_frame: int | None = None) -> tuple[CodedChunk, ...]:
        """The chunks that hold frames [first_frame, stop_frame) (None: to the end), in order, checksums verified.

        Empty for a video without pictures. Raises LatentError when bytes and checksum differ.
        """
        query = (
            select(*ChunkRow.__table__.c, Model.model_id.label("model_name"))
            .join(Model, ChunkRow.model_id == Model.id)
            .where(ChunkRow.video_id == video_id, ChunkRow.first_frame + ChunkRow.n_frames > first_frame)
            .order_by(ChunkRow.first_frame)
        )
        if stop_frame is not None:
            query = query.where(ChunkRow.first_frame < stop_frame)
        with self._database.read() as connection:
            return tuple(rows.chunk_of(row) for row in connection.execute(query))

    # --------------------------------------------------------------------------------- embeddings under another head

    def embedding_states(self, head_id: str) -> list[EmbeddingState]:
        """Of every video, in the order of their ids: what a head can embed of it, and whether it has."""
        with self._database.read() as connection:
            return embeddings.states(connection, head_id)

    def low_information(self, video_id: int) -> NDArray[np.bool_]:
        """(n_frames,) bool: which of a video's frames show nothing. Raises StoreError when that is not kept."""
        with self._database.read() as connection:
            return embeddings.low_information(connection, video_id)

    def put_embeddings(self, video_id: int, blocks: Sequence[EmbeddingBlock]) -> None:
        """Keep all of a video's blocks of one head (at least one), in place of its blocks of that head; those of other
        heads stay. Raises InputError for an unknown video.
        """
        with self._database.write() as connection:
            embeddings.put(connection, video_id, blocks)

    def switch_head(self, head_id: str, *, leaving_out: Collection[int] = ()) -> None:
        """Make a head the active one and take out what other heads made of the videos that it has embedded, in one
        transaction.

        leaving_out: videos that may lack its embeddings; they keep what they have, and are not found. Raises InputError
        when another video lacks them.
        """
        with self._database.write() as connection:
            embeddings.switch(connection, head_id, leaving_out)

    # ------------------------------------------------------------------------------------------ what is not the same

    def mark_not_same(self, first: int, second: int) -> bool:
        """A person says that these two videos are not the same; whether that is new. Raises InputError for an unknown
        video, and for one and the same.
        """
        with self._database.write() as connection:
            key = writing.not_same_key(connection, first, second)
            if connection.execute(select(NotSame.marked_at).filter_by(**key)).first() is not None:
                return False
            connection.execute(insert(NotSame).values(**key, marked_at=writing.now()))
            return True

    def unmark_not_same(self, first: int, second: int) -> bool:
        """The mark is taken back; whether there was one. Raises InputError as `mark_not_same`."""
        with self._database.write() as connection:
            key = writing.not_same_key(connection, first, second)
            return bool(connection.execute(delete(NotSame).filter_by(**key)).rowcount)

    def not_same(self) -> list[tuple[int, int]]:
        """The marked pairs of which both videos are in the library, ids ascending, in order."""
        if self._version < NOT_SAME_SINCE:
            return []
        one, other = aliased(Video), aliased(Video)
        query = (
            select(one.id, other.id)
            .join_from(NotSame, one, one.full_hash == NotSame.first_hash)
            .join(other, other.full_hash == NotSame.second_hash)
        )
        with self._database.read() as connection:
            pairs = [(int(row[0]), int(row[1])) for row in connection.execute(query)]
        return sorted((min(pair), max(pair)) for pair in pairs)

    # ----------------------------------------------------------------------------------- keeping an index up to date

    def changes(self, since: int) -> Changes | None:
        """What happened after generation `since`; None when that cannot be told, and an index must be built anew."""
        with self._database.read() as connection:
            meta = connection.execute(select(Meta.generation, Meta.removals_from)).one()
            if not meta.removals_from <= since <= meta.generation:
                return None
            gone = select(Removal.video_id).where(Removal.generation > since).distinct().order_by(Removal.video_id)
            return Changes(since, meta.generation, tuple(connection.scalars(gone)))

    def embedding_blocks(
        self, head_id: str, *, after: int = 0, upto: int | None = None, video_ids: Sequence[int] | None = None
    ) -> Iterator[StoredBlock]:
        """Blocks of a head, written after generation `after` (0: all) and not after `upto` (None: now).

        In the order in which they were written, or with `video_ids` (only of these) in the order of the ids; blocks of
        one video always stand together, in the order of frames. Read `changes` first and pass its generation as `upto`,
        so that what is committed meanwhile comes the next time.
        """
        query = _blocks(head_id).where(EmbeddingRow.generation > after)
        if upto is not None:
            query = query.where(EmbeddingRow.generation <= upto)
        pages = self._pages(query, EmbeddingRow.id, BLOCK_BATCH) if video_ids is None else self._of(query, video_ids)
        for page in pages:
            yield from map(rows.block_of, page)

    def _of(self, query: Select[Any], video_ids: Sequence[int]) -> Iterator[Sequence[rows.AnyRow]]:
        ordered = query.order_by(EmbeddingRow.video_id, EmbeddingRow.first_frame)
        for some in _batches(sorted(set(video_ids)), BLOCK_BATCH):
            with self._database.read() as connection:
                page = connection.execute(ordered.where(EmbeddingRow.video_id.in_(some))).all()
            yield page

    def embeddings_of(self, video_id: int, head_id: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One video's unit vectors (n, d) float32 and low-information marks (n,); (0, 0) and (0,) without any."""
        blocks = [stored.block for stored in self.embedding_blocks(head_id, video_ids=[video_id])]
        if not blocks:
            return np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.bool_)
        vectors = np.concatenate([block.unit_vectors() for block in blocks])
        return vectors, np.concatenate([block.low_information for block in blocks])

    def forget_removals(self, upto: int) -> None:
        """An index was rebuilt at generation `upto`: tombstones up to there are dropped.

        Indexes of older generations must be built anew. Raises InputError for a generation that is still to come.
        """
        with self._database.write() as connection:
            if upto > connection.execute(select(Meta.generation)).scalar_one():
                raise InputError(f"{self.name} has not reached generation {upto}")
            connection.execute(delete(Removal).where(Removal.generation <= upto))
            connection.execute(update(Meta).where(Meta.removals_from < upto).values(removals_from=upto))


# ----------------------------------------------------------------------------------------------------------- opening


def _connect(location: Path | str, *, writable: bool, create: bool) -> Database:
    if isinstance(location, str) and "://" in location:
        if not location.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            kind = location.split(":", 1)[0]
            raise InputError(
                f"a database URL must begin with postgresql://, not {kind}://; SQLite is named by its folder"
            )
        return PostgresDatabase(location, writable=writable)
    return SqliteDatabase(Path(location), writable=writable, create=create)


def _settle_schema(database: Database, schema: Schema, *, create: bool) -> int:
    """Make or migrate the tables as far as a writer must; the version of those that are there then."""
    found = database.found_version()
    if found is None and not create:
        raise NotALibraryError(f"{database.name} holds no library; `vsearch index` makes one")
    if found is not None and found > schema.version:
        raise SchemaError(
            f"{database.name} was written by a newer vsearch (schema {found}; this one, {__version__}, knows "
            f"{schema.version}): update vsearch"
        )
    if found == schema.version:
        return found
    if found is None or database.writable:
        from vsearch.db.migrate import migrate  # late: Alembic takes a third of a second to import

        migrate(database, schema, found=found)
        return schema.version
    advice = "`vsearch index` without a PATH brings it up to date"
    if found < schema.oldest_readable:
        raise SchemaError(
            f"{database.name} was written by an older vsearch (schema {found}) and can't be read as it is: {advice}"
        )
    database.notices.append(
        f"{database.name} was written by an older vsearch (schema {found} of {schema.version}): {advice}"
    )
    return found


# ----------------------------------------------------------------------------------------------------------- queries

_SUMMED = (Video.n_frames, Video.n_shots, Video.n_clips, Video.bytes_latents, Video.bytes_embeddings)
_TIMELINE_COLUMNS = (Video.id, Video.time_base, Video.start_pts, Video.end_pts, Video.n_frames, Video.frame_times)
_KNOWN = select(*FilePath.__table__.c, Video.state).join(Video, FilePath.video_id == Video.id)
_PATHS = select(*FilePath.__table__.c, Volume.identity, Volume.label).join(Volume, FilePath.volume_id == Volume.id)
_ATTEMPTS = select(*Attempt.__table__.c, Volume.identity, Volume.label).join(Volume, Attempt.volume_id == Volume.id)

_TOUCHING = (
    select(ClipRow.__table__)
    .where(ClipRow.video_id == bindparam("video"))
    .where(ClipRow.start_pts < bindparam("end"), ClipRow.end_pts > bindparam("start"))
    .order_by(ClipRow.start_pts, ClipRow.id)
)


def _blocks(head_id: str) -> Select[Any]:
    return (
        select(*EmbeddingRow.__table__.c, Model.model_id.label("model_name"))
        .join(Model, EmbeddingRow.model_id == Model.id)
        .where(Model.model_id == head_id)
    )


def _batches(ids: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _volume_number(connection: Connection, volume: str) -> int | None:
    return connection.scalar(select(Volume.id).where(Volume.identity == volume))


def _known_of(row: rows.AnyRow) -> KnownPath:
    return KnownPath(bytes(row.path), row.video_id, rows.stamp_of(row), row.state, bool(row.online))


def _clip_at(
    connection: Connection, video_id: int, start_pts: int, end_pts: int, among: AbstractSet[int] | None
) -> ClipRecord | None:
    end = max(end_pts, start_pts + 1)
    found = connection.execute(_TOUCHING, {"video": video_id, "start": start_pts, "end": end})
    touching = [rows.clip_of(row) for row in found if among is None or row.id in among]
    overlap = {one.id: min(one.clip.end_pts, end) - max(one.clip.start_pts, start_pts) for one in touching}
    return max(touching, key=lambda one: overlap[one.id], default=None)


def _paths_of(connection: Connection, video_ids: Sequence[int]) -> dict[int, tuple[PathRecord, ...]]:
    found: dict[int, list[PathRecord]] = {}
    for some in _batches(video_ids):
        query = _PATHS.where(FilePath.video_id.in_(some)).order_by(FilePath.online.desc(), FilePath.id)
        for row in connection.execute(query):
            found.setdefault(row.video_id, []).append(rows.path_of(row))
    return {video_id: tuple(paths) for video_id, paths in found.items()}


def _fits(sighting: PathSighting, pattern: str | None, volume: str | None) -> bool:
    if volume is not None and volume not in (sighting.volume, sighting.volume_label):
        return False
    return pattern is None or naming.matches(pattern, sighting.display)


def _refuse_known(connection: Connection, video: IndexedVideo, *, but: int | None) -> None:
    known = connection.scalar(select(Video.id).where(Video.full_hash == video.identity.full_hash))
    if known is not None and known != but:
        raise StoreError(f"this content is in the library already, as v{known}: only its path is new")


def _is_elsewhere(connection: Connection, video_id: int, sighting: PathSighting) -> bool:
    """Whether another path than this holds the video."""
    here = and_(Volume.identity == sighting.volume, FilePath.path_hash == rows.path_hash(sighting.path))
    other = (
        select(FilePath.id).join(Volume, FilePath.volume_id == Volume.id).where(FilePath.video_id == video_id, ~here)
    )
    return connection.execute(other.limit(1)).first() is not None


# ----------------------------------------------------------------------------------------------- what a person means


def _by_number(connection: Connection, number: int | None) -> int | None:
    return None if number is None else connection.scalar(select(Video.id).where(Video.id == number))


def _by_path(connection: Connection, text: str) -> int | None:
    forms = naming.absolute_forms(text)
    hashes = {rows.path_hash(inside) for form in forms for _, inside in naming.splits(form)}
    near = [rows.path_of(row) for row in connection.execute(_PATHS.where(FilePath.path_hash.in_(hashes)))]
    fitting = [path for path in near if path.absolute in forms]
    return _the_one(text, [path for path in fitting if path.online] or fitting)


def _by_name(connection: Connection, text: str) -> int | None:
    name = naming.encoded(text)
    found = connection.execute(_PATHS.order_by(FilePath.video_id, FilePath.id))
    return _the_one(text, [path for path in map(rows.path_of, found) if naming.has_name(path.absolute, name)])


def _the_one(text: str, fitting: Sequence[PathRecord]) -> int | None:
    """The video of these paths; None without any. Raises AmbiguousError for several."""
    videos = {path.video_id: path for path in reversed(fitting)}
    if len(videos) <= 1:
        return next(iter(videos), None)
    lines = [f"  v{number}  {path.display} ({path.sighting.volume_label})" for number, path in sorted(videos.items())]
    more = [f"  and {len(lines) - CANDIDATES} more"] if len(lines) > CANDIDATES else []
    raise AmbiguousError("\n".join([f"{text!r} fits {len(lines)} videos:", *lines[:CANDIDATES], *more]))
