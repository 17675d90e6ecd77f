"""A look ahead: what a run would do, how long it would take here, and how large the library would get. Writes
nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vsearch.config import IndexConfig
from vsearch.db.store import Store
from vsearch.errors import MediaError
from vsearch.extract import extract
from vsearch.indexer.plan import STILL, Knowledge, Plan, make_plan
from vsearch.indexer.report import DryRun, FailedPath
from vsearch.indexer.run import Models, named_problems, survey, worker_count
from vsearch.indexer.scan import Candidate, Scan, scan
from vsearch.media.isolated import DecodeProcess
from vsearch.progress import Progress
from vsearch.records import IndexedVideo

HEADERS = 200  # files whose headers are opened to learn how long videos are
SAMPLES = 4  # files that are read in part to learn how fast this goes here
SAMPLE_S = 20.0  # seconds read of each
RECORD_BYTES = 200  # what the tables take for a sampled frame's share of times, clips and indexes, about


@dataclass(frozen=True, slots=True)
class _Speed:
    """What reading the samples cost: a second of video in seconds of work and bytes of library."""

    files: int
    work: float
    size_bytes: float


def dry_run(
    store: Store | None,
    paths: Sequence[bytes],
    config: IndexConfig,
    *,
    models: Callable[[], Models],
    library: bytes | None,
    progress: Progress,
) -> DryRun:
    """What `run_index` would do with the same arguments. `store`: None where there is no library yet.

    Raises InputError for a path that is missing (and unknown).
    """
    progress.start("scanning")
    if store is not None:
        found, known = survey(store, paths, config, library=library)
    else:
        found, known = scan(paths, library=library, volume=config.volume), Knowledge()
    progress.finish()
    plan = make_plan(found.candidates, known, retry=config.retry)
    problems = tuple(named_problems(store, found))
    with DecodeProcess(config.read) as decoder:
        seconds_of_video = _total_seconds(plan.to_read, decoder)
        speed = _measure(plan.to_read, config, models, decoder, progress)
    failed = _failed(found, plan)
    return DryRun(
        files=len(plan.to_read),
        unchanged=len(plan.unchanged) + len(plan.moved),
        ignored=len(found.ignored) + len(plan.failed_before) + len(found.unreadable) - len(failed),
        failed=failed,
        bytes_of_video=_bytes(plan.to_read),
        seconds_of_video=seconds_of_video,
        estimated_seconds=seconds_of_video * speed.work / worker_count(config),
        estimated_bytes=round(seconds_of_video * speed.size_bytes) - _replaced_bytes(store, plan, known),
        sampled=speed.files,
        problems=problems,
        exit_status=int(bool(problems)),
    )


def _failed(found: Scan, plan: Plan) -> tuple[FailedPath, ...]:
    before = [(c.absolute, failure.reason, failure.code) for c, failure in plan.failed_before if failure.code != STILL]
    unreadable = [(refusal.absolute, refusal.reason, refusal.code) for refusal in found.unreadable]
    return tuple(FailedPath(*failure) for failure in unreadable + before)


def _replaced_bytes(store: Store | None, plan: Plan, known: Knowledge) -> int:
    """What is stored now of the videos that would be read again."""
    paths = (known.paths.get(candidate.key) for candidate in plan.to_read)
    again = {path.video_id for path in paths if path is not None and path.video_id in known.outdated}
    videos = [store.video(video_id) for video_id in again] if store is not None else []
    return sum(v.bytes_latents + v.bytes_embeddings + RECORD_BYTES * v.n_frames for v in videos)


def _total_seconds(candidates: Sequence[Candidate], decoder: DecodeProcess) -> float:
    """Seconds of all videos: what headers claim, carried over by size to those that are not opened or claim nothing."""
    seconds = 0.0
    opened: list[Candidate] = []
    for candidate in _spread(candidates, HEADERS):
        claimed = _claimed_seconds(candidate, decoder)
        if claimed is not None:
            seconds += claimed
            opened.append(candidate)
    share = _bytes(opened) / max(1, _bytes(candidates))
    return seconds / share if share else 0.0


def _claimed_seconds(candidate: Candidate, decoder: DecodeProcess) -> float | None:
    try:
        with decoder.read(candidate.absolute, identify=False) as stream:
            return stream.info.claimed_duration_s
    except MediaError:
        return None


def _measure(
    candidates: Sequence[Candidate],
    config: IndexConfig,
    models: Callable[[], Models],
    decoder: DecodeProcess,
    progress: Progress,
) -> _Speed:
    """Read the beginnings of a few files as a run would."""
    if not candidates:
        return _Speed(0, 0.0, 0.0)
    loaded = models()
    short = replace(config, read=replace(config.read, end_s=SAMPLE_S))
    seconds = work = size = 0.0
    read = 0
    for candidate in _spread(candidates, SAMPLES):
        progress.file(candidate.sighting.display)
        began = time.monotonic()
        try:
            video = extract(candidate.absolute, config=short, codec=loaded.codec, head=loaded.head, decoder=decoder)
        except MediaError:
            continue
        work += time.monotonic() - began
        seconds += min(video.duration_s, SAMPLE_S)
        size += _stored_bytes(video)
        read += 1
    return _Speed(read, work / seconds, size / seconds) if seconds else _Speed(read, 0.0, 0.0)


def _stored_bytes(video: IndexedVideo) -> int:
    chunks = sum(len(chunk.data) for chunk in video.chunks)
    return chunks + sum(block.vectors.nbytes for block in video.embeddings) + RECORD_BYTES * len(video.frame_pts)


def _spread(candidates: Sequence[Candidate], at_most: int) -> Sequence[Candidate]:
    """At most so many, evenly over all."""
    return candidates[:: max(1, -(-len(candidates) // at_most))]


def _bytes(candidates: Sequence[Candidate]) -> int:
    return sum(candidate.sighting.stamp.size_bytes for candidate in candidates)
