"""What all tests share: where the corpus is, which tests are skipped, and that nothing logs errors unnoticed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STRICT = bool(os.environ.get("VSEARCH_TEST_STRICT"))  # set in CI: what would be skipped fails instead


def skip_or_fail(reason: str) -> None:
    """Skip the running test, or fail it where everything should be there."""
    if STRICT:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real videos ($VSEARCH_CORPUS, else ../shared/corpus); the test is skipped without it."""
    folder = Path(os.environ.get("VSEARCH_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (folder / "dev.jsonl").is_file():
        skip_or_fail(f"no videos under {folder} (set VSEARCH_CORPUS)")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")  # not every CI machine has one


@pytest.fixture
def expects_errors() -> None:
    """A test that asks for this may log errors."""


@pytest.fixture(autouse=True)
def _no_errors_logged(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    if errors and "expects_errors" not in request.fixturenames:
        pytest.fail(f"errors were logged: {errors}")
