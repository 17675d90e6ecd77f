"""The records that layers exchange: frozen dataclasses and numpy arrays, no tensors, no rows.

Times inside the program are integers: a presentation time (`pts`) counted in a stream's `time_base` (seconds a tick, a
Fraction). Ranges are half open. Seconds (names ending in `_s`) appear only where people read them; they count from the
video's `start_pts` (product definition of *time zero*).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_NUMBER_BITS = 24
MAX_FRAMES = 1 << FRAME_NUMBER_BITS
MAX_VIDEO_ID = (1 << 39) - 1
CHUNK_FRAMES = 32


def frame_id(video_id: int, number: int) -> int:
    """The public 64-bit id of a frame: video id above, number among the video's sampled frames (pts order) below."""
    if not 1 <= video_id <= MAX_VIDEO_ID or not 0 <= number < MAX_FRAMES:
        raise ValueError(f"no frame id for video {video_id}, frame {number}")
    return video_id << FRAME_NUMBER_BITS | number


def split_frame_id(identity: int) -> tuple[int, int]:
    """(video id, frame number) of a public frame id."""
    return identity >> FRAME_NUMBER_BITS, identity & (MAX_FRAMES - 1)


def seconds(pts: int, start_pts: int, time_base: Fraction) -> float:
    """Seconds since the video's time zero, for people."""
    return float((pts - start_pts) * time_base)


def display_path(path: bytes) -> str:
    """A path for people: UTF-8; what is invalid, unprintable or turns the writing direction escaped (`\\n`)."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def path_b64(path: bytes) -> str | None:
    """Base64 of the path's bytes, for the `..._b64` beside a display form in JSON; None where that form is exact."""
    return None if display_path(path).encode() == path else b64encode(path).decode("ascii")


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the container says about a recording, kept as it was claimed at the first reading.

    `recorded_at` is ISO 8601, with its zone where the container gives one. `timecode` is `HH:MM:SS:FF` (`;` before the
    frames when drop-frame); `timecode_rate` its frames a second. `tags` holds every other tag, container and stream,
    cut to 64 KB of JSON.
    """

    recorded_at: str | None = None
    timecode: str | None = None
    timecode_rate: Fraction | None = None
    drop_frame: bool | None = None
    reel: str | None = None
    camera: str | None = None
    audio_streams: int = 0
    subtitle_streams: int = 0
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file's header says about its video stream.

    `width` and `height` are the stored pixels; `display_aspect` is width over height as people see it, after pixel
    aspect and rotation. `rotation` is clockwise degrees (0, 90, 180, 270) to apply, `mirrored` a horizontal flip
    applied before it. `claimed_*` come from headers and may lie or be absent. `still`: an image container with one
    frame.
    """

    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    pixel_aspect: Fraction
    rotation: int
    mirrored: bool
    display_aspect: Fraction
    time_base: Fraction
    frame_rate: Fraction | None
    color_space: str | None
    color_range: str | None
    color_primaries: str | None
    color_transfer: str | None
    claimed_duration_s: float | None
    claimed_frames: int | None
    still: bool
    facts: ContainerFacts

    @property
    def hdr(self) -> bool:
        """Whether the transfer is PQ or HLG, so that pictures are tone-mapped."""
        return self.color_transfer in ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, slots=True)
