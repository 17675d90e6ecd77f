"""An indexing run: scan, plan, then a pipeline of decoding processes whose results are committed in one place.

Each of `workers` threads owns one decoding process and takes one file at a time; as many encoders (`encoding`) work on
groups of frames of all files. The thread that called commits videos as they get ready, each in one transaction; what
kills the program costs the files under way and nothing else.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, cast

from vsearch.config import IndexConfig
from vsearch.db.records import PathRecord, join_path
from vsearch.db.store import Store
from vsearch.errors import InputError, InterruptedRunError, MediaError, UnavailableError, VsearchError
from vsearch.extract import FrameStream, extract_stream
from vsearch.indexer.encoding import EncodingPool, LocalEncoder
from vsearch.indexer.knowledge import gather, known_below
from vsearch.indexer.originals import find_originals
from vsearch.indexer.plan import STILL, Knowledge, Plan, make_plan, outdated_by
from vsearch.indexer.report import FailedPath, IndexReport
from vsearch.indexer.scan import Candidate, Scan, scan
from vsearch.indexer.volumes import volume_of
from vsearch.media.isolated import DecodeProcess
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.progress import Progress
from vsearch.records import FrameBatch, IndexedVideo, Reading, display_path
from vsearch.text import counted
from vsearch.workers.pairs import PairProcess

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """What a run encodes with, and the folders that other processes load it from."""

    codec: LatentCodec
    head: EmbeddingHead
    folders: tuple[Path, Path]


STILL_REASON = "a still picture, not a video"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one file: exactly one of `video`, `error` and `known` (its content is in the library, or on its
    way).

    `full_hash` is None when the file could not even be hashed.
    """

    candidate: Candidate
    full_hash: bytes | None = None
    video: IndexedVideo | None = None
    error: VsearchError | None = None


@dataclass(slots=True)
class _Job:
    """A file that is being read. `full_hash`: of its content, once it is known and claimed."""

    candidate: Candidate
    full_hash: bytes | None = None


class _StoppedError(Exception):
    """The run is being stopped: whoever notices gives up."""


class _StillError(MediaError):
    """A still picture."""

    code = STILL


def run_index(
    store: Store,
    paths: Sequence[bytes],
    config: IndexConfig,
    *,
    models: Callable[[], Models],
    library: bytes | None,
    progress: Progress,
    log: Path | None = None,
) -> IndexReport:
    """Bring the library up to date with files and folders. `models` is called when a file has to be read.

    paths: none, with `config.upgrade`, stand for the originals of all that the library keeps. Raises InputError for a
    path that is missing and unknown, StoreError when the library can't be written, InterruptedRunError after Ctrl-C. A
    bad file never stops the run.
    """
    with _Run(store, config, models=models, progress=progress, log=log) as run:
        return run.index(paths, library)


