"""What all tests share: where the corpus is, which tests are skipped, and that nothing logs errors unnoticed."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(  # a busy machine is no failure
    "vsearch", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("vsearch")

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


def pytest_sessionstart(session: pytest.Session) -> None:
    # A shell's background jobs ignore Ctrl-C, and so would the programs that tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")  # not every CI machine has one


@pytest.fixture
def expects_errors() -> None:
    """A test that asks for this may log errors."""


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command line sets up the program's logger; run inside a test, it must not do so for the tests after it."""
    log = logging.getLogger("vsearch")
    handlers, propagate, level = list(log.handlers), log.propagate, log.level
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(autouse=True)
def _no_errors_logged(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, _logging_as_it_was: None
) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    if errors and "expects_errors" not in request.fixturenames:
        pytest.fail(f"errors were logged: {errors}")
