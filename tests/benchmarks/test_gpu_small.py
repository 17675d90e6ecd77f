"""`python -m benchmarks gpu` on a processor, where nothing is installed that reads video or serves SQL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.gpu_codec import HEIGHT, WIDTH, invented_frames, pictures_of
from benchmarks.gpu_search import EDITS, QUERIES, Invented, filled, nearest, timed
from benchmarks.report import BenchmarkError

ABSENT = ("av", "decord", "sqlalchemy", "alembic", "typer", "rich", "platformdirs", "cv2", "sklearn", "jinja2")
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT}))
from benchmarks.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def measured(output: Path, *more: str) -> dict[str, Any]:
    """What a quick run on the processor writes, in a process of its own."""
    common = ["gpu", "--quick", "--device", "cpu", "--n", "2000", "--d", "16", "--output", str(output)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *common, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "exact search" in done.stdout
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def test_it_runs_without_what_reads_video_or_keeps_libraries(tmp_path: Path) -> None:
    found = measured(tmp_path / "gpu.json")
    search, codec = found["figures"]["search"]["2000"], found["figures"]["codec"]
    assert found["figures"]["gpu"] is None
    assert found["data"] == {"vectors": "invented", "pictures": "invented"}
    assert search["recall_at_10"]["ours"] > 0.98
    assert all(search["calls"][size][name]["p50"] > 0 for size in ("1", "40") for name in ("ours", "bare"))
    assert search["faiss_on_cpu"]["40"]["faiss"]["p99"] > 0
    assert codec["exactness"]["not_exact"] == 0
    assert codec["exactness"]["readings"] == 4
    assert set(codec["frames_a_second"]["device"]) == {"encoder", "decoder", "head"}


def test_pictures_of_a_folder_are_coded_instead(tmp_path: Path) -> None:
    for number, (size, name) in enumerate([((300, 200), "b.png"), ((90, 160), "a.jpg"), ((256, 144), "c.PNG")]):
        Image.new("RGB", size, (80 * number, 20, 20)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    frames = pictures_of(tmp_path, 10)
    assert frames.shape == (3, 3, HEIGHT, WIDTH)
    assert np.abs(frames[:, 0, 0, 0].astype(int) - [80, 0, 160]).max() <= 3
    assert len(pictures_of(tmp_path, 2)) == 2
    found = measured(tmp_path / "gpu.json", "--frames", str(tmp_path))
    assert found["data"]["pictures"] == "of a folder"
    assert found["figures"]["codec"]["frames"]["device"] == 3


@pytest.mark.parametrize("name", ["nothing here", "file.png"])
def test_a_folder_without_pictures_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.png").write_bytes(b"no picture")
    with pytest.raises(BenchmarkError, match=r"nothing here|file\.png"):
        pictures_of(tmp_path / name if name == "nothing here" else tmp_path, 3)


def test_without_a_gpu_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["gpu", "--output", str(tmp_path / "gpu.json")]) == 1
    told = capsys.readouterr()
    assert "no CUDA device" in told.err
    assert len(told.err.splitlines()) == 1
    assert not (tmp_path / "gpu.json").exists()


def test_invented_vectors_are_the_same_each_time_and_neighbours_are_near() -> None:
    vectors = Invented(200, 32, seed=1, device=torch.device("cpu"))
    once, again = (torch.cat([piece for _, piece in vectors.pieces()]).numpy() for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == (200, 32)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, atol=1e-5)
    assert 0.7 < float(np.median((once[:-1:8] * once[1::8]).sum(1))) < 0.9


def test_queries_are_turned_as_far_as_edits_turn_frames() -> None:
    vectors = Invented(5000, 64, seed=1, device=torch.device("cpu"))
    queries = vectors.queries()
    everything = torch.cat([piece for _, piece in vectors.pieces()]).numpy()
    cosines = (queries @ everything.T).max(1)
    assert queries.shape == (QUERIES, 64)
    assert EDITS[0] - 1e-3 < cosines.min() < 0.75
    assert 0.9 < cosines.max() < EDITS[1] + 0.02


def test_true_neighbours_are_found_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gpu_search.PIECE", 64)
    vectors = Invented(300, 16, seed=2, device=torch.device("cpu"))
    queries = vectors.queries()[:20]
    everything = torch.cat([piece for _, piece in vectors.pieces()]).numpy()
    np.testing.assert_array_equal(nearest(vectors, queries), np.argsort(-queries @ everything.T, axis=1)[:, :10])
    np.testing.assert_array_equal(filled(vectors, "cpu").ids(), np.arange(300))


def test_searches_are_asked_in_turns_for_the_same_queries() -> None:
    asked: list[tuple[str, float]] = []

    def noting(name: str, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append((name, float(queries[0, 0])))
        return queries, np.empty(0, np.int64)

    searches = {name: (lambda some, name=name: noting(name, some)) for name in ("ours", "bare")}
    found = timed(searches, np.arange(10, dtype=np.float32)[:, None], size=2, times=5)
    assert found.keys() == {"ours", "bare"}
    assert [name for name, _ in asked[:4]] == ["bare", "ours", "ours", "bare"]
    assert all(first[1] == second[1] for first, second in zip(asked[::2], asked[1::2], strict=True))


def test_invented_frames_move() -> None:
    frames = invented_frames(33, seed=3)
    assert frames.shape == (33, 3, HEIGHT, WIDTH)
    np.testing.assert_array_equal(frames[:2], invented_frames(2, seed=3))
    shift = np.abs(frames[1, :, :-3, :-6].astype(int) - frames[0, :, 3:, 6:]).mean()
    assert shift < 8 < np.abs(frames[1].astype(int) - frames[0]).mean()
    assert np.abs(frames[32].astype(int) - frames[31]).mean() > 30
