"""Embeddings under another head: written beside those that are searched, which they then replace. Each function runs
inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select, update

from vsearch.db import rows, writing
from vsearch.db.records import EmbeddingState, ModelRecord
from vsearch.db.tables import ChunkRow, EmbeddingRow, Meta, Model, Video
from vsearch.errors import InputError, StoreError
from vsearch.records import EmbeddingBlock


def states(connection: Connection, head_id: str) -> list[EmbeddingState]:
    """Of every video, in the order of their ids: what there is to embed, and how much is embedded by this head."""
    embedded = _embedded(connection, head_id)
    codecs: dict[int, list[str]] = defaultdict(list)
    met = select(ChunkRow.video_id, Model.model_id).join(Model, ChunkRow.model_id == Model.id).distinct()
    for video_id, codec in connection.execute(met.order_by(ChunkRow.video_id, Model.model_id)):
        codecs[video_id].append(codec)
    videos = connection.execute(select(Video.id, Video.n_frames, Video.bytes_latents).order_by(Video.id))
    return [
        EmbeddingState(video_id, n_frames, size, tuple(codecs[video_id]), embedded.get(video_id, 0) == n_frames)
        for video_id, n_frames, size in videos
    ]


def low_information(connection: Connection, video_id: int) -> NDArray[np.bool_]:
    """(n_frames,) bool: the marks of a video's frames, which no head decides. Raises StoreError when none are kept."""
    n_frames = connection.scalar(select(Video.n_frames).where(Video.id == video_id))
    query = (
        select(*EmbeddingRow.__table__.c, Model.model_id.label("model_name"))
        .join(Model, EmbeddingRow.model_id == Model.id)
        .where(EmbeddingRow.video_id == video_id)
        .order_by(EmbeddingRow.model_id, EmbeddingRow.first_frame)
    )
    marks: dict[int, list[NDArray[np.bool_]]] = defaultdict(list)
    for row in connection.execute(query):
        marks[row.model_id].append(rows.block_of(row).block.low_information)
    for of_head in marks.values():
        if sum(map(len, of_head)) == n_frames:
            return np.concatenate(of_head)
    raise StoreError(f"v{video_id}: its embeddings are incomplete: index it again")


def put(connection: Connection, video_id: int, blocks: Sequence[EmbeddingBlock]) -> None:
    """Keep a video's blocks of one head, in place of those of that head."""
    writing.require_video(connection, video_id)
    generation = writing.next_generation(connection)
    model = writing.model_row(connection, ModelRecord(blocks[0].head_id, "head", dimensions=blocks[0].vectors.shape[1]))
    old = (EmbeddingRow.video_id == video_id, EmbeddingRow.model_id == model)
    connection.execute(delete(EmbeddingRow).where(*old))
    for block in blocks:
        connection.execute(
            insert(EmbeddingRow).values(rows.block_values(video_id, block, model=model, generation=generation))
        )
    _count_bytes(connection, video_id)


def switch(connection: Connection, head_id: str, leaving_out: Collection[int]) -> None:
    """Search with another head from now on. The videos that it has embedded lose what other heads made of them.

    leaving_out: videos that may lack embeddings of this head; they keep what they have. Raises InputError when any
    other lacks some.
    """
    embedded = _embedded(connection, head_id)
    frames = {row.id: row.n_frames for row in connection.execute(select(Video.id, Video.n_frames))}
    lacking = {video_id for video_id, n_frames in frames.items() if embedded.get(video_id, 0) != n_frames}
    if lacking - set(leaving_out):
        raise InputError(f"{len(lacking)} videos have no embeddings of head {head_id[:12]} yet")
    head = select(Model.id).where(Model.model_id == head_id).scalar_subquery()
    for video_id in frames.keys() - lacking:
        others = (EmbeddingRow.video_id == video_id, EmbeddingRow.model_id != head)
        if connection.execute(delete(EmbeddingRow).where(*others)).rowcount:
            _count_bytes(connection, video_id)
    connection.execute(update(Meta).values(active_head=head_id))
    writing.next_generation(connection)


def _embedded(connection: Connection, head_id: str) -> dict[int, int]:
    """How many frames of each video a head has embedded."""
    counted = (
        select(EmbeddingRow.video_id, func.sum(EmbeddingRow.n_frames))
        .join(Model, EmbeddingRow.model_id == Model.id)
        .where(Model.model_id == head_id)
        .group_by(EmbeddingRow.video_id)
    )
    return {video_id: int(n_frames) for video_id, n_frames in connection.execute(counted)}


def _count_bytes(connection: Connection, video_id: int) -> None:
    size = select(func.sum(func.length(EmbeddingRow.vectors))).where(EmbeddingRow.video_id == video_id)
    connection.execute(update(Video).where(Video.id == video_id).values(bytes_embeddings=size.scalar_subquery()))
