"""Embeddings again, from the stored pictures, with another head: no original is needed.

The new embeddings are written beside those that are searched, a video in one transaction; when the last is there, the
library's head is switched in one transaction that takes the old ones out. What kills the program costs the video under
way; searching goes on with the old head until the switch.

A head reads the latents of one codec. Videos that are stored with another, or without pictures, can only get
embeddings from their originals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import EmbeddingState
from vsearch.db.store import Store
from vsearch.errors import InputError, InterruptedRunError, LatentError
from vsearch.extract import BlockWriter
from vsearch.forms import FORMAT, named
from vsearch.indexer.embedding import CHUNKS_AT_ONCE, Batch, EmbeddingPool, LocalEmbedder, embedding_process
from vsearch.models import shipped_head_for
from vsearch.models.shelf import ModelShelf
from vsearch.models.weights import ModelFiles
from vsearch.progress import Progress
from vsearch.records import CHUNK_FRAMES
from vsearch.text import counted
from vsearch.workers.process import ProcessDiedError

MOST_WORKERS = 8  # each takes about half a gigabyte of memory
FRAMES_A_WORKER = 1024  # less work than this for each is done before processes have started


@dataclass(frozen=True, slots=True)
class LeftVideo:
    """A video that the head can't embed, and why."""

    video_id: int
    path: bytes | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        shown = named("video", self.path) if self.path is not None else {"video": None}
        return {"video_id": self.video_id, **shown, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """Sums of one run. `left`: videos that the head can't embed. `active_head`: what is searched with now, which is
    `head` where every video (but those left out on purpose) has its embeddings; `waiting`: videos that still lack them.
    """

    head: str
    active_head: str | None
    switched: bool
    videos: int = 0
    frames: int = 0
    unchanged: int = 0
    waiting: int = 0
    left: tuple[LeftVideo, ...] = ()
    elapsed_seconds: float = 0.0
    exit_status: int = 0

    def as_json(self) -> dict[str, Any]:
        """The object that `vsearch reembed --json` prints."""
        return {
            "format": FORMAT,
            "head": self.head,
            "active_head": self.active_head,
            "switched": self.switched,
            "videos": self.videos,
            "frames": self.frames,
            "unchanged": self.unchanged,
            "waiting": self.waiting,
            "left": [video.as_json() for video in self.left],
            "elapsed_seconds": round(self.elapsed_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """todo: videos to embed; left: those that can't be, by id, and why; unchanged: videos that are embedded already;
    waiting: videos that lack embeddings of the head and were not asked for.
    """

    todo: tuple[EmbeddingState, ...]
    left: dict[int, str]
    unchanged: int
    waiting: int


def make_plan(states: Sequence[EmbeddingState], *, codec_id: str, named_videos: Collection[int] | None) -> Plan:
    """What is to be embedded by a head that reads the latents of `codec_id`: of all videos those that it has not
    embedded, or (named) these, whether or not it has. Pure.
    """
    todo: list[EmbeddingState] = []
    left: dict[int, str] = {}
    unchanged = waiting = 0
    for state in states:
        reason = _obstacle(state, codec_id)
        if named_videos is not None and state.video_id not in named_videos:
            waiting += not state.embedded
        elif state.embedded and (named_videos is None or reason is not None):
            unchanged += 1
        elif reason is not None:
            left[state.video_id] = reason
        else:
            todo.append(state)
    return Plan(tuple(todo), left, unchanged, waiting)


def _obstacle(state: EmbeddingState, codec_id: str) -> str | None:
    if not state.codecs:
        return "it is stored without pictures"
    other = next((codec for codec in state.codecs if codec != codec_id), None)
    return f"its pictures are of codec {other[:12]}, the head reads {codec_id[:12]}" if other is not None else None


def reembed(
    store: Store,
    shelf: ModelShelf,
    videos: Sequence[str] | None,
    *,
    head: Path | None,
    leave_out: bool,
    device: str,
    workers: int | None,
    progress: Progress,
) -> ReembedReport:
    """What `Library.reembed` promises; see there."""
    meta = store.meta()
    if meta.active_codec is None or meta.active_head is None:
        raise InputError("the library holds no video yet: index some first")
    folder = head or shipped_head_for(meta.active_codec) or shelf.files(meta.active_head).folder
    files = ModelFiles.read(folder)
    if files.kind != "head":
        raise LatentError(f"{folder} is a {files.kind}, not an embedding head")
    shelf.check_pair(meta.active_codec, files)
    named_videos = None if videos is None else {store.resolve(video) for video in videos}
    plan = make_plan(store.embedding_states(files.model_id), codec_id=meta.active_codec, named_videos=named_videos)
    run = _Run(store, files.model_id, progress)
    if plan.todo and (leave_out or not plan.left):
        models = (shelf.files(meta.active_codec).folder, shelf.add(folder).folder)
        run.embed(plan.todo, models, device=device, workers=workers)
    return run.finish(plan, leave_out=leave_out)


class _Run:
    """Embedding videos, each committed when it is complete, and what became of them."""

    def __init__(self, store: Store, head_id: str, progress: Progress) -> None:
        self._store = store
        self._head_id = head_id
        self._progress = progress
        self._began = time.monotonic()
        self._left: dict[int, str] = {}
        self._videos = 0
        self._frames = 0

    def embed(
        self, todo: Sequence[EmbeddingState], models: tuple[Path, Path], *, device: str, workers: int | None
    ) -> None:
        """Embed these videos with the codec and the head in two folders. Raises InterruptedRunError after Ctrl-C,
        ProcessDiedError.
        """
        n = workers or worker_count(sum(state.n_frames for state in todo))
        total_bytes = sum(state.bytes_latents for state in todo)
        self._progress.start("embedding", total_files=len(todo), total_bytes=total_bytes)
        kind = LocalEmbedder if n == 1 else embedding_process
        try:
            with EmbeddingPool(lambda: kind(*models, device), n) as pool:
                results = pool.embed(self._batches(todo))
                states = {state.video_id: state for state in todo}
                for video_id, of_video in groupby(results, key=lambda result: result[0].video_id):
                    self._embed_one(states[video_id], of_video)
        except KeyboardInterrupt as interrupt:
            done = f"{self._videos:,} of {counted(len(todo), 'video')}"
            raise InterruptedRunError(
                f"stopped after {done}; they are kept, and the same command goes on from here"
            ) from interrupt
        except ProcessDiedError as error:
            raise ProcessDiedError(f"{error}; what was done is kept, and the same command goes on from here") from error
        finally:
            self._progress.finish()

    def finish(self, plan: Plan, *, leave_out: bool) -> ReembedReport:
        """Switch the library to the head if all its videos have their embeddings, and say what was done."""
        left = plan.left | self._left
        before = self._store.meta().active_head
        lacking = {state.video_id for state in self._store.embedding_states(self._head_id) if not state.embedded}
        waiting = lacking - left.keys()
        switched = self._head_id != before and not waiting and (leave_out or not left)
        if switched:
            self._store.switch_head(self._head_id, leaving_out=lacking)
        paths = self._store.paths(sorted(left))
        return ReembedReport(
            head=self._head_id,
            active_head=self._head_id if switched else before,
            switched=switched,
            videos=self._videos,
            frames=self._frames,
            unchanged=plan.unchanged,
            waiting=len(waiting),
            left=tuple(
                LeftVideo(video_id, paths[video_id][0].absolute if video_id in paths else None, reason)
                for video_id, reason in sorted(left.items())
            ),
            elapsed_seconds=time.monotonic() - self._began,
            exit_status=int(bool(left) and not leave_out),
        )

    def _batches(self, todo: Sequence[EmbeddingState]) -> Iterator[Batch]:
        """The chunks of videos, a few at a time; of one with damaged chunks those before."""
        span = CHUNKS_AT_ONCE * CHUNK_FRAMES
        for state in todo:
            try:
                for first in range(0, state.n_frames, span):
                    chunks = self._store.chunks(state.video_id, first, first + span)
                    if begun := [chunk for chunk in chunks if chunk.first_frame >= first]:
                        yield Batch(state.video_id, begun)
            except LatentError as error:
                self._left[state.video_id] = str(error)

    def _embed_one(
        self, state: EmbeddingState, results: Iterable[tuple[Batch, NDArray[np.float32] | LatentError]]
    ) -> None:
        parts: list[NDArray[np.float32]] = []
        for batch, result in results:
            if isinstance(result, LatentError):
                self._left.setdefault(state.video_id, f"v{state.video_id}: {result}")
            else:
                parts.append(result)
            self._progress.advance(bytes_=sum(len(chunk.data) for chunk in batch.chunks))
        if sum(map(len, parts)) != state.n_frames:
            self._left.setdefault(state.video_id, f"v{state.video_id}: some of its stored pictures are missing")
        if state.video_id not in self._left:
            self._commit(state.video_id, parts)
            self._videos += 1
            self._frames += state.n_frames
        self._progress.advance(files=1)

    def _commit(self, video_id: int, parts: Sequence[NDArray[np.float32]]) -> None:
        blocks = BlockWriter(self._head_id)
        low, done = self._store.low_information(video_id), 0
        for vectors in parts:
            blocks.add(vectors, low[done : done + len(vectors)])
            done += len(vectors)
        self._store.put_embeddings(video_id, blocks.finish())


def worker_count(n_frames: int) -> int:
    """How many embedders so many frames keep busy here."""
    return max(1, min(os.cpu_count() or 1, MOST_WORKERS, n_frames // FRAMES_A_WORKER))
