"""Groups of frames are encoded in other processes as they are in this one; whatever becomes of a process, all are."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch.errors import InputError, LatentError
from vsearch.extract import Keeping, KeptFrames
from vsearch.indexer import encoding
from vsearch.indexer.encoding import EncodingPool, LocalEncoder
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.workers.pairs import PairProcess

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


def test_a_killed_process_costs_nothing(
    local: LocalEncoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoding, "GROUPS_A_START", 1)
    processes: list[PairProcess] = []

    def remembered() -> PairProcess:
        processes.append(another())
        return processes[-1]

    groups = [pictures(seed) for seed in range(30)]
    with EncodingPool(local, remembered, 2) as pool:
        futures = [pool.keep(group, KEEPING) for group in groups[:10]]
        os.kill(processes[0].pid, signal.SIGKILL)
        futures += [pool.keep(group, KEEPING) for group in groups[10:]]
        kept = [future.result() for future in futures]
    for group, one in zip(groups, kept, strict=True):
        assert_same(one, local.encode(group, KEEPING))
    assert "one encoder fewer" in caplog.text


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
