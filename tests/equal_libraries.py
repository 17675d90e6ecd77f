"""Whether two libraries hold the same, by content identity and pts: without row ids, generations and times of day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vsearch.db.store import Store


def contents(location: Path | str) -> dict[str, Any]:
    """Everything of a library that has to be the same after kills or in other processes, in one comparable form."""
    with Store.open(location, writable=False) as store:
        meta = store.meta()
        return {
            "models": sorted((m.model_id, m.kind, m.codec_id, m.dimensions) for m in store.models()),
            "active": (meta.active_codec, meta.active_head),
            "videos": {video.identity.full_hash: _video(store, video.id) for video in store.videos()},
            "failures": sorted((f.sighting.volume, f.sighting.path, f.code, f.reason) for f in store.failures()),
        }


def _video(store: Store, video_id: int) -> dict[str, Any]:
    record, timeline = store.video(video_id), store.timeline(video_id)
    return {
        "record": (record.identity, record.info, record.settings, record.preview_size, record.state, record.reason),
        "times": (timeline.time_base, timeline.start_pts, timeline.end_pts, timeline.pts.tolist()),
        "shots": store.shots(video_id),
        "clips": [clip.clip for clip in store.clips(video_id)],
        "chunks": store.chunks(video_id),
        "blocks": [
            (
                b.block.head_id,
                b.block.first_frame,
                b.block.scale,
                b.block.vectors.tobytes(),
                b.block.low_information.tolist(),
            )
            for head in store.models()
            if head.kind == "head"
            for b in store.embedding_blocks(head.model_id, video_ids=[video_id])
        ],
        "paths": sorted(
            (p.sighting.volume, p.sighting.path, p.sighting.mount, p.sighting.stamp.size_bytes, p.online)
            for p in record.paths
        ),
    }


def assert_equal_libraries(one: Path | str, other: Path | str) -> None:
    """Fails with the first kind of thing that differs."""
    ours, theirs = contents(one), contents(other)
    for key in ("models", "active", "failures"):
        assert ours[key] == theirs[key], key
    assert ours["videos"].keys() == theirs["videos"].keys()
    for identity, video in ours["videos"].items():
        for key, value in video.items():
            assert value == theirs["videos"][identity][key], (identity.hex()[:16], key)
