"""Pairs that a person marked as not the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.db.first_schema import put_first_library
from tests.db.samples import indexed, sighting
from vsearch.db.store import Store
from vsearch.errors import InputError


def filled(location: Path | str, *names: str) -> Store:
    store = Store.open(location, writable=True, create=True)
    for name in names:
        store.add_video(indexed(name), sighting(name.encode()))
    return store


def test_a_mark_is_one_whatever_the_order_and_can_be_taken_back(location: Path | str) -> None:
    with filled(location, "one", "two", "three") as store:
        assert store.mark_not_same(3, 1)
        assert not store.mark_not_same(1, 3)
        assert store.mark_not_same(1, 2)
        assert store.not_same() == [(1, 2), (1, 3)]
        assert store.unmark_not_same(1, 3)
        assert not store.unmark_not_same(3, 1)
        assert store.not_same() == [(1, 2)]


def test_a_mark_is_of_the_contents_and_outlives_their_removal(location: Path | str) -> None:
    with filled(location, "one", "two") as store:
        store.mark_not_same(1, 2)
        store.remove_videos([1])
        assert store.not_same() == []
        again = store.add_video(indexed("one"), sighting(b"elsewhere"))
        assert store.not_same() == [(2, again)]
        store.replace_video(again, indexed("one"), sighting(b"elsewhere"))
        assert store.not_same() == [(2, again)]
        store.replace_video(again, indexed("changed"), sighting(b"elsewhere"))
        assert store.not_same() == []


def test_a_mark_changes_nothing_that_can_be_found(location: Path | str) -> None:
    with filled(location, "one", "two") as store:
        generation = store.meta().generation
        store.mark_not_same(1, 2)
        assert store.meta().generation == generation


def test_two_videos_of_the_library_must_be_named(location: Path | str) -> None:
    with filled(location, "one") as store:
        with pytest.raises(InputError, match="v9"):
            store.mark_not_same(1, 9)
        with pytest.raises(InputError, match="name two"):
            store.mark_not_same(1, 1)


def test_older_libraries_have_no_marks(location: Path | str) -> None:
    put_first_library(location)
    with Store.open(location, writable=False) as reader:
        assert reader.needs_migration
        assert reader.not_same() == []
