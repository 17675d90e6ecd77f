"""In which order the frames of a chunk are coded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.models.order import rounds


@given(st.integers(1, 300))
def test_every_frame_has_one_turn_after_all_that_it_is_predicted_from(n: int) -> None:
    known: set[int] = set()
    for turns in rounds(n):
        for turn in turns:
            assert set(turn.known) <= known
            assert turn.before is None or turn.before < turn.frame
            assert turn.after is None or turn.after > turn.frame
        fresh = [turn.frame for turn in turns]
        assert not known & set(fresh)
        assert len(set(fresh)) == len(fresh)
        known |= set(fresh)
    assert known == set(range(n))


def test_a_frame_of_a_full_chunk_needs_six_others_at_most() -> None:
    assert len(rounds(32)) == 7


def test_no_frames_have_no_order() -> None:
    with pytest.raises(ValueError, match="at least one"):
        rounds(0)
