"""Palettes among the coded words: whatever a writer says of where blocks come from comes back, and little is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.small_dyadic import CODED, SMALL, WHOLE, small_dyadic
from tests.models.test_dyadic import moving
from vsearch.bitstream import read_chunk, write_chunk
from vsearch.errors import LatentError
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_reader import Payload
from vsearch.models.dyadic_writer import ROUND_WEIGHTS, ChunkWriter, Coded, weights_of_blocks, worthwhile
from vsearch.models.entropy import Correction, SymbolReader, SymbolWriter, write_corrections
from vsearch.models.motion import MAX_PALETTE, REACH, Entry, Guess, Source
from vsearch.models.order import Turn, rounds
from vsearch.models.palettes import is_plain, plain_guess, read_guesses, write_guesses
from vsearch.models.shifts import FARTHER, Effort, farther, palettes
from vsearch.models.weights import write_model

KEPT = Path(__file__).parents[1] / "data" / "dyadic-5"


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> DyadicCodec:
    return small_dyadic(tmp_path_factory.mktemp("codec"), shape=CODED)


def random_guess(turn: Turn, known: list[int], size: tuple[int, int], rng: np.random.Generator) -> Guess:
    """Entries of every kind, some of which no block may use; sometimes plain, sometimes without entries."""

    def source() -> Source:
        frame = int(rng.choice(turn.known if rng.random() < 0.7 else known))
        return Source(frame, *(rng.integers(-REACH, REACH + 1, 2).tolist() if rng.random() < 0.6 else (0, 0)))

    if not known or rng.random() < 0.1:
        return plain_guess(turn, size)
    entries = []
    for _ in range(rng.integers(0, MAX_PALETTE + 1) if rng.random() < 0.2 else rng.integers(0, 4)):
        if rng.random() < 0.3:
            entries.append(Entry(Source(int(rng.choice(known))), held=True))
        else:
            entries.append(Entry(source(), source() if rng.random() < 0.3 else None))
    patches = rng.integers(0, len(entries) + 1, size)
    return Guess(tuple(entries), np.maximum.accumulate(patches, 1).astype(np.uint8))


class GuessingWriter(ChunkWriter):
    """Writes latents as they are, but for blocks that it says are held, and says anything of where they come from."""

    def __init__(self, wanted: NDArray[np.float32], codec: DyadicCodec, level: int, seed: int) -> None:
        entries = palettes(np.empty((0, 0, 0), np.float32), rounds(len(wanted)), Effort(0))
        super().__init__(wanted, codec.rate(level), entries, codec.shape.layout, free=False)
        self.rng = np.random.default_rng(seed)
        self.said: dict[int, Guess] = {}

    def _guess(self, turn: Turn) -> Guess:
        self.said[turn.frame] = random_guess(turn, sorted(self._known.latents), self._size[1:3], self.rng)
        return self.said[turn.frame]


def written(codec: DyadicCodec, seed: int, *, frames: int, h: int, w: int, level: int) -> tuple[Coded, GuessingWriter]:
    wanted = np.rint(np.random.default_rng(seed).laplace(0, 3, (frames, h, w, SMALL.channels))).astype(np.float32)
    writer = GuessingWriter(wanted, codec, level, seed)
    return writer.write(bytes.fromhex(codec.model_id[:8])), writer


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 32),
    h=st.integers(1, 5),
    w=st.integers(1, 5),
    level=st.integers(0, 48),
)
@settings(deadline=None, max_examples=40)
def test_whatever_is_said_of_where_blocks_come_from_latents_come_back(
    codec: DyadicCodec, seed: int, frames: int, h: int, w: int, level: int
) -> None:
    coded, _ = written(codec, seed, frames=frames, h=h, w=w, level=level)
    assert np.array_equal(codec.unpack(coded.chunk(None)).values, coded.values.transpose(0, 3, 1, 2))


def test_chunks_that_leave_out_and_hold_different_things_are_read_side_by_side(codec: DyadicCodec) -> None:
    many = [written(codec, seed, frames=1 + 5 * seed % 32, h=4, w=3, level=20)[0] for seed in range(12)]
    for one, back in zip(many, codec.unpack_many([coded.chunk(None) for coded in many]), strict=True):
        assert np.array_equal(back.values, one.values.transpose(0, 3, 1, 2))


@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(2, 32), h=st.integers(1, 6), w=st.integers(1, 6))
@settings(deadline=None)
def test_guesses_of_a_round_come_back(codec: DyadicCodec, seed: int, frames: int, h: int, w: int) -> None:
    rng = np.random.default_rng(seed)
    order = rounds(frames)
    depth = int(rng.integers(0, len(order)))
    known = sorted(turn.frame for turns in order[:depth] for turn in turns)
    guesses = [random_guess(turn, known, (h, w), rng) for turn in order[depth]]
    coder = SymbolWriter(codec.tables)
    before = int(rng.integers(0, len(known) + 1))
    write_guesses(coder, order[depth], guesses, known, plain_before=before)
    back, plain = read_guesses(
        SymbolReader(codec.tables, coder.bytes()), order[depth], known, (h, w), plain_before=before
    )
    assert plain == sum(is_plain(turn, guess) for turn, guess in zip(order[depth], guesses, strict=True))
    for turn, said, read in zip(order[depth], guesses, back, strict=True):
        assert is_plain(turn, said) == is_plain(turn, read)
        assert said.entries == read.entries or is_plain(turn, said)
        assert np.array_equal(said.choice, read.choice)


@given(data=st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]), depth=st.integers(0, 4))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_guesses_from_known_frames_or_an_error(codec: DyadicCodec, data: bytes, depth: int) -> None:
    order = rounds(17)
    known = sorted(turn.frame for turns in order[:depth] for turn in turns)
    try:
        guesses, _ = read_guesses(
            SymbolReader(codec.tables, data), order[depth], known, (3, 4), plain_before=len(known) // 2
        )
    except LatentError:
        return
    for guess in guesses:
        assert len(guess.entries) <= MAX_PALETTE
        assert int(guess.choice.max()) <= len(guess.entries)
        for source in (source for entry in guess.entries for source in entry.sources):
            assert source.frame in known
            assert max(abs(source.dy), abs(source.dx)) <= REACH


def test_a_chunk_whose_words_are_others_is_an_error_or_other_latents(codec: DyadicCodec) -> None:
    chunk = read_chunk(written(codec, 3, frames=9, h=3, w=4, level=20)[0].chunk(None))
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        payload = bytearray(chunk.payload)
        payload[int(rng.integers(4, len(payload)))] ^= 1 << int(rng.integers(8))
        forged = write_chunk(replace(chunk, payload=bytes(payload)))
        try:
            assert codec.unpack(forged).values.shape == (9, SMALL.channels, 3, 4)
        except LatentError:
            refused += 1
    assert refused > 5


def test_the_kept_chunk_says_every_kind_of_entry() -> None:
    kept = DyadicCodec.load(KEPT / "model")
    coded, writer = written(kept, 7, frames=32, h=4, w=5, level=30)
    assert coded.chunk(b"") == (KEPT / "chunk.bin").read_bytes()
    entries = [(turn, entry) for turns in rounds(32) for turn in turns for entry in writer.said[turn.frame].entries]
    assert any(entry.held for _, entry in entries)
    assert any(entry.second for _, entry in entries)
    assert any(entry.first.frame not in turn.known for turn, entry in entries)
    assert any(abs(entry.first.dx) > REACH // 2 for _, entry in entries)


def test_layouts_differ_in_where_palettes_are(tmp_path: Path) -> None:
    listing = small_dyadic(tmp_path / "listing", shape=WHOLE)
    coding = small_dyadic(tmp_path / "coding", shape=CODED)
    frames = moving(2, 9, 96, 128)
    chunks = [model.pack(model.encode(frames)) for model in (listing, coding)]
    listed, coded = (
        Payload.read(read_chunk(chunk).payload, model.shape.layout)
        for chunk, model in zip(chunks, (listing, coding), strict=True)
    )
    assert listed.palettes
    assert coded.palettes is None
    for chunk, other in zip(chunks, (coding, listing), strict=True):
        prefix = bytes.fromhex(other.model_id[:8])
        with pytest.raises(LatentError):
            other.unpack(write_chunk(replace(read_chunk(chunk), model_prefix=prefix)))


def test_a_model_with_too_few_scales_for_coded_palettes_is_refused(codec: DyadicCodec, tmp_path: Path) -> None:
    files = codec._files
    tensors = dict(files.numpy())
    rows = len(tensors["tables.wide"]) - 8 * 6  # six scales fewer, 34 that stay
    tensors["tables.wide"] = tensors["tables.wide"][:rows]
    few = write_model(
        tmp_path, kind="codec", family="dyadic", decode=files.decode, search={}, training={}, tensors=tensors
    )
    with pytest.raises(LatentError, match="scales"):
        DyadicCodec(few)


def test_a_correction_of_a_group_that_was_left_out_is_an_error(codec: DyadicCodec) -> None:
    wanted = np.full((1, 4, 3, SMALL.channels), 2.0, np.float32)
    wanted[..., 8:] = 0.1
    writer = ChunkWriter(wanted, codec.rate(20), {0: ()}, codec.shape.layout, free=True)
    chunk = read_chunk(writer.write(bytes.fromhex(codec.model_id[:8])).chunk(None))
    assert writer.left_out == {0: 2}
    for channel in (8, 15):
        listed = write_corrections([Correction(channel, is_scale=True, index=3)])
        with pytest.raises(LatentError, match="does not code"):
            codec.unpack(write_chunk(replace(chunk, corrections=listed)))


# What the writer says


def test_an_entry_stays_where_it_saves_its_price() -> None:
    costs = np.full((4, 2, 5), 10.0, np.float32)
    costs[1, 0] = 0.0  # saves 50
    costs[2, 1, :2] = 0.0  # saves 20
    costs[3, 0] = 1.0  # would save 45 if the first one did not save more
    stays = np.isfinite(worthwhile(costs, [30.0, 30.0, 30.0])).all((1, 2))
    assert stays.tolist() == [True, True, False, False]
    assert np.isfinite(worthwhile(costs, [30.0, 15.0, 4.0])).all((1, 2)).tolist() == [True, True, True, False]
    assert np.isfinite(worthwhile(costs, [60.0, 30.0, 30.0])).all((1, 2)).tolist() == [True, False, False, False]


def test_of_entries_that_are_worth_the_same_the_first_stays() -> None:
    costs = np.array([10.0, 0.0, 0.0], np.float32)[:, None, None].repeat(9, 1)
    assert np.isfinite(worthwhile(costs, [20.0, 20.0])).all((1, 2)).tolist() == [True, True, False]


def test_no_palette_has_more_entries_than_there_may_be() -> None:
    costs = 1e4 * (1 - np.eye(40, dtype=np.float32)).reshape(40, 5, 8)
    assert np.isfinite(worthwhile(costs, [1.0] * 39)).all((1, 2)).sum() == 1 + MAX_PALETTE


def test_a_frame_looks_at_the_shot_that_it_belongs_to_however_far_away() -> None:
    rng = np.random.default_rng(4)
    shots = rng.integers(0, 256, (2, 64, 96)).astype(np.float32)
    luma = shots[[0, 1, 0, 1, 1, 0, 1, 0, 0]]  # neither neighbour of frame 2 shows its shot; frame 0 does
    order = rounds(9)
    found = farther(luma, order)
    earlier: set[int] = set()
    for turns in order:
        for turn in turns:
            same = {frame for frame in earlier if np.array_equal(luma[frame], luma[turn.frame])}
            got = set(found.get(turn.frame, ()))
            if turn.known and not same & set(turn.known):
                assert got <= same
                assert bool(got) == bool(same)
            else:
                assert not got
            assert len(found.get(turn.frame, ())) <= FARTHER
        earlier |= {turn.frame for turn in turns}
    assert any(found.values())
    shown = palettes(luma, order, Effort(1))
    for frame, others in found.items():
        assert {Source(other) for other in others} <= {source for entry in shown[frame] for source in entry.sources}


def test_blocks_that_stay_count_more_than_those_that_do_not() -> None:
    wanted = np.zeros((9, 1, 2, 4), np.float32)
    wanted[:, 0, 1] = 50.0 * np.arange(9)[:, None]
    found = weights_of_blocks(wanted, rounds(9), np.ones(4))
    inner = [turn.frame for turns in rounds(9)[:-1] for turn in turns]
    assert (found[inner, 0, 0] > found[inner, 0, 1]).all()
    last = [turn.frame for turn in rounds(9)[-1]]
    assert (found[last] == np.float32(ROUND_WEIGHTS[0])).all()  # nothing is predicted from those
