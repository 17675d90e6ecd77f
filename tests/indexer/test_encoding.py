"""Groups of frames are encoded in other processes as they are in this one; whatever becomes of a process, all are."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch.errors import InputError, LatentError, VsearchError
from vsearch.extract import Keeping, KeptFrames
from vsearch.indexer import encoding
from vsearch.indexer.encoding import EncodingPool, LocalEncoder
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.workers.pairs import PairProcess
from vsearch.workers.process import ProcessDiedError

KEEPING = Keeping(level=6, effort="fast", pictures=True, compared=True)


def pictures(seed: int, n: int = 4) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.repeat(np.repeat(rng.integers(0, 256, (n, 3, 6, 8), np.uint8), 8, 2), 8, 3)


@pytest.fixture(scope="module")
def local() -> LocalEncoder:
    return LocalEncoder(load_codec(shipped_codec(), threads=1), load_head(shipped_head(), threads=1))


@pytest.fixture
def process() -> Iterator[PairProcess]:
    encoder = another()
    encoder.wait_ready()
    yield encoder
    encoder.close()


def another() -> PairProcess:
    return PairProcess(shipped_codec(), shipped_head(), device="cpu", threads=1)


def assert_same(one: KeptFrames, other: KeptFrames) -> None:
    assert one.chunk == other.chunk
    assert np.array_equal(one.vectors, other.vectors)
    assert np.array_equal(one.low_information, other.low_information)
    assert (one.fidelity is None) == (other.fidelity is None)
    if one.fidelity is not None and other.fidelity is not None:
        assert np.array_equal(one.fidelity.psnr_db, other.fidelity.psnr_db)
        assert np.array_equal(one.fidelity.ssim, other.fidelity.ssim)


@pytest.mark.parametrize("keeping", [KEEPING, Keeping(40, "default", True, False), Keeping(6, "fast", False, False)])
def test_a_process_keeps_of_frames_what_this_one_does(
    process: PairProcess, local: LocalEncoder, keeping: Keeping
) -> None:
    frames = pictures(1)
    assert_same(process.encode(frames, keeping), local.encode(frames, keeping))


def test_what_a_process_refuses_it_tells_and_goes_on(process: PairProcess) -> None:
    with pytest.raises(InputError, match="level must be"):
        process.encode(pictures(1), Keeping(99, "default", True, False))
    assert process.encode(pictures(1), KEEPING).chunk


def test_groups_come_back_in_order_from_however_many_encoders(
    local: LocalEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    groups = [pictures(seed) for seed in range(40)]
    with EncodingPool(local, another, 3) as pool:
        kept = [future.result() for future in [pool.keep(group, KEEPING) for group in groups]]
    for group, one in zip(groups, kept, strict=True):
        assert_same(one, local.encode(group, KEEPING))


def test_a_killed_process_costs_nothing_and_another_one_begins(
    local: LocalEncoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    processes: list[PairProcess] = []

    def remembered() -> PairProcess:
        process = another()
        process.wait_ready()
        processes.append(process)
        if len(processes) == 1:
            os.kill(process.pid, signal.SIGKILL)
        return process

    with EncodingPool(local, remembered, 2) as pool:
        seed, kept = 0, []
        while len(processes) < 2 and seed < 2000:
            kept.append((seed, pool.keep(pictures(seed), KEEPING).result()))
            seed += 1
        assert len(processes) == 2
    for seed, one in kept[:20]:
        assert_same(one, local.encode(pictures(seed), KEEPING))
    assert "one encoder fewer" in caplog.text


class Dying:
    """An encoder that dies of its first group."""

    def __init__(self) -> None:
        self.got = 0

    def wait_ready(self) -> None:
        pass

    def encode(self, frames: NDArray[np.uint8], keeping: Keeping) -> KeptFrames:
        self.got += 1
        raise ProcessDiedError("a process with the models died")

    def close(self) -> None:
        pass


def test_what_an_encoder_died_of_is_done_by_the_first_one(local: LocalEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    dead: list[Dying] = []

    def dying() -> Dying:
        dead.append(Dying())
        return dead[-1]

    groups = [pictures(seed) for seed in range(30)]
    with EncodingPool(local, dying, 3) as pool:
        kept = [future.result() for future in [pool.keep(group, KEEPING) for group in groups]]
    for group, one in zip(groups, kept, strict=True):
        assert_same(one, local.encode(group, KEEPING))
    assert {one.got for one in dead} <= {0, 1}
    assert any(one.got for one in dead)


def test_no_more_encoders_begin_than_there_are_workers(local: LocalEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    with EncodingPool(local, lambda: local, 2) as pool:
        asking = [
            threading.Thread(target=lambda: [pool.keep(pictures(seed), KEEPING).result() for seed in range(5)])
            for _ in range(6)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert len(pool._threads) == 2


def test_an_error_that_is_no_fault_of_the_process_costs_one_group_only(process: PairProcess) -> None:
    with pytest.raises(VsearchError, match="WireError"):
        process.encode(pictures(1), replace(KEEPING, effort=None))
    assert process.encode(pictures(1), KEEPING).chunk


def test_models_that_a_process_cannot_load_leave_the_work_to_the_others(
    local: LocalEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    with EncodingPool(local, lambda: PairProcess(tmp_path, tmp_path, device="cpu", threads=1), 2) as pool:
        assert pool.keep(pictures(0), KEEPING).result().chunk
        for thread in pool._threads[1:]:
            thread.join(60)
        assert pool.keep(pictures(1), KEEPING).result().chunk
    assert "not a model folder" in caplog.text
    with pytest.raises(LatentError, match="not a model folder"):
        PairProcess(tmp_path, tmp_path, device="cpu", threads=1).wait_ready()


class Stuck:
    """An encoder that does nothing until it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def wait_ready(self) -> None:
        pass

    def encode(self, frames: NDArray[np.uint8], keeping: Keeping) -> KeptFrames:
        self.closed.wait(60)
        raise InputError("closed")

    def close(self) -> None:
        self.closed.set()


def test_leaving_the_pool_cancels_what_waits_and_whoever_waits_for_room() -> None:
    refused: list[BaseException] = []

    def give_too_much() -> None:
        try:
            for seed in range(20):
                futures.append(pool.keep(pictures(seed), KEEPING))
        except CancelledError as error:
            refused.append(error)

    with EncodingPool(Stuck(), another, 1) as pool:
        futures = [pool.keep(pictures(0), KEEPING)]
        giving = threading.Thread(target=give_too_much)
        giving.start()
        giving.join(0.5)
        assert giving.is_alive()  # more waits already than may
    giving.join(10)
    assert not giving.is_alive()
    assert refused
    assert all(future.done() for future in futures)
