"""Records of videos that never were, for tests of the store."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from vsearch.records import (
    Clip,
    CodedChunk,
    ContainerFacts,
    ContentIdentity,
    EmbeddingBlock,
    FileStamp,
    IndexedVideo,
    IndexSettings,
    MediaInfo,
    PathSighting,
    Shot,
)

CODEC = "c" * 64
HEAD = "4" * 64

FACTS = ContainerFacts(
    recorded_at="2019-07-04T18:30:00+02:00",
    timecode="10:00:00;02",
    timecode_rate=Fraction(30000, 1001),
    drop_frame=True,
    reel="A001",
    camera="Panasonic AG-DVX100",
    audio_streams=2,
    subtitle_streams=1,
    tags={"format": {"encoder": "Lavf60.3.100", "title": "Ferien"}, "streams": [{"handler_name": "VideoHandler"}]},
)
INFO = MediaInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    codec="h264",
    pixel_format="yuv420p",
    width=1920,
    height=1080,
    pixel_aspect=Fraction(1),
    rotation=90,
    mirrored=False,
    display_aspect=Fraction(9, 16),
    time_base=Fraction(1, 90000),
    frame_rate=Fraction(30000, 1001),
    color_space="bt709",
    color_range="tv",
    color_primaries="bt709",
    color_transfer="bt709",
    claimed_duration_s=16.5,
    claimed_frames=495,
    still=False,
    facts=FACTS,
)
SETTINGS = IndexSettings(
    fps=Fraction(1),
    sampling="exact",
    clip_s=Fraction(10),
    preview_pixels=36864,
    reader="pyav",
    shot_detector="luma-1",
    threads=1,
)


def identity(name: str, size: int = 1_000_000) -> ContentIdentity:
    """The identity of content that is called `name`."""
    data = name.encode("utf-8", "surrogatepass")
    quick = hashlib.blake2b(b"quick" + data, digest_size=16).digest()
    return ContentIdentity(size, quick, hashlib.blake2b(data, digest_size=32).digest())


def chunk(first: int, n: int, data: bytes) -> CodedChunk:
    return CodedChunk(first, n, 1, 7, CODEC, data, hashlib.blake2b(data, digest_size=16).digest())


def indexed(name: str = "one", *, n: int = 17, d: int = 32, latent_bytes: int = 60, **changes: Any) -> IndexedVideo:
    """A video of n sampled frames, one a second, in two shots; its content depends on `name` alone."""
    noise = np.random.default_rng(list(name.encode("utf-8", "surrogatepass")))
    pts = 3003 + 90000 * np.arange(n, dtype=np.int64)
    end, cut = int(pts[-1]) + 90000, int(pts[n // 2])
    chunks = [
        chunk(at, min(32, n - at), noise.integers(0, 256, latent_bytes * min(32, n - at), dtype=np.uint8).tobytes())
        for at in range(0, n, 32)
    ]
    blocks = [
        EmbeddingBlock(
            HEAD,
            at,
            noise.integers(-127, 128, (min(4096, n - at), d), dtype=np.int8),
            1 / 127,
            noise.random(min(4096, n - at)) < 0.1,
        )
        for at in range(0, n, 4096)
    ]
    video = IndexedVideo(
        identity=identity(name),
        stamp=FileStamp(1_000_000, 1_700_000_000_123_456_789, 42),
        info=INFO,
        settings=SETTINGS,
        start_pts=3003,
        end_pts=end,
        preview_size=(256, 144),
        frame_pts=pts,
        shots=(Shot(3003, cut, "start", 1.0), Shot(cut, end, "cut", 0.75)) if n > 1 else (Shot(3003, end, "start", 1),),
        clips=(Clip(3003, cut, 0, 31.5, 0.91), Clip(cut, end, 1, None, None, True)) if n > 1 else (Clip(3003, end, 0),),
        chunks=tuple(chunks),
        embeddings=tuple(blocks),
        state="ok",
        reason=None,
    )
    return replace(video, **changes)


def sighting(
    path: bytes = b"a/one.mp4",
    *,
    volume: str = "uuid-1",
    label: str = "ARCHIVE",
    mount: bytes = b"/mnt/archive",
    **stamp: int,
) -> PathSighting:
    display = (mount.rstrip(b"/") + b"/" + path).decode("utf-8", "replace")
    seen = FileStamp(**{"size_bytes": 1_000_000, "mtime_ns": 1_700_000_000_123_456_789, "inode": 42, **stamp})
    return PathSighting(volume, label, mount, path, display, seen)