class _Run:
    """One run under way. Everything but `_work` happens in the thread that called."""

    def __init__(
        self, store: Store, config: IndexConfig, *, models: Callable[[], Models], progress: Progress, log: Path | None
    ) -> None:
        self._store = store
        self._config = config
        self._models = models
        self._progress = progress
        self._log = _open_log(log)
        self._tally = _Tally()
        self._known = Knowledge()
        self._mounts: dict[str, bytes] = {}  # where the volumes of this run's files are mounted now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log is not None:
            self._log.close()

    def index(self, paths: Sequence[bytes], library: bytes | None) -> IndexReport:
        began = time.monotonic()
        self._progress.start("scanning")
        found, self._known = survey(self._store, paths, self._config, library=library)
        self._progress.finish()
        self._mounts = {candidate.sighting.volume: candidate.sighting.mount for candidate in found.candidates}
        if self._config.upgrade and not paths:
            self._tally.unchanged += len(self._store.video_ids()) - len(self._known.outdated)
        problems = list(named_problems(self._store, found))
        plan = make_plan(found.candidates, self._known, retry=self._config.retry)
        self._note_scan(found, plan)
        self._settle(plan)
        if plan.to_read:
            self._read_all(plan.to_read)
        return self._report(plan, problems, time.monotonic() - began)

    def _note_scan(self, found: Scan, plan: Plan) -> None:
        for refusal in found.ignored:
            self._ignored(refusal.absolute, refusal.reason)
        for refusal in found.unreadable:
            self._failed(refusal.absolute, refusal.reason, refusal.code)
        for candidate, failure in plan.failed_before:
            if failure.code == STILL:
                self._ignored(candidate.absolute, failure.reason)
            else:
                self._failed(candidate.absolute, f"{failure.reason} (before; --retry tries again)", failure.code)

    def _settle(self, plan: Plan) -> None:
        """What needs no reading."""
        self._store.touch_paths(candidate.sighting for candidate in plan.unchanged)
        for candidate, key, known in plan.moved:
            self._store.add_path(known.video_id, candidate.sighting, moved_from=key)
        self._tally.unchanged += len(plan.unchanged) + len(plan.moved)
        absent: dict[str, list[bytes]] = defaultdict(list)
        for (volume, path), _ in plan.absent:
            absent[volume].append(path)
        for volume, gone in sorted(absent.items()):
            self._store.mark_offline(volume, paths=gone)

    def _read_all(self, candidates: Sequence[Candidate]) -> None:
        total_bytes = sum(candidate.sighting.stamp.size_bytes for candidate in candidates)
        self._progress.start("indexing", total_files=len(candidates), total_bytes=total_bytes)
        done = 0
        try:
            with Pipeline(self._store, self._config, self._models(), self._known, self._progress) as pipeline:
                waiting = list(candidates)
                while waiting:
                    again = []
                    for outcome in pipeline.outcomes(waiting):
                        settled = self._commit(outcome)
                        pipeline.settled(outcome)
                        if not settled:
                            again.append(outcome.candidate)
                            continue
                        done += 1
                        self._progress.advance(files=1, bytes_=outcome.candidate.sighting.stamp.size_bytes)
                    waiting = again
        except KeyboardInterrupt as interrupt:
            done_of = f"{done:,} of {counted(len(candidates), 'file')}"
            raise InterruptedRunError(
                f"stopped after {done_of}; they are kept, and the same command goes on from here"
            ) from interrupt
        finally:
            self._progress.finish()

    def _commit(self, outcome: Outcome) -> bool:
        """Write what became of a file, in one transaction. False when it has to be read after all."""
        if outcome.error is not None:
            self._commit_failure(outcome.candidate, outcome.error)
        elif outcome.video is not None:
            self._commit_video(outcome.candidate, outcome.video)
        elif outcome.full_hash is not None:
            return self._commit_path(outcome.candidate, outcome.full_hash)
        return True

    def _commit_failure(self, candidate: Candidate, error: VsearchError) -> None:
        reason = str(error).removeprefix(f"{display_path(candidate.absolute)}: ")
        if os.path.lexists(candidate.absolute):
            self._store.record_attempt(candidate.sighting, reason=reason, code=error.code)
        if error.code == STILL:
            self._ignored(candidate.absolute, reason)
        else:
            self._failed(candidate.absolute, reason, error.code)

    def _commit_video(self, candidate: Candidate, video: IndexedVideo) -> None:
        sighting = replace(candidate.sighting, stamp=video.stamp)
        known = self._known.paths.get(candidate.key)
        earlier = self._store.video_by_full_hash(video.identity.full_hash)
        if earlier is not None:
            self._tally.upgraded += self._asks_for_more(earlier)
        if earlier is None and known is not None:
            earlier = known.video_id
        if earlier is None:
            self._store.add_video(video, sighting)
        else:
            self._store.replace_video(earlier, video, sighting)
        self._tally.count(video)
        logger.info("indexed %s", candidate.sighting.display)

    def _asks_for_more(self, video_id: int) -> bool:
        """Whether more is asked for than is stored of a video."""
        stored = self._store.video(video_id)
        return outdated_by(self._config, stored.settings, pictures=stored.has_pictures)

    def _commit_path(self, candidate: Candidate, full_hash: bytes) -> bool:
        """A file whose content is known: touched, moved, or a copy.

        False when it is known no more: files that exchanged their names overwrite each other's last path, and the file
        with the same content that this one waited for may have failed.
        """
        video_id = self._store.video_by_full_hash(full_hash)
        if video_id is None:
            return False
        known = self._known.paths.get(candidate.key)
        if known is not None and known.video_id == video_id:
            self._store.touch_paths([candidate.sighting])
            self._tally.unchanged += 1
            return True
        gone = next((path for path in self._store.paths([video_id])[video_id] if self._is_gone(path)), None)
        moved_from = (gone.sighting.volume, gone.sighting.path) if gone is not None else None
        self._store.add_path(video_id, candidate.sighting, moved_from=moved_from)
        if moved_from is None:
            self._tally.copies += 1
        else:
            self._tally.unchanged += 1
        return True

    def _is_gone(self, path: PathRecord) -> bool:
        """Whether a known path is certainly not there any more: its volume is mounted, and the path is not on it."""
        mount = self._mounts.get(path.sighting.volume)
        if mount is not None:
            return not os.path.lexists(join_path(mount, path.sighting.path))
        here = volume_of(path.sighting.mount).identity == path.sighting.volume
        return here and not os.path.lexists(path.absolute)

    def _report(self, plan: Plan, problems: list[str], elapsed_s: float) -> IndexReport:
        tally = self._tally
        paths = self._store.paths(sorted({known.video_id for _, known in plan.absent}))
        offline = {video_id: own for video_id, own in paths.items() if not any(path.online for path in own)}
        missed = [own for video_id, own in offline.items() if self._config.upgrade and video_id in self._known.outdated]
        for own in missed:
            self._write_log("offline", own[0].absolute, "not upgraded: the original can't be seen now")
        good = tally.indexed + tally.partial + tally.unchanged + tally.copies
        return IndexReport(
            indexed=tally.indexed,
            partial=tally.partial,
            unchanged=tally.unchanged,
            copies=tally.copies,
            ignored=tally.ignored,
            failed=tuple(tally.failed),
            offline=len(offline),
            upgraded=tally.upgraded,
            not_upgraded=len(missed),
            clips=tally.clips,
            seconds_of_video=tally.seconds_of_video,
            elapsed_seconds=elapsed_s,
            bytes_latents=tally.bytes_latents,
            bytes_embeddings=tally.bytes_embeddings,
            problems=tuple(problems),
            exit_status=int(bool(problems) or (bool(tally.failed) and not good)),
        )

    def _ignored(self, path: bytes, reason: str) -> None:
        self._tally.ignored += 1
        self._write_log("ignored", path, reason)

    def _failed(self, path: bytes, reason: str, code: str) -> None:
        self._tally.failed.append(FailedPath(path, reason, code))
        self._write_log("failed", path, reason)
        logger.info("failed %s: %s", display_path(path), reason)

    def _write_log(self, what: str, path: bytes, reason: str) -> None:
        if self._log is not None:
            self._log.write(f"{what}\t{display_path(path)}\t{reason}\n")
            self._log.flush()