class ContentIdentity:
    """What makes a video itself, whatever its path: length, a hash of head, middle and tail, the full blake2b-256."""

    size_bytes: int
    quick_hash: bytes
    full_hash: bytes


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it was seen: used to notice that it changed. `mtime_ns` in nanoseconds."""

    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class PathSighting:
    """Where a copy of a video was seen: a path is known by its volume and the bytes of its path inside it.

    `mount` is where the volume was mounted at that time (absolute, bytes), so that `mount/path` is the absolute path.
    """

    volume: str
    volume_label: str
    mount: bytes
    path: bytes
    display: str
    stamp: FileStamp


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Consecutive sampled frames of one video. frames: (T, 3, H, W) uint8 RGB, display orientation; pts: (T,) int64."""

    frames: NDArray[np.uint8]
    pts: NDArray[np.int64]
    time_base: Fraction

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[1] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be (T, 3, H, W) uint8, not {self.frames.shape} {self.frames.dtype}")
        if self.pts.shape != self.frames.shape[:1] or self.pts.dtype != np.int64:
            raise ValueError(f"pts must be ({len(self.frames)},) int64, not {self.pts.shape} {self.pts.dtype}")

    def __repr__(self) -> str:
        return f"FrameBatch(frames={self.frames.shape}, pts={list(self.pts[:3])}..., time_base={self.time_base})"


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts, [start_pts, end_pts). `kind`: how its first boundary was found; `strength` in [0, 1]."""

    start_pts: int
    end_pts: int
    kind: str  # "start" | "cut" | "fade" | "dissolve"
    strength: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A stored interval inside one shot, [start_pts, end_pts): what a hit points at and what is clustered.

    `psnr_db` (RGB, at most 60 a frame) and `ssim` (luma) compare what the library shows with the sampled frames: means
    over the clip's frames, None where they were not compared. `low_information`: no frame in it can be told apart.
    """

    start_pts: int
    end_pts: int
    shot: int
    psnr_db: float | None = None
    ssim: float | None = None
    low_information: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one complete pass over a file found, beside the sampled frames.

    `end_pts` is where the last frame ends. `state` is "ok" or "partial" (then `reason` says why). `frames_decoded`
    counts every decoded frame; `frame_pts` are the sampled ones, ascending.
    """

    info: MediaInfo
    reader: str
    identity: ContentIdentity
    stamp: FileStamp
    start_pts: int
    end_pts: int
    frames_decoded: int
    frame_pts: tuple[int, ...]
    shots: tuple[Shot, ...]
    state: str
    reason: str | None

    @property
    def duration_s(self) -> float:
        return float((self.end_pts - self.start_pts) * self.info.time_base)


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """Integer latents of consecutive sampled frames of one video. values: (T, C, H/16, W/16) int16.

    `model_id` names the weights that give them meaning; `codec_id` the bitstream family that they are packed with;
    `level` how finely they were quantised, on the codec's own scale (higher is finer; 0 where a codec has one only);
    `retouching` what else is known of their pictures, in the codec's own bytes (empty: nothing), of no use for anything
    but decoding them.
    """

    values: NDArray[np.int16]
    codec_id: int
    model_id: str
    level: int = 0
    retouching: bytes = b""

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.dtype != np.int16:
            raise ValueError(f"values must be (T, C, h, w) int16, not {self.values.shape} {self.values.dtype}")

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Latents(values={self.values.shape}, codec_id={self.codec_id}, model_id={self.model_id[:12]}...)"


@dataclass(frozen=True, slots=True)
class CodedChunk:
    """The coded latents of up to 32 consecutive sampled frames. `checksum` is blake2b-128 of `data`."""

    first_frame: int
    n_frames: int
    format_version: int
    codec_id: int
    model_id: str
    data: bytes
    checksum: bytes


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingBlock:
    """Embeddings of up to 4,096 consecutive sampled frames, quantised.

    vectors: (n, d) int8; the unit vector is `vectors * scale`, renormalised. low_information: (n,) bool, True for
    frames that are never searched.
    """

    head_id: str
    first_frame: int
    vectors: NDArray[np.int8]
    scale: float
    low_information: NDArray[np.bool_]

    def unit_vectors(self) -> NDArray[np.float32]:
        """(n, d) float32, unit length (zero rows stay zero)."""
        vectors = self.vectors.astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
        return unit


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How a video was read: recorded with it, and a reason to read it again when better ones are asked for.

    `level`: how finely its latents were quantised, on its codec's own scale; that codec's level of `quality` then.
    """

    fps: Fraction
    sampling: str  # "exact" | "keyframes"
    clip_s: Fraction
    preview_pixels: int
    reader: str
    shot_detector: str
    threads: int
    quality: str = "default"  # "low" | "default" | "high"
    effort: str = "default"  # "fast" | "default" | "archive"
    level: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class IndexedVideo:
    """All that the library stores of one video: the result of the pure indexing function, ready to be committed."""

    identity: ContentIdentity
    stamp: FileStamp
    info: MediaInfo
    settings: IndexSettings
    start_pts: int
    end_pts: int
    preview_size: tuple[int, int]  # (height, width)
    frame_pts: NDArray[np.int64]
    shots: tuple[Shot, ...]
    clips: tuple[Clip, ...]
    chunks: tuple[CodedChunk, ...]
    embeddings: tuple[EmbeddingBlock, ...]
    state: str
    reason: str | None

    @property
    def duration_s(self) -> float:
        return float((self.end_pts - self.start_pts) * self.info.time_base)


