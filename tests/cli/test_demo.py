"""The demo's clips and edits. That they are found is for `vsearch demo` itself, which CI runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import vsearch
from vsearch.cli.demo_clips import FPS, demo_clips, edited_copies, stranger


def test_every_clip_has_its_length_and_moves() -> None:
    for clip in (*demo_clips(), stranger()):
        first, second = (next(iter(clip.frames(start, start + 1))) for start in (1.0, 3.0))
        assert first.shape == (3, clip.height, clip.width)
        assert first.dtype == np.uint8
        assert not np.array_equal(first, second), clip.name
        assert clip.width % 2 == clip.height % 2 == 0


def test_clips_are_the_same_every_time() -> None:
    clip = next(clip for clip in demo_clips() if clip.name == "fireworks")
    once, again = (list(clip.frames(2, 3)) for _ in range(2))
    assert len(once) == FPS
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


def test_every_edit_is_of_a_part_of_a_clip() -> None:
    clips = {clip.name: clip for clip in demo_clips()}
    assert len(clips) == 12
    for copy in edited_copies():
        assert 0 <= copy.start_s < copy.end_s <= clips[copy.clip].duration_s
        frame = next(copy.frames())
        assert frame.dtype == np.uint8
        assert frame.shape[1] % 2 == frame.shape[2] % 2 == 0


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"")
    outcome = vsearch("demo", "-o", tmp_path)
    assert outcome.status == 1
    assert "holiday.mp4" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


@pytest.mark.parametrize("kind", [demo_clips, edited_copies])
def test_names_are_unique(kind: object) -> None:
    names = [one.name for one in kind()]  # type: ignore[operator]
    assert len(set(names)) == len(names)
