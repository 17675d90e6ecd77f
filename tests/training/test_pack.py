"""Packed frames: small, checked, the same every time, and unpacked once."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.packs import SIZE, write_pack
from tests.videos import scene_frames, texture
from vsearch.errors import InputError, UnavailableError
from vsearch.media.coded import code_pictures, decoded_pictures
from vsearch.media.writer import write_video
from vsearch.training import pack
from vsearch.training.data import PackedFrames, PackWriter, PairBatches, held_out_groups
from vsearch.training.drawings import fonts_folder
from vsearch.training.pack import DRAWN_FRAMES, PackRecipe, pack_sources, sources
from vsearch.training.parts import read_part


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files that travel."""
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name.startswith(("part", "index"))
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three videos, two of them in one folder, and a file that is none."""
    folder = tmp_path / "archive"
    (folder / "holiday").mkdir(parents=True)
    for number, name in enumerate(("one.mp4", "holiday/two.mp4", "holiday/three.mp4")):
        write_video(folder / name, scene_frames(number, 30), time_base=Fraction(1, 10))
    (folder / "notes.txt").write_text("nothing to see")
    return folder


@pytest.mark.parametrize("size", [(16, 16), (33, 47), SIZE])
def test_coded_pictures_come_back_nearly_as_they_were(size: tuple[int, int]) -> None:
    pictures = np.stack(list(scene_frames(1, 5, size)))
    packets = code_pictures(pictures, quality=12)
    decoded = np.stack(list(decoded_pictures(packets, size)))
    assert decoded.shape == pictures.shape
    assert np.abs(decoded.astype(int) - pictures).mean() < 3
    assert code_pictures(pictures, quality=12) == packets


def test_a_pack_gives_its_frames_back(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, videos=3, photos=2)
    packed = PackedFrames(folder)
    assert [entry.file for entry in packed.entries] == ["v0.mp4", "v1.mp4", "v2.mp4", "p0.webp", "p1.webp"]
    frames = packed.frames(packed.entries[1])
    original = np.stack(list(scene_frames(1, 12, SIZE, speed=2)))
    assert frames.shape == original.shape
    assert np.abs(frames.astype(int) - original).mean() < 4


def test_unpacking_happens_once_and_again_when_the_cache_is_gone_or_of_another_pack(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "a", videos=2, photos=1)
    PackedFrames(folder)
    cache = folder / "frames.bin"
    first, made = cache.read_bytes(), cache.stat().st_mtime_ns
    PackedFrames(folder)
    assert cache.stat().st_mtime_ns == made
    cache.write_bytes(first[:-1])
    PackedFrames(folder)
    assert cache.read_bytes() == first
    cache.unlink()
    PackedFrames(folder)
    assert cache.read_bytes() == first
    other = write_pack(tmp_path / "b", videos=1, photos=2)
    (other / "frames.bin").write_bytes(first)
    assert PackedFrames(other).frames(PackedFrames(other).entries[0]).shape[0] == 12
    assert (other / "frames.bin").read_bytes() != first


def test_several_processes_may_open_a_pack_at_once(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, videos=2, photos=1)
    code = (
        f"from pathlib import Path; from vsearch.training.data import PackedFrames; PackedFrames(Path({str(folder)!r}))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert not (folder / "frames.tmp").exists()


@pytest.mark.parametrize("damage", ["flipped", "short", "other", "missing", "exchanged"])
def test_a_damaged_part_is_named(tmp_path: Path, damage: str) -> None:
    folder = write_pack(tmp_path / "pack", videos=2, photos=0)
    part = folder / "part-000.frames"
    data = bytearray(part.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
    elif damage == "short":
        part.write_bytes(data[:-5])
    elif damage == "other":
        part.write_bytes(b"something else")
    elif damage == "missing":
        part.unlink()
    else:
        part.write_bytes((write_pack(tmp_path / "other", videos=1, photos=1) / part.name).read_bytes())
    with pytest.raises(InputError, match=str(folder)):
        PackedFrames(folder)
    assert not (folder / "frames.bin").exists()


def test_a_part_stands_alone(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, videos=1, photos=1)
    video, photo = read_part(folder / "part-000.frames")
    assert (video.facts.file, video.facts.fps, video.shape) == ("v0.mp4", 5.0, (12, 3, *SIZE))
    assert photo.facts.fps == 0.0
    assert video.psnr_db > 35


def test_parts_stay_below_their_limit(tmp_path: Path) -> None:
    writer = PackWriter(tmp_path, part_bytes=12_000)
    for n in range(4):
        writer.add(file=f"{n}.webp", group=str(n), scene=str(n), fps=0, frames=texture(n)[None])
    writer.close()
    parts = sorted(tmp_path.glob("part-*"))
    assert len(parts) > 1
    assert all(part.stat().st_size <= 12_000 for part in parts)
    assert len(PackedFrames(tmp_path).entries) == 4
    with pytest.raises(InputError, match=r"9\.webp"):
        PackWriter(tmp_path, part_bytes=1500).add(file="9.webp", group="", scene="", fps=0, frames=texture(9)[None])


def test_an_archive_is_packed_within_its_limit_and_the_same_each_time(archive: Path, tmp_path: Path) -> None:
    recipe = PackRecipe(corpus=str(archive), video_side=96, total_bytes=20_000)
    report = pack_sources(recipe, tmp_path / "a")
    pack_sources(recipe, tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert sum(map(len, bytes_of(tmp_path / "a").values())) == report.size_bytes <= 20_000
    assert not (tmp_path / "a" / "originals.tmp").exists()
    packed = PackedFrames(tmp_path / "a")
    assert {entry.group for entry in packed.entries} == {"one", "holiday"}
    assert {entry.shape[2] for entry in packed.entries} == {96}
    assert {entry.shape[0] for entry in packed.entries} == {15}
    finer = pack_sources(PackRecipe(corpus=str(archive), video_side=96, total_bytes=400_000), tmp_path / "c")
    assert report.videos is not None
    assert finer.videos is not None
    assert report.photos is None
    assert finer.videos.quality < report.videos.quality
    assert finer.videos.psnr_db > report.videos.psnr_db


def test_drawn_scenes_are_packed_beside_an_archive_each_by_itself(archive: Path, tmp_path: Path) -> None:
    recipe = PackRecipe(corpus=str(archive), video_side=96, total_bytes=400_000, drawings=3)
    pack_sources(recipe, tmp_path / "a")
    pack_sources(recipe, tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    packed = PackedFrames(tmp_path / "a")
    drawn = [entry for entry in packed.entries if entry.file.startswith("drawn-")]
    assert [(entry.group, entry.fps, entry.shape[0]) for entry in drawn] == [
        ("drawn-0000", 1.0, DRAWN_FRAMES),
        ("drawn-0001", 1.0, DRAWN_FRAMES),
        ("drawn-0002", 1.0, DRAWN_FRAMES),
    ]
    assert len(packed.entries) == 6
    with pytest.raises(InputError, match="-1"):
        PackRecipe(corpus=str(archive), drawings=-1)


def test_drawn_scenes_are_packed_alone_only_where_no_part_is_named(archive: Path, tmp_path: Path) -> None:
    (archive / "wrong").mkdir()
    recipe = PackRecipe(corpus=str(archive), parts=("wrong",), video_side=96, drawings=1)
    with pytest.raises(InputError, match="no readable video or photograph in wrong"):
        pack_sources(recipe, tmp_path / "pack")
    (tmp_path / "recipe.toml").write_text("[pack]\ncorpus = ''\nparts = []\nvideo_side = 96\ndrawings = 1\n")
    pack(tmp_path / "recipe.toml", tmp_path / "pack")
    assert [entry.file for entry in PackedFrames(tmp_path / "pack").entries] == ["drawn-0000"]
    with pytest.raises(InputError, match="neither parts nor drawings"):
        PackRecipe(corpus=str(archive), parts=())


def test_without_fonts_nothing_is_decoded_first(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts_folder.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UnavailableError, match=r"vsearch\[train\]"):
        pack_sources(PackRecipe(corpus=str(archive), drawings=1), tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    pack_sources(PackRecipe(corpus=str(archive), video_side=96), tmp_path / "pack")


def test_what_cannot_fit_is_an_error_that_says_what_to_change(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not fit into total_bytes"):
        pack_sources(PackRecipe(corpus=str(archive), total_bytes=500), tmp_path / "pack")


def test_a_manifest_says_what_belongs_together(archive: Path) -> None:
    rows = [{"file": "archive/one.mp4", "group": "g1", "scene": "s1"}, {"file": "two.mp4", "repo": "someone/films"}]
    (archive.parent / "archive.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = {path.name: facts for path, facts in sources(PackRecipe(str(archive.parent), parts=("archive",)))}
    assert found["one.mp4"] == {"group": "g1", "scene": "s1"}
    assert found["two.mp4"] == {"group": "someone/films", "scene": "someone/films"}
    assert found["three.mp4"] == {"group": "holiday", "scene": "holiday"}


def test_an_unknown_name_in_a_recipe_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[pack]\ncorpus = '.'\nspeed = 3\n")
    with pytest.raises(InputError, match="speed"):
        pack(tmp_path / "recipe.toml", tmp_path / "out")


@pytest.mark.parametrize("value", ["1.5", "'2'", "true", "[1]"])
def test_a_whole_number_in_a_recipe_is_one(tmp_path: Path, value: str) -> None:
    (tmp_path / "recipe.toml").write_text(f"[pack]\ncorpus = '.'\ndrawings = {value}\n")
    with pytest.raises(InputError, match=r"recipe\.toml: \[pack\] drawings is a whole number, not "):
        pack(tmp_path / "recipe.toml", tmp_path / "out")


def test_some_group_validates_wherever_there_are_two() -> None:
    assert held_out_groups({"a"}) == set()
    assert len(held_out_groups({"a", "b"})) == 1
    many = {str(n) for n in range(600)}
    assert 30 < len(held_out_groups(many)) < 80
    assert held_out_groups(many) <= held_out_groups(many | {"another", "and another"})


def test_an_archive_of_one_group_says_why_nothing_validates(tmp_path: Path) -> None:
    packed = PackedFrames(write_pack(tmp_path, videos=0, photos=1))
    with pytest.raises(InputError, match=r"for training .* 1 groups"):
        PairBatches(packed, side=64, batch=2, photos=0.4)


def test_pairs_are_the_same_wherever_the_frames_are_kept(tmp_path: Path) -> None:
    packed = PackedFrames(write_pack(tmp_path))
    entry = packed.entries[2]
    size = int(np.prod(entry.shape))
    flat = packed.on(torch.device("cpu"))
    np.testing.assert_array_equal(
        flat[entry.offset : entry.offset + size].view(entry.shape).numpy(), packed.frames(entry)
    )
    assert flat.numel() == sum(int(np.prod(one.shape)) for one in packed.entries)


def test_contrast_changes_some_pairs_and_both_frames_of_a_pair_alike(tmp_path: Path) -> None:
    packed = PackedFrames(write_pack(tmp_path))
    plain, changed = (
        PairBatches(packed, side=64, batch=24, photos=1.0, contrast=share).draw(np.random.default_rng(4))
        for share in (0.0, 0.5)
    )
    differs = (plain[0] != changed[0]).flatten(1).any(1)
    assert 4 < int(differs.sum()) < 20
    # Photographs that did not move: both frames are one, before and after.
    still = (plain[0] == plain[1]).flatten(1).all(1)
    assert bool((still & differs).any())
    assert torch.equal(changed[0][still], changed[1][still])
    assert torch.equal(plain[1][~differs], changed[1][~differs])
    assert float(changed[0].abs().max()) <= 0.5
    levels = (changed[0] + 0.5) * 255
    assert float((levels - levels.round()).abs().max()) < 1e-4
