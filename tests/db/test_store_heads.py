"""Embeddings of another head beside those that are searched, and the switch, on both databases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.db import samples
from vsearch.db.records import ModelRecord
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.records import EmbeddingBlock, IndexedVideo

OTHER = "5" * 64


def by_other_head(video: IndexedVideo) -> list[EmbeddingBlock]:
    return [replace(block, head_id=OTHER, vectors=-block.vectors[:, :16]) for block in video.embeddings]


def two_videos(store: Store) -> tuple[IndexedVideo, IndexedVideo]:
    one, two = samples.indexed("one"), samples.indexed("two", n=5000)
    store.add_video(one, samples.sighting(b"one.mp4"))
    store.add_video(two, samples.sighting(b"two.mp4"))
    store.put_model(ModelRecord(OTHER, "head", dimensions=16))
    store.set_active(codec=samples.CODEC, head=samples.HEAD)
    return one, two


def test_a_head_replaces_another_when_every_video_has_its_embeddings(store: Store) -> None:
    one, two = two_videos(store)
    assert [(s.n_frames, s.codecs, s.embedded) for s in store.embedding_states(samples.HEAD)] == [
        (17, (samples.CODEC,), True),
        (5000, (samples.CODEC,), True),
    ]
    store.put_embeddings(1, by_other_head(one))
    assert [state.embedded for state in store.embedding_states(OTHER)] == [True, False]
    with pytest.raises(InputError, match="1 videos have no embeddings"):
        store.switch_head(OTHER)
    assert store.meta().active_head == samples.HEAD
    store.put_embeddings(2, by_other_head(two))
    assert np.array_equal(store.embeddings_of(2, samples.HEAD)[0], unit(two.embeddings))  # untouched so far
    store.switch_head(OTHER)
    assert store.meta().active_head == OTHER
    assert list(store.embedding_blocks(samples.HEAD)) == []
    assert [s.block.first_frame for s in store.embedding_blocks(OTHER)] == [0, 0, 4096]
    assert [video.bytes_embeddings for video in store.videos()] == [17 * 16, 5000 * 16]


def unit(blocks: tuple[EmbeddingBlock, ...]) -> np.ndarray:
    return np.concatenate([block.unit_vectors() for block in blocks])


def test_videos_that_are_left_out_keep_what_they_have(store: Store) -> None:
    one, _ = two_videos(store)
    store.put_embeddings(1, by_other_head(one))
    store.switch_head(OTHER, leaving_out=[2])
    assert [s.video_id for s in store.embedding_blocks(OTHER)] == [1]
    assert {s.video_id for s in store.embedding_blocks(samples.HEAD)} == {2}
    assert [video.bytes_embeddings for video in store.videos()] == [17 * 16, 5000 * 32]


def test_an_index_of_a_head_follows_what_is_embedded(store: Store) -> None:
    one, two = two_videos(store)
    store.put_embeddings(1, by_other_head(one))
    since = store.meta().generation
    store.put_embeddings(2, by_other_head(two))
    store.put_embeddings(1, by_other_head(one))  # again
    assert [s.video_id for s in store.embedding_blocks(OTHER, after=since)] == [2, 2, 1]
    assert len(list(store.embedding_blocks(OTHER))) == 3


def test_marks_are_those_of_whichever_head_embedded_all_frames(store: Store) -> None:
    _, two = two_videos(store)
    marks = np.concatenate([block.low_information for block in two.embeddings])
    store.put_embeddings(2, by_other_head(two)[:1])  # not all of it
    assert np.array_equal(store.low_information(2), marks)
    with pytest.raises(InputError, match="v9"):
        store.put_embeddings(9, by_other_head(two))