@dataclass(frozen=True, slots=True)
class Segment:
    """One aligned pair of ranges, in seconds from each side's time zero.

    rate: video seconds a query second; negative where the query plays backwards. matched_frames: of the query.
    query_coverage, video_coverage: the share of all that was asked with, and of the whole video, that the ranges are.
    own: what of a probability counts in the score, less than 1 where next to nothing but recurring material matched.
    details: of the pictures of both sides, how many are alike and in the same places (None: nobody looked).
    """

    query_start_s: float
    query_end_s: float
    start_s: float
    end_s: float
    rate: float
    similarity: float
    score: float
    matched_frames: int
    query_coverage: float
    video_coverage: float
    own: float = 1.0
    details: int | None = None

    def video_times(self, query_times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """When the video shows what the query shows at these times."""
        first_s = self.start_s if self.rate > 0 else self.end_s
        return np.asarray(first_s + self.rate * (query_times_s - self.query_start_s))

    def query_times(self, video_times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """When the query shows what the video shows at these times: the inverse of `video_times`."""
        first_s = self.start_s if self.rate > 0 else self.end_s
        return np.asarray(self.query_start_s + (video_times_s - first_s) / self.rate)

    def at_rate(self, rate: float, duration_s: float) -> Segment:
        """The segment if the video passes at another rate about its middle, as far as the video, of this duration, has
        it.
        """
        middle_s, half_s = (self.start_s + self.end_s) / 2, (self.query_end_s - self.query_start_s) / 2
        wide_s = half_s * abs(rate)
        wide = replace(self, rate=rate, start_s=middle_s - wide_s, end_s=middle_s + wide_s)
        start_s, end_s = max(wide.start_s, 0.0), min(wide.end_s, duration_s)
        first_s, last_s = np.sort(wide.query_times(np.array([start_s, end_s]))).tolist()
        share = (last_s - first_s) / (2 * half_s) if half_s > 0 else 1.0
        return replace(
            wide,
            start_s=start_s,
            end_s=end_s,
            query_start_s=first_s,
            query_end_s=last_s,
            query_coverage=self.query_coverage * share,
            video_coverage=self.video_coverage * (end_s - start_s) / max(self.end_s - self.start_s, 1e-9),
        )

    def shifted(self, by_s: float, duration_s: float) -> Segment:
        """The segment if the query shows everything so much later than it says, as far as the video, of this duration,
        has it.
        """
        start_s, end_s = (min(max(time - by_s * self.rate, 0.0), duration_s) for time in (self.start_s, self.end_s))
        first_s, last_s = np.clip(
            np.sort(self.query_times(np.array([start_s, end_s])) + by_s), self.query_start_s, self.query_end_s
        ).tolist()
        shares = [
            1.0 if before <= 0 else after / before
            for before, after in (
                (self.query_end_s - self.query_start_s, last_s - first_s),
                (self.end_s - self.start_s, end_s - start_s),
            )
        ]
        return replace(
            self,
            query_start_s=first_s,
            query_end_s=last_s,
            start_s=start_s,
            end_s=end_s,
            query_coverage=self.query_coverage * shares[0],
            video_coverage=self.video_coverage * shares[1],
        )


@dataclass(frozen=True, slots=True)
class Pairing:
    """One frame of a query and one of a video, in seconds from their time zeros, and their cosine."""

    query_s: float
    video_s: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: a segment in a video of the library, with its rate and coverage. For an image query the query times
    are None.

    `video` is the display form of the absolute path; `video_b64` its bytes where that form is not exact. `example`: of
    several examples that were asked with, the one whose times the query times are. `details`: see `Segment`.
    `others`: further hits in the same video, clip or shot, best first, when hits are grouped by it.
    """

    rank: int
    video_id: int
    video: str
    volume: str
    online: bool
    clip_id: int | None
    start_s: float
    end_s: float
    query_start_s: float | None
    query_end_s: float | None
    similarity: float
    score: float
    rate: float
    query_coverage: float
    video_coverage: float
    score_kind: str = "uncalibrated"
    view: str = ""
    details: int | None = None
    video_b64: str | None = None
    example: str | None = None
    others: tuple[Hit, ...] = ()
