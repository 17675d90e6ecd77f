"""One small library of real videos for the tests of commands that only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import make_archive, open_tiny


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `videos/` (three videos and a file that is none) and the `library/` of them."""
    folder = tmp_path_factory.mktemp("shelf")
    make_archive(folder / "videos", ["a.mp4", "b é.mp4", "c.mp4"])
    (folder / "videos" / "broken.mp4").write_bytes(bytes(range(256)) * 40)
    with open_tiny(folder / "library") as library:
        library.index([folder / "videos"])
    return folder


@pytest.fixture(autouse=True)
def no_library_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing may reach the library of whoever runs the tests."""
    monkeypatch.setenv("VSEARCH_LIBRARY", str(tmp_path / "default-library"))
