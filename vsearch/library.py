"""`Library`: the whole public Python API.

    with Library.open("my-library", create=True) as library:
        library.index(["/videos"])
        for result in library.search(["excerpt.mp4"]):
            print(result.query, result.hits)

A library is a folder: `library.db` (the tables, unless `database` names another place), `models/` (the weights that its
latents need, by hash) and `cache/` (index files, which can be deleted at any time).
"""

from __future__ import annotations

import os
import platform
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch import forms
from vsearch._version import __version__
from vsearch.comparing import compare, recur, write_duplicates_page, write_recurring_page
from vsearch.config import AS_STORED, INDEX_MEMORY_BYTES, IndexConfig, Look, default_library
from vsearch.db.records import ClipRecord, MetaRecord, ModelRecord, RunRecord, VideoRecord
from vsearch.db.store import Store
from vsearch.errors import (
    InputError,
    InterruptedRunError,
    LatentError,
    NotALibraryError,
    StoreError,
    VsearchError,
)
from vsearch.indexer.plan import STILL
from vsearch.models import load_codec, load_head, read_model_id, shipped_codec, shipped_head, shipped_head_for
from vsearch.models.shelf import ModelShelf
from vsearch.progress import Progress, SilentProgress
from vsearch.records import display_path, frame_id, seconds
from vsearch.render.exports import check_export, write_export
from vsearch.render.timelines import Finds, Source, source_of
from vsearch.request import RECURRING_VIDEOS, SearchRequest
from vsearch.searching import Query, SearchResult, search_session

if TYPE_CHECKING:
    from vsearch.indexer.reembed import ReembedReport
    from vsearch.indexer.report import DryRun, IndexReport
    from vsearch.indexer.run import Models
    from vsearch.models.base import ModelLoader
    from vsearch.render.frames import Excerpt, Footage
    from vsearch.render.previews import PreviewReport
    from vsearch.search.asking import Question
    from vsearch.search.explaining import Comparison

PathLike = Path | str
FOOTAGE_KEPT = 64  # videos whose tables and last latents stay at hand while a page is drawn