@dataclass(slots=True)
class _Tally:
    """The sums of a run."""

    indexed: int = 0
    partial: int = 0
    unchanged: int = 0
    upgraded: int = 0
    copies: int = 0
    ignored: int = 0
    failed: list[FailedPath] = field(default_factory=list)
    clips: int = 0
    seconds_of_video: float = 0.0
    bytes_latents: int = 0
    bytes_embeddings: int = 0

    def count(self, video: IndexedVideo) -> None:
        if video.state == "ok":
            self.indexed += 1
        else:
            self.partial += 1
        self.clips += len(video.clips)
        self.seconds_of_video += video.duration_s
        self.bytes_latents += sum(len(chunk.data) for chunk in video.chunks)
        self.bytes_embeddings += sum(block.vectors.nbytes for block in video.embeddings)


class Pipeline:
    """Decoding processes, the threads that read what they yield, and encoders. Leaving the context stops everything."""

    def __init__(self, store: Store, config: IndexConfig, models: Models, known: Knowledge, progress: Progress) -> None:
        self._store = store
        self._config = config
        self._models = models
        self._known = known
        self._progress = progress
        self._workers = worker_count(config)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="index")
        self._encoders = EncodingPool(LocalEncoder(models.codec, models.head), self._another_encoder, self._workers)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._decoders: list[DecodeProcess] = []
        self._claimed: set[bytes] = set()  # contents being read now
        self._waiting: dict[bytes, list[Outcome]] = defaultdict(list)  # other files with such a content
        self._ready: list[Outcome] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)  # first, so that nobody takes another file meanwhile
        with self._lock:
            decoders = list(self._decoders)
        for decoder in decoders:
            decoder.close()
        self._encoders.__exit__(kind, error, trace)
        self._pool.shutdown(wait=True)

    def _another_encoder(self) -> PairProcess:
        return PairProcess(*self._models.folders, device=self._config.device, threads=self._config.threads)

    def outcomes(self, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        """What became of each file, as it gets ready. Call `settled` with each before asking for the next."""
        waiting = iter(candidates)
        running: set[Future[Outcome]] = set()
        while True:
            while self._ready:
                yield self._ready.pop()
            for candidate in waiting:
                running.add(self._pool.submit(self._work, candidate))
                if len(running) >= 2 * self._workers:
                    break
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                outcome = future.result()
                if not self._put_off(outcome):
                    yield outcome

    def settled(self, outcome: Outcome) -> None:
        """An outcome is committed: files with the same content, which waited for it, come next."""
        if outcome.full_hash is None or (outcome.video is None and outcome.error is None):
            return
        with self._lock:
            self._claimed.discard(outcome.full_hash)
        for other in self._waiting.pop(outcome.full_hash, ()):
            self._ready.append(replace(other, error=outcome.error))

    def _put_off(self, outcome: Outcome) -> bool:
        """Whether a file waits for another one with the same content, which is being read."""
        if outcome.video is not None or outcome.error is not None or outcome.full_hash is None:
            return False
        with self._lock:
            busy = outcome.full_hash in self._claimed
        if busy:
            self._waiting[outcome.full_hash].append(outcome)
        return busy

    def _work(self, candidate: Candidate) -> Outcome:
        """Read one file, in a thread of the pool. Whatever is wrong with it costs this file only."""
        job = _Job(candidate)
        if self._stop.is_set():
            raise _StoppedError
        self._progress.file(candidate.sighting.display)
        try:
            return self._read(job)
        except UnavailableError:
            raise
        except VsearchError as error:
            if self._stop.is_set():
                raise _StoppedError from error
            return Outcome(candidate, job.full_hash, error=error)
        except (_StoppedError, CancelledError):
            raise
        except Exception as error:
            logger.exception("%s", candidate.sighting.display)
            return Outcome(candidate, job.full_hash, error=VsearchError(f"{type(error).__name__}: {error}"))

    def _read(self, job: _Job) -> Outcome:
        """Read a file as it is to be read, which its content decides.

        That is known when reading has begun. A file that is not the video that its path was known for is begun anew
        where this makes a difference.
        """
        path = self._known.paths.get(job.candidate.key)
        config = self._wanted(path.video_id if path is not None else None)
        while True:
            with self._decoder().read(job.candidate.absolute, config.read) as stream:
                if stream.info.still:
                    raise _StillError(STILL_REASON)
                identity = stream.identity.full_hash
                if job.full_hash is None and not self._claim(identity):
                    return Outcome(job.candidate, identity)
                if job.full_hash not in (None, identity):
                    raise MediaError("it changed while it was read")
                job.full_hash = identity
                wanted = self._wanted(self._store.video_by_full_hash(identity))
                if wanted.read == config.read:
                    watched = _WatchedStream(stream, self._stop, self._progress)
                    codec, head = self._models.codec, self._models.head
                    video = extract_stream(watched, config=wanted, codec=codec, head=head, keep=self._encoders.keep)
                    return Outcome(job.candidate, identity, video=video)
            config = wanted

    def _wanted(self, video_id: int | None) -> IndexConfig:
        """How a video is to be read: in nothing less than it is stored already."""
        return self._config if video_id is None else self._known.outdated.get(video_id, self._config)

    def _claim(self, full_hash: bytes) -> bool:
        """Whether this content is to be read here: it is neither known well enough nor being read elsewhere."""
        with self._lock:
            if full_hash in self._claimed:
                return False
            known = self._store.video_by_full_hash(full_hash)
            if known is not None and known not in self._known.outdated:
                return False
            self._claimed.add(full_hash)
            return True

    def _decoder(self) -> DecodeProcess:
        """The decoding process of this thread."""
        if not hasattr(self._local, "decoder"):
            with self._lock:
                if self._stop.is_set():
                    raise _StoppedError
                self._local.decoder = DecodeProcess(self._config.read)
                self._decoders.append(self._local.decoder)
        decoder: DecodeProcess = self._local.decoder
        return decoder


class _WatchedStream:
    """A stream that reports progress and gives up when the run is stopped."""

    def __init__(self, stream: FrameStream, stop: threading.Event, progress: Progress) -> None:
        self._stream = stream
        self._stop = stop
        self._progress = progress

    def __iter__(self) -> Iterator[FrameBatch]:
        before: int | None = None
        for batch in self._stream:
            if self._stop.is_set():
                raise _StoppedError
            yield batch
            last = int(batch.pts[-1])
            self._progress.advance(
                seconds_of_video=float((last - (last if before is None else before)) * batch.time_base)
            )
            before = last

    @property
    def reading(self) -> Reading:
        return self._stream.reading


def worker_count(config: IndexConfig) -> int:
    """How many files are read at a time."""
    return config.workers or min(4, os.cpu_count() or 1)


def survey(
    store: Store, paths: Sequence[bytes], config: IndexConfig, *, library: bytes | None
) -> tuple[Scan, Knowledge]:
    """What is there, and what the library knows of it. An upgrade without paths: the originals to be read again."""
    if config.upgrade and not paths:
        return find_originals(store, config)
    found = scan(paths, library=library, volume=config.volume)
    return found, gather(store, found.roots, found.candidates, config)


def named_problems(store: Store | None, found: Scan) -> Iterator[str]:
    """A line for each named path that is missing or empty although the library knows videos there.

    Raises InputError for a path that is missing and unknown.
    """
    for root in (*found.missing, *found.empty):
        videos = {path.video_id for path in known_below(store, root).values()} if store is not None else set()
        if videos:
            known = counted(len(videos), "known video is", "known videos are")
            yield f"{display_path(root)}: {known} offline (not mounted?)"
        elif root in found.missing:
            raise InputError(f"{display_path(root)}: no such file or folder")


def start_log(log: Path | None) -> None:
    """Empty the log file, to which the runs of one command then add. Raises InputError when it can't be written."""
    log_file = _open_log(log, "w")
    if log_file is not None:
        log_file.close()


def _open_log(log: Path | None, mode: str = "a") -> TextIO | None:
    try:
        return cast(TextIO, log.open(mode, encoding="utf-8")) if log is not None else None
    except OSError as error:
        raise InputError(f"{log}: the log can't be written: {error.strerror}") from error
