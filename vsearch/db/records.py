"""What the store gives back: frozen records around those of `vsearch.records`, with the ids that the library gave them.

Nothing here imports SQLAlchemy, so that callers can name these types for free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.records import (
    Clip,
    ContentIdentity,
    EmbeddingBlock,
    FileStamp,
    IndexSettings,
    MediaInfo,
    PathSighting,
    seconds,
)

VIDEO_STATES = ("ok", "partial")
LIST_STATES = ("ok", "partial", "failed", "offline")


def join_path(mount: bytes, path: bytes) -> bytes:
    """The absolute path of `path` inside the volume mounted at `mount`."""
    return mount.rstrip(b"/") + b"/" + path if path else mount


@dataclass(frozen=True, slots=True)
class MetaRecord:
    """What the library says about itself.

    `generation` grows by one with each commit that changes what can be found. `tombstones`: frames that were taken out
    since the removals were last forgotten (`Store.forget_removals`). `active_codec` and `active_head` are model ids.
    """

    uuid: str
    format_version: int
    generation: int
    tombstones: int
    active_codec: str | None
    active_head: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class PathRecord:
    """Where a copy of a video was seen last.

    `seen_at`: seconds since 1970, UTC. `online`: it was there when last looked for.
    """

    video_id: int
    sighting: PathSighting
    seen_at: int
    online: bool

    @property
    def absolute(self) -> bytes:
        """The absolute path, bytes, as of the last sighting."""
        return join_path(self.sighting.mount, self.sighting.path)

    @property
    def display(self) -> str:
        return self.sighting.display


@dataclass(frozen=True, slots=True)
class KnownPath:
    """What planning needs to know of a path that the library has: enough to tell `unchanged` from `changed`."""

    path: bytes
    video_id: int
    stamp: FileStamp
    state: str
    online: bool


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be indexed. It is skipped until it changes or a retry is asked for.

    `program_version`: what failed on it; `code` is the error class's permanent code.
    """

    sighting: PathSighting
    program_version: str
    code: str
    reason: str
    tried_at: int


@dataclass(frozen=True, slots=True, eq=False)
class VideoRecord:
    """A stored video without its frames. `paths`: the first is the one to show (online before offline, then oldest).

    `preview_size` is (height, width). `indexed_at`: seconds since 1970, UTC.
    """

    id: int
    revision: int
    identity: ContentIdentity
    info: MediaInfo
    settings: IndexSettings
    start_pts: int
    end_pts: int
    preview_size: tuple[int, int]
    n_frames: int
    n_shots: int
    n_clips: int
    bytes_latents: int
    bytes_embeddings: int
    state: str
    reason: str | None
    indexed_at: int
    paths: tuple[PathRecord, ...]

    @property
    def online(self) -> bool:
        """Whether any of its paths was there when last looked for."""
        return any(path.online for path in self.paths)

    @property
    def has_pictures(self) -> bool:
        """Whether latents are stored, from which its frames can be decoded."""
        return self.bytes_latents > 0

    @property
    def duration_s(self) -> float:
        return float((self.end_pts - self.start_pts) * self.info.time_base)


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """A clip with its public number (`c345`) and video."""

    id: int
    video_id: int
    clip: Clip


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """When a video's sampled frames are. pts: (n_frames,) int64, ascending, in `time_base`."""

    video_id: int
    time_base: Fraction
    start_pts: int
    end_pts: int
    pts: NDArray[np.int64]

    def seconds(self, number: int) -> float:
        """Seconds of frame `number` since the video's time zero."""
        return seconds(int(self.pts[number]), self.start_pts, self.time_base)


@dataclass(frozen=True, slots=True, eq=False)
class StoredBlock:
    """An embedding block of the library: frame i of it is frame `block.first_frame + i` of `video_id`."""

    video_id: int
    generation: int
    block: EmbeddingBlock


@dataclass(frozen=True, slots=True)
class EmbeddingState:
    """What a head can embed of a video, and whether it has.

    `codecs`: model ids of the codecs of its stored pictures, none where it has none. `embedded`: the library holds this
    head's embeddings of all its frames.
    """

    video_id: int
    n_frames: int
    bytes_latents: int
    codecs: tuple[str, ...]
    embedded: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What an index of generation `since` has to do to become one of generation `generation`.

    First take out every frame of the videos in `removed` (some may be unknown to it), then add what
    `Store.embedding_blocks(head_id, after=since)` yields.
    """

    since: int
    generation: int
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A volume that paths were seen on. `label` is for people; `mounts`: where it was mounted when they were seen."""

    identity: str
    label: str
    mounts: tuple[bytes, ...]
    n_paths: int
    n_online: int


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A codec or head that the library's latents or embeddings need. `kind`: "codec" | "head"."""

    model_id: str
    kind: str
    codec_id: int | None = None
    dimensions: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One indexing run. `finished_at` is None while it runs, or when it was killed."""

    id: int
    started_at: int
    finished_at: int | None
    arguments: Mapping[str, Any]
    versions: Mapping[str, Any]
    counts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TierTotals:
    """Sums over the videos that were stored with one quality and effort.

    `psnr_db` and `ssim`: means over the `clips_compared` clips whose pictures were compared with their frames; None
    without any.
    """

    quality: str
    effort: str
    videos: int
    frames: int
    seconds_of_video: float
    bytes_latents: int
    clips_compared: int
    psnr_db: float | None
    ssim: float | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the library. `offline`: videos without a path that is there; `failed`: files that could not be indexed;
    `without_pictures`: videos without latents.

    `bytes_database` is what the tables take on disk, everything included.
    """

    videos: int
    partial: int
    offline: int
    without_pictures: int
    failed: int
    paths: int
    frames: int
    shots: int
    clips: int
    seconds_of_video: float
    bytes_latents: int
    bytes_embeddings: int
    bytes_database: int
