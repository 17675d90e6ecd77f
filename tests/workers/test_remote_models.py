"""A codec and a head in another process do what they do here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny_models import write_tiny_models
from vsearch.errors import InputError, LatentError
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.workers.models import RemoteModels
from vsearch.workers.process import ModelProcess, ProcessDiedError


@pytest.fixture(scope="module")
def process() -> Iterator[ModelProcess]:
    with ModelProcess() as started:
        yield started


@pytest.fixture(params=["shipped", "a family that only this process knows"])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    return (shipped_codec(), shipped_head()) if request.param == "shipped" else write_tiny_models(tmp_path)


@pytest.fixture
def here(folders: tuple[Path, Path]) -> tuple[LatentCodec, EmbeddingHead]:
    return load_codec(folders[0], threads=1), load_head(folders[1], threads=1)


@pytest.fixture
def there(folders: tuple[Path, Path], process: ModelProcess) -> tuple[LatentCodec, EmbeddingHead]:
    models = RemoteModels(process)
    return (
        models.codec(folders[0], device="cpu", threads=1),
        models.head(folders[1], device="cpu", threads=1),
    )


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    small = np.random.default_rng(3).integers(0, 256, (5, 3, 9, 16), np.uint8)
    return np.repeat(np.repeat(small, 16, 2), 16, 3)


def test_it_says_of_itself_what_the_model_says(
    here: tuple[LatentCodec, EmbeddingHead], there: tuple[LatentCodec, EmbeddingHead]
) -> None:
    assert isinstance(there[0], LatentCodec)
    assert isinstance(there[1], EmbeddingHead)
    for name in ("codec_id", "model_id", "tiers", "efforts"):
        assert getattr(there[0], name) == getattr(here[0], name)
    for name in ("model_id", "d", "plain_queries"):
        assert getattr(there[1], name) == getattr(here[1], name)
    assert (there[1].background is None) == (here[1].background is None)
    if here[1].background is not None:
        assert np.array_equal(np.asarray(there[1].background), here[1].background)


def test_frames_latents_chunks_and_vectors_are_the_same(
    here: tuple[LatentCodec, EmbeddingHead], there: tuple[LatentCodec, EmbeddingHead], frames: NDArray[np.uint8]
) -> None:
    codec, head = there
    written, own = codec.encode(frames), here[0].encode(frames)
    assert (written.codec_id, written.model_id, written.level) == (own.codec_id, own.model_id, own.level)
    assert np.array_equal(written.values, own.values)
    assert written.retouching == own.retouching
    assert bool(own.retouching) == (own.codec_id == 2)  # the shipped codec's are retouched
    assert np.array_equal(codec.decode(written), here[0].decode(own))
    assert codec.unpack(codec.pack(written)).retouching == own.retouching
    nearest = codec.nearest(frames)
    assert np.array_equal(nearest.values, here[0].nearest(frames).values)
    assert np.array_equal(head.embed(nearest), here[1].embed(nearest))
    assert np.array_equal(codec.decode(nearest), here[0].decode(nearest))
    chunks = [codec.pack(nearest), codec.pack(codec.nearest(frames[:2]))]
    assert chunks == [here[0].pack(nearest), here[0].pack(here[0].nearest(frames[:2]))]
    assert [len(one) for one in codec.unpack_many(chunks)] == [5, 2]
    assert np.array_equal(codec.unpack(chunks[0]).values, nearest.values)


def test_errors_are_those_of_the_model_and_the_process_goes_on(
    there: tuple[LatentCodec, EmbeddingHead], frames: NDArray[np.uint8], process: ModelProcess, tmp_path: Path
) -> None:
    with pytest.raises(LatentError):
        there[0].unpack(b"no chunk")
    with pytest.raises(LatentError, match="not a model folder"):
        RemoteModels(process).codec(tmp_path / "nothing", device="cpu", threads=1)
    assert len(there[0].nearest(frames)) == 5


def test_odd_frames_are_refused_as_here(process: ModelProcess, frames: NDArray[np.uint8]) -> None:
    codec = RemoteModels(process).codec(shipped_codec(), device="cpu", threads=1)
    with pytest.raises(InputError, match="multiples of 16"):
        codec.nearest(frames[:, :, :17])


def test_a_process_that_was_killed_is_told_of() -> None:
    with ModelProcess() as process:
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ProcessDiedError, match="died"):
            RemoteModels(process).codec(shipped_codec(), device="cpu", threads=1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_it_does_not_outlive_its_parent() -> None:
    parent = "import time; from vsearch.workers.process import ModelProcess; print(ModelProcess().pid, flush=True); "
    with subprocess.Popen([sys.executable, "-c", parent + "time.sleep(60)"], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        pid = int(one.stdout.readline())
        one.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and running(pid):
        time.sleep(0.05)
    assert not running(pid)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
