"""Whether what comes out of a store is what went in."""

from __future__ import annotations

import numpy as np

from vsearch.db.store import Store
from vsearch.records import IndexedVideo


def assert_stored(store: Store, video_id: int, video: IndexedVideo) -> None:
    """Everything of `video` is in the store under `video_id`, exactly."""
    record = store.video(video_id)
    assert (record.identity, record.info, record.settings) == (video.identity, video.info, video.settings)
    assert (record.start_pts, record.end_pts, record.duration_s) == (video.start_pts, video.end_pts, video.duration_s)
    assert (record.state, record.reason, record.preview_size) == (video.state, video.reason, video.preview_size)
    sizes = (record.n_frames, record.n_shots, record.n_clips)
    assert sizes == (len(video.frame_pts), len(video.shots), len(video.clips))
    assert record.bytes_latents == sum(len(chunk.data) for chunk in video.chunks)
    assert record.bytes_embeddings == sum(block.vectors.nbytes for block in video.embeddings)
    assert store.shots(video_id) == video.shots
    assert tuple(one.clip for one in store.clips(video_id)) == video.clips
    assert store.chunks(video_id) == video.chunks
    timeline = store.timeline(video_id)
    assert np.array_equal(timeline.pts, video.frame_pts)
    assert (timeline.time_base, timeline.start_pts, timeline.end_pts) == (
        video.info.time_base,
        video.start_pts,
        video.end_pts,
    )
    for head in {block.head_id for block in video.embeddings}:
        stored = [one.block for one in store.embedding_blocks(head, video_ids=[video_id])]
        for ours, theirs in zip([block for block in video.embeddings if block.head_id == head], stored, strict=True):
            assert (ours.first_frame, ours.scale, ours.head_id) == (theirs.first_frame, theirs.scale, theirs.head_id)
            assert np.array_equal(ours.vectors, theirs.vectors)
            assert np.array_equal(ours.low_information, theirs.low_information)