class Library:
    """A latent library, opened with `Library.open`. A context manager.

    Reading methods see what was committed before they were called, also by other processes. `index` and `remove` take
    the library's lock while they run and raise LockedError when another process has it. Every method raises StoreError
    when the library cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        location: Path | str,
        store: Store | None,
        codec: Path | None,
        head: Path | None,
        look: Look = AS_STORED,
        models: ModelLoader | None = None,
    ) -> None:
        """Use `Library.open`."""
        self.folder = folder
        self._location = location
        self._reader = store
        self._first_models = (codec, head)
        self._look = look
        self._shelf = ModelShelf(folder / "models", models)

    @classmethod
    def open(
        cls,
        path: PathLike | None = None,
        *,
        create: bool = False,
        database: str | None = None,
        codec: Path | None = None,
        head: Path | None = None,
        look: Look = AS_STORED,
        models: ModelLoader | None = None,
    ) -> Self:
        """The library in the folder `path` (None: `$VSEARCH_LIBRARY`, else the platform's data folder).

        create: a library that is not there is made by the first `index`. database: the address of a PostgreSQL database
        that holds the tables instead of `library.db`. codec, head: model folders to index new videos with (None: those
        that the library uses already, at first those that come with vsearch). look: how previews and reports show
        pictures. models: what loads the models for all but indexing (None: this process does). Raises NotALibraryError,
        SchemaError, StoreError.
        """
        folder = Path(path) if path is not None else default_library()
        location: Path | str = database or folder
        store: Store | None = None
        try:
            store = Store.open(location, writable=False)
        except NotALibraryError:
            if not create or not (database or _may_become_library(folder)):
                raise
        return cls(folder, location=location, store=store, codec=codec, head=head, look=look, models=models)

    @property
    def notices(self) -> tuple[str, ...]:
        """Lines that a person should see: an older schema, a copy that was recovered."""
        return self._reader.notices if self._reader is not None else ()

    # ------------------------------------------------------------------------------------------------------ indexing

    def index(
        self,
        paths: Sequence[PathLike],
        config: IndexConfig | None = None,
        *,
        progress: Progress | None = None,
        log: Path | None = None,
    ) -> IndexReport:
        """Bring the library up to date with files and folders; without any, finish the runs that were interrupted, or
        with `config.upgrade` read again what is stored with less than is asked for, wherever its originals are.

        log: a file that gets a line for each file that is ignored or fails. Bad files never stop a run: the report
        names them. Raises InputError (a path that is missing and unknown, a quality or effort that the library's codec
        does not offer; before anything is read), LockedError, StoreError (a full disk), and
        InterruptedRunError after Ctrl-C: what was finished is kept, and the same call goes on from there.
        """
        from vsearch.indexer.report import IndexReport
        from vsearch.indexer.run import start_log

        config = config or IndexConfig()
        if not self._is_there():
            _check_first_paths(paths)
        self._check_offer(config)
        start_log(log)
        with self._writing() as store:
            unfinished = store.runs(unfinished=True)
            named = bool(paths) or config.upgrade
            asked = [([_absolute(path) for path in paths], config)] if named else _resumed(unfinished, config)
            report = IndexReport()
            for roots, wanted in asked:
                try:
                    report = report.plus(self._index(store, roots, wanted, progress=progress, log=log))
                except InputError as error:
                    if named:
                        raise
                    # A folder of an interrupted run is gone: say so, and go on with the other runs.
                    report = report.plus(IndexReport(problems=(str(error),), exit_status=1))
            for run in unfinished:
                if not named or _asked_by(run, config) in asked:
                    store.finish_run(run.id, {"finished_by_a_later_run": True})
        self._refresh_index(config.device, config.index_memory_bytes)
        return report

    def _index(
        self, store: Store, roots: list[bytes], config: IndexConfig, *, progress: Progress | None, log: Path | None
    ) -> IndexReport:
        """One run, recorded. It stays unfinished when it is interrupted or the library can't be written."""
        from vsearch.indexer.run import run_index

        if store.meta().active_head == read_model_id(shipped_head()):
            self._shelf.add(shipped_head())  # its figures for searching may be newer than the library's
        run_id = store.start_run(_arguments(roots, config), _versions())
        try:
            report = run_index(
                store,
                roots,
                config,
                models=lambda: self._indexing_models(store, config),
                library=os.fsencode(self.folder),
                progress=progress or SilentProgress(),
                log=log,
            )
        except (InterruptedRunError, StoreError):
            raise
        except VsearchError as error:
            store.finish_run(run_id, {"error": str(error), "code": error.code})
            raise
        store.finish_run(run_id, report.as_json())
        return report

    def _refresh_index(self, device: str, memory_bytes: int) -> None:
        """Let no search wait for the index of what was stored."""
        from vsearch.search.cache import refresh_index
        from vsearch.search.gallery import Gallery

        store = self._reading()
        head_id = store.meta().active_head
        d = None if head_id is None else store.dimensions(head_id)
        if head_id is not None and d is not None:
            refresh_index(
                Gallery(store, head_id),
                self.folder / "cache",
                n=store.totals().frames,
                d=d,
                device=device,
                memory_bytes=memory_bytes,
            )

    def plan(
        self, paths: Sequence[PathLike], config: IndexConfig | None = None, *, progress: Progress | None = None
    ) -> DryRun:
        """What `index` would do, how long it would take here and how large the library would get; nothing is written.

        Raises InputError as `index` does.
        """
        from vsearch.indexer.estimate import dry_run

        config = config or IndexConfig()
        store = self._reader
        self._check_offer(config)
        if not paths and not config.upgrade and store is not None:
            asked = _resumed(store.runs(unfinished=True), config)
            paths, config = ([os.fsdecode(root) for root in asked[0][0]], asked[0][1]) if asked else ([], config)
        return dry_run(
            store,
            [_absolute(path) for path in paths],
            config,
            models=lambda: self._estimating_models(config),
            library=os.fsencode(self.folder),
            progress=progress or SilentProgress(),
        )

    @classmethod
    def plan_new(
        cls, paths: Sequence[PathLike], config: IndexConfig | None = None, *, progress: Progress | None = None
    ) -> DryRun:
        """`plan` for a library that does not exist yet."""
        folder = default_library()
        return cls(folder, location=folder, store=None, codec=None, head=None).plan(paths, config, progress=progress)

    def _indexing_models(self, store: Store, config: IndexConfig) -> Models:
        """The library's active models, loaded; those asked for in `open`, or at first the shipped ones, become
        active. Raises InputError for a quality or effort that the codec does not offer, or another codec's head.
        """
        from vsearch.extract import chosen_level
        from vsearch.indexer.run import Models

        meta = store.meta()
        codec_folder, head_folder = self._first_models
        codec_id, head_id = meta.active_codec, meta.active_head
        if codec_folder is not None or codec_id is None:
            codec_id = self._shelf.add(codec_folder or shipped_codec()).model_id
        if head_folder is not None or head_id is None:
            head_id = self._shelf.add(head_folder or shipped_head()).model_id
        self._shelf.check_pair(codec_id, self._shelf.files(head_id))
        folders = self._shelf.files(codec_id).folder, self._shelf.files(head_id).folder
        codec = load_codec(folders[0], device=config.device, threads=config.threads)
        chosen_level(codec, config)
        head = load_head(folders[1], device=config.device, threads=config.threads)
        if (codec_id, head_id) != (meta.active_codec, meta.active_head):
            trained = self._shelf.files(codec_id).training, self._shelf.files(head_id).training
            store.put_model(ModelRecord(codec_id, "codec", codec_id=codec.codec_id, training=trained[0]))
            store.put_model(ModelRecord(head_id, "head", dimensions=head.d, training=trained[1]))
            store.set_active(codec=codec_id, head=head_id)
        return Models(codec, head, folders)

    def _check_offer(self, config: IndexConfig) -> None:
        """Raise InputError for a quality or effort that the codec to index with does not offer; all offer "default"."""
        from vsearch.extract import chosen_level

        if (config.quality, config.effort) != ("default", "default"):
            chosen_level(self._estimating_models(config).codec, config)

    def _estimating_models(self, config: IndexConfig) -> Models:
        """The models that indexing would use, without putting any into the library."""
        from vsearch.indexer.run import Models

        meta = self._reader.meta() if self._reader is not None else None
        codec_folder, head_folder = self._first_models
        if meta is not None and meta.active_codec and meta.active_head:
            codec_folder = codec_folder or self._shelf.files(meta.active_codec).folder
            head_folder = head_folder or self._shelf.files(meta.active_head).folder
        folders = codec_folder or shipped_codec(), head_folder or shipped_head()
        codec = load_codec(folders[0], device=config.device, threads=config.threads)
        return Models(codec, load_head(folders[1], device=config.device, threads=config.threads), folders)

    # ----------------------------------------------------------------------------------------------------- another head

    def reembed(
        self,
        videos: Sequence[str] | None = None,
        *,
        head: Path | None = None,
        leave_out: bool = False,
        device: str = "auto",
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> ReembedReport:
        """Compute embeddings again from the stored pictures, and search with them once every video has them.

        videos: named as in `info` (None: all that the head has not embedded yet). head: a model folder (None: the head
        that comes with vsearch if it reads the library's latents, else the one that the library uses). leave_out:
        switch to the head although some videos can't be embedded; they are not found until they are indexed again. See
        `vsearch.indexer.reembed`. Raises InputError (a video that there is not, a head for another codec), LatentError
        (not a head), LockedError, StoreError, InterruptedRunError.
        """
        from vsearch.indexer.reembed import reembed
        from vsearch.search.cache import forget_indexes

        self._reading()  # what there is not is not made
        with self._writing() as store:
            before = store.meta().active_head
            report = reembed(
                store,
                self._shelf,
                videos,
                head=head,
                leave_out=leave_out,
                device=device,
                workers=workers,
                progress=progress or SilentProgress(),
            )
        if report.switched and before is not None:
            forget_indexes(self.folder / "cache", before)
            self._refresh_index(device, INDEX_MEMORY_BYTES)
        return report

    # ------------------------------------------------------------------------------------------------------ searching

    def search(
        self,
        queries: Iterable[Query],
        request: SearchRequest | None = None,
        *,
        report: Path | None = None,
        export: Path | None = None,
        **options: Any,
    ) -> Iterator[SearchResult]:
        """Where each query comes from: one result a query, computed as it is asked for.

        queries: video or picture files, or folders of them, each taken when the one before was answered; `v12`, `c345`,
        `VIDEO@0:12:03.5` and `VIDEO@1:02-1:30` (where no such file exists) ask with what is stored, `Examples` with
        several at once. A folder gives a result for each video or picture in it. request: what is asked for; each of
        its fields may be given by name instead (`k=3`). report: an HTML page, written after the last result; export:
        likewise a .csv, .edl or .otio file of the hits. A query that cannot be read gives a result with `error`; the
        others still run. Raises InputError for bad values, TypeError for names that `SearchRequest` does not have,
        UnavailableError without FAISS or without the device.
        """
        if export is not None:
            check_export(export)
        results = self._search(queries, replace(request or SearchRequest(), **options), report)
        return results if export is None else self._exported(results, export)

    def _search(self, queries: Iterable[Query], request: SearchRequest, report: Path | None) -> Iterator[SearchResult]:
        from vsearch.render.reports import Answer, write_search_report

        answers: list[Answer] = []
        with search_session(self._reading(), self._shelf, self.folder / "cache", request) as session:
            answered = (answer for query in queries for answer in session.answers(query))
            for result, question in answered:
                if report is not None:
                    footage = session.footage(result.query, question) if question is not None else None
                    footage = replace(footage, look=self._look) if footage is not None else None
                    found = [(hit, self._footage_or_none(hit.video_id)) for hit in result.hits]
                    answers.append(Answer(result.query, footage, found, result.error, result.blank))
                yield result
        if report is not None:
            write_search_report(report, answers, library=str(self.folder))

    def _exported(self, results: Iterator[SearchResult], path: Path) -> Iterator[SearchResult]:
        """The results as they come; after the last one their hits are in a file for other programs."""
        finds = []
        for result in results:
            sources = {hit.video_id: self._source_or_none(hit.video_id) for hit in result.hits}
            finds.append(Finds(result.query, [(hit, one) for hit in result.hits if (one := sources[hit.video_id])]))
            yield result
        write_export(path, finds)

    def _source_or_none(self, video_id: int) -> Source | None:
        """A video as an editor counts it; None when another process has just removed it."""
        try:
            return source_of(self._reading().video(video_id))
        except InputError:
            return None

    def explain(
        self,
        query: PathLike,
        video: str,
        request: SearchRequest | None = None,
        *,
        out: PathLike | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Why a query and a video of the library match or do not, in figures and in words; JSON-ready.

        query, request, options: as for `search`, of one file or stored name; `k`: ranges, at most. video: as `info`
        takes it. out: a PNG or WebP to draw their similarities and paired frames to. Raises InputError, AmbiguousError,
        MediaError, LatentError.
        """
        from vsearch.search.explaining import figures

        if out is not None:
            from vsearch.render.explanations import check_name

            check_name(Path(out))
        store = self._reading()
        record, name = store.video(store.resolve(video)), os.fsdecode(query)
        shown = display_path(os.fsencode(name))
        request = replace(request or SearchRequest(), **options)
        with search_session(store, self._shelf, self.folder / "cache", request) as session:
            question = session.ask(name)
            found = session.compare(question, record.id)
            if out is not None:
                footage = session.footage(shown, question)
                footage = replace(footage, look=self._look) if footage is not None else self._stored_footage(question)
                self._draw_explanation(Path(out), shown, footage, record, found)
        return {
            "format": forms.FORMAT,
            **forms.named("query", os.fsencode(name)),
            **(forms.named("video", record.paths[0].absolute) if record.paths else {"video": None}),
            "video_id": record.id,
            **figures(found),
            "picture": None if out is None else display_path(os.fsencode(out)),
        }

    def _stored_footage(self, question: Question) -> Footage | None:
        """The video that a stored query is of, its times counted as the query's are."""
        if question.video_id is None or question.origin_pts is None:
            return None
        footage = self._footage_or_none(question.video_id)
        return None if footage is None else replace(footage, start_pts=question.origin_pts)

    def _draw_explanation(
        self, out: Path, query: str, footage: Footage | None, record: VideoRecord, found: Comparison
    ) -> None:
        from vsearch.render.explanations import Explained, Side, write_explanation
        from vsearch.search.explaining import in_words

        asked = found.asked
        times_s = np.empty(0) if found.track is None else found.track.times_s
        name = Path(record.paths[0].display).name if record.paths else ""
        explained = Explained(
            query=Side(Path(query).name, asked.times_s, asked.start_s, asked.end_s, footage),
            video=Side(f"v{record.id}  {name}", times_s, 0.0, record.duration_s, self._footage_or_none(record.id)),
            columns=found.columns,
            lines=[(segment, found.along(segment)) for segment in found.segments],
            words=in_words(found),
            floor=found.floor,
            matches=found.matches,
            still=asked.still,
        )
        write_explanation(out, explained)

    # ------------------------------------------------------------------------------------------------------- looking

    def preview(
        self,
        targets: Sequence[str] | None,
        out: PathLike,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        every_s: float | None = None,
        speed: float = 4.0,
        form: str = "auto",
        progress: Progress | None = None,
    ) -> PreviewReport:
        """Draw videos or clips (None: every video) to a file or folder, decoded from stored latents alone.

        targets: as `info` takes them, or `c345` for a clip. start_s, end_s: a range, in seconds of the video. form: see
        `vsearch.render.previews.FORMS`. Raises InputError, AmbiguousError, LatentError.
        """
        from vsearch.render.previews import write_preview

        store = self._reading()
        names = [f"id:{video_id}" for video_id in store.video_ids()] if targets is None else targets
        excerpts = [self._excerpt(name, start_s=start_s, end_s=end_s) for name in names]
        return write_preview(excerpts, Path(out), every_s=every_s, speed=speed, form=form, progress=progress)

    def _excerpt(self, target: str, *, start_s: float | None, end_s: float | None) -> Excerpt:
        """The part of a video that a target names, narrowed or moved to a range."""
        from vsearch.render.frames import Excerpt

        store = self._reading()
        number = re.fullmatch(r"c([1-9][0-9]*)", target)
        if number is None or Path(target).exists():
            video_id = store.resolve(target)
            return Excerpt(self._footage(video_id), start_s or 0.0, end_s, f"v{video_id}")
        record = store.clip(int(number[1]))
        excerpt = _clip_excerpt(record, self._footage(record.video_id))
        return replace(
            excerpt,
            start_s=excerpt.start_s if start_s is None else start_s,
            end_s=excerpt.end_s if end_s is None else end_s,
        )

    def _footage(self, video_id: int) -> Footage:
        """A stored video as it can be drawn, if it has pictures. Raises LatentError without the model they need."""
        from vsearch.latents import stored_latents
        from vsearch.render.frames import Footage

        store = self._reading()
        record, timeline = store.video(video_id), store.timeline(video_id)
        codec, latents = stored_latents(store, self._shelf, video_id) or (None, None)
        return Footage(
            name=record.paths[0].display if record.paths else f"v{video_id}",
            frame_pts=timeline.pts,
            start_pts=timeline.start_pts,
            end_pts=timeline.end_pts,
            time_base=timeline.time_base,
            display_aspect=record.info.display_aspect,
            codec=codec,
            latents=latents,
            still=record.info.still,
            quality=record.settings.quality,
            clips=tuple(clip.clip for clip in store.clips(video_id)),
            missing=_without_pictures(record),
            look=self._look,
        )

    def _footage_or_none(self, video_id: int) -> Footage | None:
        """A video as it can be drawn, if the library holds pictures of it and the model to decode them."""
        try:
            return self._footage(video_id)
        except (InputError, LatentError):
            return None

    # ----------------------------------------------------------------------------------------------------- grouping

    def cluster(self, n: int | None = None, *, report: Path | None = None) -> dict[str, Any]:
        """Clips that look alike, in groups, largest first, each with its clips, most central first; JSON-ready.

        n: how many groups (None: chosen from the data). report: an HTML page with pictures of each group's most central
        clips. `ungrouped` counts clips that belong to no group or show nothing that could be compared. The groups are
        kept, for `search` to look into (`clusters`) until the library changes or this is called again. Raises
        InputError for an n below 1.
        """
        from vsearch.search.clusters import group
        from vsearch.search.kept_groups import GroupedClips, keep_groups

        store = self._reading()
        meta = store.meta()  # before anything that is grouped: what a writer does meanwhile makes the groups stale
        clips, frames, vectors, blank = self._clip_vectors()
        video_ids = sorted({clip.video_id for clip in clips})
        paths, timelines = store.paths(video_ids), store.timelines(video_ids)  # now: grouping takes its time
        grouping = group(vectors, n=n)
        keep_groups(self.folder / "cache", GroupedClips.of(grouping, [clip.id for clip in clips], frames), meta)
        groups = [
            forms.clip_group(number, [forms.grouped_clip(clips[i], paths, timelines) for i in one.members])
            for number, one in enumerate(grouping.groups, 1)
        ]
        if report is not None:
            self._write_cluster_report(report, [[clips[i] for i in one.members] for one in grouping.groups])
        return {"format": forms.FORMAT, "groups": groups, "ungrouped": len(grouping.outliers) + blank}

    def _clip_vectors(self) -> tuple[list[ClipRecord], NDArray[np.int64], NDArray[np.float32], int]:
        """Every clip that can be compared, the public ids of its first frame and the one after its last (n, 2), a unit
        vector for each (n, d) float32, and how many others there are.
        """
        from vsearch.search.clusters import clip_vector

        store = self._reading()
        head_id = store.meta().active_head
        clips: list[ClipRecord] = []
        frames: list[tuple[int, int]] = []
        found: list[NDArray[np.float32]] = []
        blank = 0
        for video_id, of_video in groupby(store.all_clips(), key=lambda clip: clip.video_id):
            vectors, low = store.embeddings_of(video_id, head_id or "")
            pts, zero = store.timeline(video_id).pts, frame_id(video_id, 0)
            for clip in of_video:
                first, stop = np.searchsorted(pts, [clip.clip.start_pts, clip.clip.end_pts]).tolist()
                vector = clip_vector(vectors[first:stop], low[first:stop]) if len(vectors) == len(pts) else None
                if vector is None:
                    blank += 1
                else:
                    clips.append(clip)
                    frames.append((zero + first, zero + stop))
                    found.append(vector)
        of_clips = np.stack(found) if found else np.empty((0, 0), np.float32)
        return clips, np.array(frames, np.int64).reshape(-1, 2), of_clips, blank

    def _write_cluster_report(self, report: Path, groups: Sequence[Sequence[ClipRecord]]) -> None:
        from vsearch.render.reports import CLIPS_DRAWN, Group, write_cluster_report

        footage = lru_cache(FOOTAGE_KEPT)(self._footage_or_none)
        drawn = [
            Group(
                number,
                len(clips),
                [_clip_excerpt(clip, found) for clip in clips[:CLIPS_DRAWN] if (found := footage(clip.video_id))],
            )
            for number, clips in enumerate(groups, 1)
        ]
        write_cluster_report(report, drawn, library=str(self.folder))

    def duplicates(
        self, threshold: str | float | None = None, *, recurring: int = RECURRING_VIDEOS, report: Path | None = None
    ) -> dict[str, Any]:
        """Videos that share material, in groups, with the ranges and the best copy of each; JSON-ready.

        threshold: the score from which on a range counts, as in `search` (None: "duplicate"). recurring: what so many
        videos show makes no duplicates (0: everything does). report: an HTML page with pictures of the pairs. Raises
        InputError.
        """
        found = compare(self._reading(), self._shelf, threshold=threshold, least_videos=recurring)
        if report is not None:
            footage = lru_cache(FOOTAGE_KEPT)(self._footage_or_none)
            write_duplicates_page(report, found, footage, library=str(self.folder))
        return forms.duplicates(found)

    def recurring(self, videos: int = RECURRING_VIDEOS, *, report: Path | None = None) -> dict[str, Any]:
        """Ranges that at least so many videos show: titles, idents, adverts; JSON-ready.

        report: an HTML page with pictures of them. Raises InputError.
        """
        if videos < 2:
            raise InputError(f"material recurs in 2 videos or more, not in {videos}")
        store = self._reading()
        found = recur(store, self._shelf, least_videos=videos)
        if report is not None:
            footage = lru_cache(FOOTAGE_KEPT)(self._footage_or_none)
            write_recurring_page(report, found, footage, library=str(self.folder))
        there = {one.video_id for material in found.materials for one in material.occurrences}
        return forms.recurring(found, store.paths(sorted(there)), least_videos=videos)

    def mark_not_same(self, first: str, second: str) -> bool:
        """Two videos, named as in `info`, are not the same, whatever they look like; whether that is new.

        Their pair is left out of `duplicates` from then on, also after they were indexed again. Raises InputError,
        AmbiguousError.
        """
        with self._writing() as store:
            return store.mark_not_same(store.resolve(first), store.resolve(second))

    def unmark_not_same(self, first: str, second: str) -> bool:
        """The opposite; whether they were marked."""
        with self._writing() as store:
            return store.unmark_not_same(store.resolve(first), store.resolve(second))

    # ------------------------------------------------------------------------------------------------ what there is

    def worst_clips(
        self, n: int = 20, pattern: str | None = None, *, volume: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        """The n clips whose pictures are least like the sampled frames, lowest PSNR first; JSON-ready.

        pattern, volume, state: as `list` takes them. Clips that were not compared are left out. Raises InputError for
        an n below 1, for another state, and for "failed".
        """
        if n < 1 or state == "failed":
            raise InputError("clips to list must be at least 1, and files that failed have none")
        store = self._reading()
        chosen = None
        if (pattern, volume, state) != (None, None, None):
            chosen = [video.id for video in store.videos(pattern, volume=volume, state=state)]
        clips = store.worst_clips(n, chosen)
        videos = {video_id: store.video(video_id) for video_id in {clip.video_id for clip in clips}}
        return [forms.clip_line(clip, videos[clip.video_id]) for clip in clips]

    def list(
        self, pattern: str | None = None, *, volume: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        """One JSON-ready object a video, then one a file that failed.

        pattern: a path or glob; volume: its identity or label; state: "ok", "partial", "failed" or "offline". Raises
        InputError for another state.
        """
        store = self._reading()
        entries = [forms.video_line(video) for video in store.videos(pattern, volume=volume, state=state)]
        if state in (None, "failed"):
            failures = store.failures(pattern, volume=volume)
            entries += [forms.failure_line(failure) for failure in failures if failure.code != STILL]
        return entries

    def info(self, video: str | None = None) -> dict[str, Any]:
        """Everything that is known of a video, or (None) the sums of the library; JSON-ready.

        video: an existing or stored path, `v12`, or a unique name; `id:` and `path:` force one. Raises InputError when
        nothing fits, AmbiguousError (listing the candidates) when several do.
        """
        from vsearch.search.cache import describe_index

        store = self._reading()
        if video is None:
            meta = store.meta()
            sums = forms.library_info(store.totals(), store.tiers(), meta, store.models())
            newer = {"newer_head": self._newer_head(meta)}
            index = describe_index(self.folder / "cache", meta.active_head) if meta.active_head else None
            return {**sums, **newer, "library": str(self.folder.absolute()), **self._sizes(), "index": index}
        video_id = store.resolve(video)
        return forms.video_info(store.video(video_id), store.clips(video_id), store.shots(video_id))

    @staticmethod
    def _newer_head(meta: MetaRecord) -> str | None:
        """The head that `reembed` would bring: the one that comes with vsearch, where it is not the library's."""
        folder = shipped_head_for(meta.active_codec) if meta.active_codec else None
        model_id = read_model_id(folder) if folder is not None else None
        return model_id if model_id != meta.active_head else None

    def _sizes(self) -> dict[str, int]:
        return {f"bytes_{name}": _folder_bytes(self.folder / name) for name in ("models", "cache")}

    def export(self, folder: PathLike, *, pictures: bool = True, paths: bool = True) -> dict[str, Any]:
        """Copy the library as it is now into a folder that is not there yet, or empty; JSON-ready sums of the copy.

        pictures: False leaves out the latents. paths: False leaves out where files lie (not their names) and what was
        run. A copy that lacks either is another library, with a UUID of its own. Raises InputError for a folder that is
        taken, StoreError.
        """
        from vsearch.db.copying import Extent
        from vsearch.indexer.export import export_library

        export_library(self._reading(), self._shelf, Path(folder), Extent(pictures, paths))
        with Library.open(folder) as copy:
            info = copy.info()
        return {key: info[key] for key in ("format", "library", "uuid", "videos", "frames", "bytes_database")}

    def remove(self, videos: Sequence[str]) -> int:
        """Take videos out of the library, named as in `info`; how many. Originals are not touched.

        Raises InputError or AmbiguousError, before anything is removed, for a name that does not fit one video.
        """
        with self._writing() as store:
            return store.remove_videos(sorted({store.resolve(video) for video in videos}))

    # ---------------------------------------------------------------------------------------------- open and closed

    def close(self) -> None:
        """Give up the database. May be called twice."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reading(self) -> Store:
        """The store to read from. Raises NotALibraryError when there is no library (yet, or any more)."""
        if self._reader is None:
            self._reader = Store.open(self._location, writable=False)
        return self._reader

    def _is_there(self) -> bool:
        try:
            self._reading()
        except NotALibraryError:
            return False
        return True

    @contextmanager
    def _writing(self) -> Iterator[Store]:
        """The store to write to, locked. Reading is given up meanwhile, so that closing leaves one plain file."""
        self.close()
        with Store.open(self._location, writable=True, create=True) as store:
            yield store
        self._reader = Store.open(self._location, writable=False)


def _without_pictures(video: VideoRecord) -> str | None:
    """Why nothing of a video can be drawn, and what would change that."""
    if video.has_pictures:
        return None
    when = "" if video.online else ", once its original is online again"
    return f"v{video.id} is stored without pictures; `vsearch index --upgrade` brings them{when}"


def _clip_excerpt(clip: ClipRecord, footage: Footage) -> Excerpt:
    """A clip as it can be drawn."""
    from vsearch.render.frames import Excerpt

    first, stop = (
        seconds(pts, footage.start_pts, footage.time_base) for pts in (clip.clip.start_pts, clip.clip.end_pts)
    )
    return Excerpt(footage, first, stop, f"c{clip.id}")


def _absolute(path: PathLike) -> bytes:
    return os.fsencode(Path(path).absolute())


def _check_first_paths(paths: Sequence[PathLike]) -> None:
    """Nothing is made before it is sure that there is something to index."""
    if not paths:
        raise InputError("there is no library yet: name the files or folders to index")
    for path in paths:
        if not os.path.lexists(path):
            raise InputError(f"{display_path(os.fsencode(path))}: no such file or folder")


def _may_become_library(folder: Path) -> bool:
    """Whether a library can be made here: nothing is there, or an empty folder, or what a killed first run left."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return all(name in ("models", "cache") or name.startswith("library.") for name in names)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _versions() -> dict[str, str]:
    return {"vsearch": __version__, "python": platform.python_version(), "platform": platform.platform()}


def _arguments(roots: Sequence[bytes], config: IndexConfig) -> dict[str, Any]:
    """What a run was asked for, JSON-ready, so that it can be finished later."""
    return {
        "paths_b64": [b64encode(root).decode("ascii") for root in roots],
        "paths": [display_path(root) for root in roots],
        "fps": str(config.read.fps),
        "sampling": config.read.sampling,
        "volume": config.volume,
        "retry": config.retry,
        "preview_pixels": config.read.preview_pixels,
        "quality": config.quality,
        "effort": config.effort,
        "quality_check": config.quality_check,
        "upgrade": config.upgrade,
        "pictures": config.pictures,
    }


def _resumed(runs: Sequence[RunRecord], config: IndexConfig) -> list[tuple[list[bytes], IndexConfig]]:
    """What unfinished runs were asked for, each once. How fast it is done (device, threads) is as asked now."""
    asked: list[tuple[list[bytes], IndexConfig]] = []
    for run in runs:
        if (one := _asked_by(run, config)) not in asked:
            asked.append(one)
    return asked


def _asked_by(run: RunRecord, config: IndexConfig) -> tuple[list[bytes], IndexConfig]:
    """Roots and configuration of one run. Runs of older programs do not name what these did not know."""
    given: Mapping[str, Any] = run.arguments
    first = IndexConfig()
    read = replace(
        config.read,
        fps=Fraction(given["fps"]),
        sampling=given["sampling"],
        preview_pixels=given.get("preview_pixels", first.read.preview_pixels),
    )
    named = ("quality", "effort", "quality_check", "upgrade", "pictures")
    later = {name: given.get(name, getattr(first, name)) for name in named}
    wanted = replace(config, read=read, volume=given["volume"], retry=given["retry"], **later)
    return [b64decode(root) for root in given["paths_b64"]], wanted
