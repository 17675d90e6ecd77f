"""What an index needs to follow a library: generations, removals, blocks."""

from pathlib import Path

import numpy as np
import pytest

from tests.db.samples import HEAD, indexed, sighting
from vsearch.db.copying import Extent
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.records import EmbeddingBlock


class Follower:
    """An index as a dictionary of videos, kept up to date the way a real one is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.generation = 0
        self.rows: dict[int, int] = {}
        self.rebuilt = 0

    def follow(self) -> dict[int, int]:
        changes = self.store.changes(self.generation)
        if changes is None:
            self.rebuilt += 1
            self.rows, self.generation = {}, 0
            changes = self.store.changes(self.store.meta().generation)
            assert changes is not None
        for video_id in changes.removed:
            self.rows.pop(video_id, None)
        for stored in self.store.embedding_blocks(HEAD, after=self.generation, upto=changes.generation):
            assert stored.video_id not in self.rows or stored.block.first_frame > 0
            self.rows[stored.video_id] = self.rows.get(stored.video_id, 0) + len(stored.block.vectors)
        self.generation = changes.generation
        return self.rows


def truth(store: Store) -> dict[int, int]:
    return {video.id: video.n_frames for video in store.videos()}


def test_each_commit_that_changes_content_is_one_generation(store: Store) -> None:
    assert store.meta().generation == 0
    one = store.add_video(indexed("one"), sighting(b"1"))
    assert store.meta().generation == 1
    store.replace_video(one, indexed("new"), sighting(b"1"))
    assert store.meta().generation == 2
    two = store.add_video(indexed("two"), sighting(b"2"))
    store.remove_videos([one, two])
    assert store.meta().generation == 4
    store.remove_videos([one, two])
    store.mark_offline("uuid-1")
    store.record_attempt(sighting(b"bad"), reason="r", code="media")
    assert store.meta().generation == 4


def test_an_index_follows_additions_replacements_and_removals(store: Store) -> None:
    index = Follower(store)
    assert index.follow() == {}
    ids = [store.add_video(indexed(str(n), n=n), sighting(str(n).encode())) for n in range(1, 6)]
    assert index.follow() == truth(store)
    store.replace_video(ids[0], indexed("changed", n=30), sighting(b"1"))
    store.remove_videos([ids[1]])
    short = store.add_video(indexed("short-lived"), sighting(b"9"))
    store.remove_videos([short])
    assert index.follow() == truth(store)
    assert index.follow() == truth(store)
    store.add_path(ids[2], sighting(b"4"))  # overwrites the only path of the fourth
    assert index.follow() == truth(store)
    assert ids[3] not in index.rows
    assert index.rebuilt == 0


def test_what_is_committed_while_an_index_reads_comes_the_next_time(store: Store) -> None:
    index = Follower(store)
    store.add_video(indexed("one"), sighting(b"1"))
    changes = store.changes(0)
    assert changes is not None
    two = store.add_video(indexed("two"), sighting(b"2"))
    before = [one.video_id for one in store.embedding_blocks(HEAD, upto=changes.generation)]
    assert two not in before
    assert [one.video_id for one in store.embedding_blocks(HEAD, after=changes.generation)] == [two]
    assert index.follow() == truth(store)


def test_tombstones_count_removed_frames_until_they_are_forgotten(store: Store) -> None:
    one = store.add_video(indexed("one", n=10), sighting(b"1"))
    two = store.add_video(indexed("two", n=20), sighting(b"2"))
    index = Follower(store)
    index.follow()
    store.replace_video(one, indexed("new", n=5), sighting(b"1"))
    store.remove_videos([two])
    assert store.meta().tombstones == 30
    store.forget_removals(store.meta().generation)
    assert store.meta().tombstones == 0
    assert store.changes(index.generation) is None
    assert index.follow() == truth(store)
    assert index.rebuilt == 1
    assert index.follow() == truth(store)
    assert index.rebuilt == 1


def test_generations_that_the_library_never_had_cannot_be_followed(store: Store) -> None:
    store.add_video(indexed(), sighting())
    assert store.changes(2) is None
    assert store.changes(-1) is None
    assert store.changes(1) is not None
    with pytest.raises(InputError, match="generation 5"):
        store.forget_removals(5)


def test_blocks_of_a_long_video_stand_together_in_order(store: Store) -> None:
    first = store.add_video(indexed("long", n=9000, d=4), sighting(b"1"))
    second = store.add_video(indexed("short", n=3, d=4), sighting(b"2"))
    third = store.replace_video(first, indexed("longer", n=4097, d=4), sighting(b"1"))
    places = [(one.video_id, one.block.first_frame) for one in store.embedding_blocks(HEAD)]
    assert places == [(second, 0), (third, 0), (third, 4096)]
    chosen = [(one.video_id, one.block.first_frame) for one in store.embedding_blocks(HEAD, video_ids=[second, first])]
    assert chosen == [(first, 0), (first, 4096), (second, 0)]
    vectors, marks = store.embeddings_of(first, HEAD)
    assert vectors.shape == (4097, 4)
    assert marks.shape == (4097,)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1)[np.any(vectors, axis=1)], 1, atol=1e-6)


def test_heads_are_kept_apart(store: Store) -> None:
    other = EmbeddingBlock("5" * 64, 0, np.ones((3, 8), dtype=np.int8), 0.5, np.zeros(3, dtype=np.bool_))
    video = indexed(n=3, d=8)
    video_id = store.add_video(indexed("two", n=3, embeddings=(*video.embeddings, other)), sighting())
    assert [one.block.head_id for one in store.embedding_blocks(HEAD)] == [HEAD]
    assert [one.block.scale for one in store.embedding_blocks("5" * 64)] == [0.5]
    assert list(store.embedding_blocks("6" * 64)) == []
    assert store.embeddings_of(video_id, "5" * 64)[0].shape == (3, 8)


def test_blocks_come_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import vsearch.db.store

    ids = [store.add_video(indexed(str(n), n=2), sighting(str(n).encode())) for n in range(7)]
    monkeypatch.setattr(vsearch.db.store, "BLOCK_BATCH", 3)
    assert [one.video_id for one in store.embedding_blocks(HEAD)] == ids
    assert [one.video_id for one in store.embedding_blocks(HEAD, after=4)] == ids[4:]


def test_a_copy_holds_the_same_rows_and_gives_out_higher_ids(store: Store, tmp_path: Path) -> None:
    for number in range(3):
        store.add_video(indexed(f"film {number}"), sighting(f"{number}.mp4".encode()))
    store.remove_videos([3])
    store.copy_to(tmp_path / "copy", Extent())
    with Store.open(tmp_path / "copy", writable=True) as copy:
        assert copy.meta() == store.meta()
        for video_id in (1, 2):
            assert copy.video(video_id).info == store.video(video_id).info
            assert copy.chunks(video_id) == store.chunks(video_id)
            assert copy.clips(video_id) == store.clips(video_id)
        assert truth(copy) == truth(store)
        assert copy.add_video(indexed("another"), sighting(b"another.mp4")) == 4
