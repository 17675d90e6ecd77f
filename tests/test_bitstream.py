"""The container of a chunk."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.bitstream import ChunkBytes, read_chunk, read_varints, unzigzag, write_chunk, write_varints, zigzag
from vsearch.errors import LatentError
from vsearch.models.entropy import Correction, read_corrections, write_corrections

chunks = st.builds(
    ChunkBytes,
    codec_id=st.integers(0, 0xFFFF),
    model_prefix=st.binary(min_size=4, max_size=4),
    shape=st.tuples(st.integers(1, 32), st.integers(1, 300), st.integers(1, 100), st.integers(1, 100)),
    corrections=st.binary(max_size=60),
    payload=st.binary(max_size=200),
)


@given(chunks)
def test_a_chunk_comes_back(chunk: ChunkBytes) -> None:
    assert read_chunk(write_chunk(chunk)) == chunk


@given(chunks, st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_is_an_error(chunk: ChunkBytes, position: int, change: int) -> None:
    data = bytearray(write_chunk(chunk))
    data[position % len(data)] ^= change
    with pytest.raises(LatentError):
        read_chunk(bytes(data))


@given(st.binary(max_size=100))
def test_noise_is_an_error(data: bytes) -> None:
    with pytest.raises(LatentError):
        read_chunk(data)


@pytest.mark.parametrize("shape", [(0, 1, 1, 1), (33, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 70000)])
def test_impossible_shapes_are_refused_when_writing(shape: tuple[int, int, int, int]) -> None:
    with pytest.raises(LatentError):
        write_chunk(ChunkBytes(1, b"abcd", shape, b"", b""))


@given(st.lists(st.integers(0, 2**56)))
def test_varints_come_back(values: list[int]) -> None:
    assert list(read_varints(write_varints(values))) == values


@given(st.binary(max_size=50))
def test_varints_of_noise_are_numbers_or_an_error(data: bytes) -> None:
    with contextlib.suppress(LatentError):
        assert all(value >= 0 for value in read_varints(data))


@given(st.integers(-(2**40), 2**40))
def test_zigzag_is_its_inverse(value: int) -> None:
    assert unzigzag(zigzag(value)) == value
    assert zigzag(value) >= 0


@given(st.lists(st.tuples(st.integers(0, 10**7), st.booleans(), st.integers(-9000, 9000)), max_size=30))
def test_corrections_come_back(items: list[tuple[int, bool, int]]) -> None:
    corrections = [Correction(*item) for item in sorted(items)]
    assert read_corrections(write_corrections(corrections)) == corrections
