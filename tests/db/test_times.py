import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.db.times import _any_times, _body, _usual_times, decode_times, encode_times
from vsearch.errors import StoreError

ascending = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), unique=True, max_size=200).map(sorted)


@given(ascending)
def test_times_come_back_exactly(pts: list[int]) -> None:
    coded = encode_times(np.array(pts, dtype=np.int64))
    assert decode_times(coded, len(pts)).tolist() == pts
    assert decode_times(coded, len(pts)).dtype == np.int64


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(-(10**9), 10**9))
def test_usual_times_are_read_at_once_and_as_one_by_one(steps: list[int], start: int) -> None:
    pts = start + np.cumsum(np.array(steps, np.int64))
    body = _body(encode_times(pts), len(pts))
    usual = _usual_times(body, len(pts))
    assert usual is not None
    assert np.array_equal(usual, pts)
    assert np.array_equal(_any_times(body, len(pts)), pts)


@given(st.integers(0, 2000), st.integers(1, 10**7), st.integers(-(10**12), 10**12))
def test_regular_times_take_a_few_dozen_bytes(n: int, step: int, start: int) -> None:
    pts = start + step * np.arange(n, dtype=np.int64)
    coded = encode_times(pts)
    assert len(coded) < 60
    assert np.array_equal(decode_times(coded, n), pts)


def test_an_hour_of_irregular_times_takes_little() -> None:
    noise = np.random.default_rng(1)
    grid = 90000 * np.arange(3600) + noise.integers(0, 3754, 3600)  # the first frame at or after each second
    assert len(encode_times(grid)) < 3 * 3600


@pytest.mark.parametrize("pts", [[1, 1], [2, 1], [0, 5, 5]])
def test_times_that_do_not_ascend_are_refused(pts: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        encode_times(np.array(pts, dtype=np.int64))


@given(ascending.filter(bool), st.data())
def test_cut_or_extended_bytes_are_refused(pts: list[int], data: st.DataObject) -> None:
    coded = encode_times(np.array(pts, dtype=np.int64))
    for wrong in (coded[: data.draw(st.integers(0, len(coded) - 1))], coded + b"\0"):
        with pytest.raises(StoreError, match="damaged"):
            decode_times(wrong, len(pts))
    with pytest.raises(StoreError, match="damaged"):
        decode_times(coded, len(pts) + 1)


@given(st.binary(max_size=60), st.integers(0, 50))
def test_random_bytes_give_ascending_times_or_an_error(data: bytes, n: int) -> None:
    try:
        times = decode_times(data, n)
    except StoreError:
        return
    assert len(times) == n
    assert (np.diff(times.astype(object)) > 0).all()


def test_a_deflate_bomb_is_not_inflated() -> None:
    bomb = b"\1" + zlib.compress(bytes(50_000_000))
    with pytest.raises(StoreError, match="damaged"):
        decode_times(bomb, 3)
