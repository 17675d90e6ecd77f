"""Videos and photographs -> a packed folder that trainings read, small enough to travel.

The sources are decoded once, into a scratch file of raw frames. Then the quality is chosen with which they fit into
`total_bytes`, tried on a sample, and the videos are coded; the photographs get what these leave, so that they take up
the error of the estimate. Same sources, same recipe, same bytes (drawn scenes: with the same packages, see `_draw`).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.errors import InputError, MediaError
from vsearch.media import open_video
from vsearch.media.coded import COARSEST, FINEST, code_pictures
from vsearch.media.sampling import SamplingGrid
from vsearch.media.source import SourceFile
from vsearch.progress import Progress, SilentProgress
from vsearch.training.data import PackReport, PackWriter
from vsearch.training.drawings import drawn_frames, fonts_folder
from vsearch.training.parts import CodedSource, Shape, SourceFacts, code_source

ENTRY_FRAMES = 1500  # longer videos become several entries of one group
DRAWN_FRAMES = 16
SAMPLED = 24  # one entry in so many is coded to choose the quality
SAMPLED_FRAMES = 50  # at most, of one entry
MOST_A_STEP = 1.15  # as a factor, that one step of quality saves, or nearly
MARGIN = 0.98  # of what is left, which the estimate from the sample may reach
_DESCRIPTION_BYTES = 1024  # of an entry in a part's header and in the index, at most; 8 more for each packet
_TOO_MUCH = "the sources do not fit into total_bytes; raise it, or lower fps, video_side or photo_side"


@dataclass(frozen=True, slots=True)
class PackRecipe:
    """What to pack. `parts` are folders of `corpus`; `<part>.jsonl` beside one says which sources belong together
    (`group`, `scene`); where it does not, those of one folder do, and a file at the top of a part stands alone.

    Videos give `fps` frames a second. Pictures keep their stored size up to `video_side` or `photo_side` pixels on the
    shorter side. All parts together take at most `total_bytes`, each at most `part_bytes`.

    drawings: how many scenes drawn by program there are besides (`training.drawings`), 16:9 and `video_side` high, each
    a source of its own of 16 frames, one a second. Without any part (`parts = []`) there are only these.
    """

    corpus: str
    parts: tuple[str, ...] = (".",)
    fps: float = 5.0
    video_side: int = 216
    photo_side: int = 288
    total_bytes: int = 60_000_000
    part_bytes: int = 25_000_000
    threads: int = 2
    drawings: int = 0

    def __post_init__(self) -> None:
        if self.drawings < 0:
            raise InputError(f"[pack] drawings is how many there are: it cannot be {self.drawings}")
        if not self.parts and not self.drawings:
            raise InputError("[pack] has neither parts nor drawings, so there is nothing to pack: name at least one")


def pack_sources(recipe: PackRecipe, output: Path, progress: Progress | None = None) -> PackReport:
    """Pack every readable source into `output`. Raises InputError when none of the parts is readable, or when they do
    not fit, and UnavailableError, before anything is read, when scenes cannot be drawn here.
    """
    progress = progress or SilentProgress()
    if recipe.drawings:
        fonts_folder()
    output.mkdir(parents=True, exist_ok=True)
    with _Originals(output / "originals.tmp") as originals:
        _decode(recipe, originals, progress)
        if recipe.parts and not originals.entries:
            raise InputError(f"{recipe.corpus}: no readable video or photograph in {', '.join(recipe.parts)}")
        _draw(recipe, originals, progress)
        return _code(originals.entries, recipe, output, progress)


def _decode(recipe: PackRecipe, originals: _Originals, progress: Progress) -> None:
    """All readable sources -> raw frames. Unreadable ones are named."""
    found = list(sources(recipe))
    progress.start("decoding sources", total_files=len(found))
    for path, facts in found:
        progress.file(str(path))
        try:
            for block, fps in read_frames(path, recipe):
                originals.add(SourceFacts(path.name, facts["group"], facts["scene"], fps), block)
        except MediaError as error:
            progress.message(f"left out: {error}")
        progress.advance(files=1)
    progress.finish()


def _draw(recipe: PackRecipe, originals: _Originals, progress: Progress) -> None:
    """Drawn scenes -> raw frames, the same for the same number every time with the same versions of numpy, Pillow (and
    the FreeType in it) and matplotlib, whose fonts they are written with.
    """
    if not recipe.drawings:
        return
    size = recipe.video_side, round(recipe.video_side * 16 / 9)
    progress.start("drawing", total_files=recipe.drawings)
    for number in range(recipe.drawings):
        name = f"drawn-{number:04}"
        frames = drawn_frames(np.random.default_rng(number), DRAWN_FRAMES, size)
        originals.add(SourceFacts(name, name, name, 1.0), frames)
        progress.advance(files=1)
    progress.finish()


def _code(entries: Sequence[_Original], recipe: PackRecipe, output: Path, progress: Progress) -> PackReport:
    """Write the packed folder, videos first. Raises InputError when it cannot be small enough."""
    videos = [entry for entry in entries if entry.facts.fps > 0]
    photos = [entry for entry in entries if entry.facts.fps == 0]
    left = recipe.total_bytes - sum(_DESCRIPTION_BYTES + 8 * entry.shape[0] for entry in entries)
    writer = PackWriter(output, part_bytes=recipe.part_bytes)
    progress.start("coding frames", total_files=len(entries))
    with ThreadPoolExecutor(recipe.threads) as pool:
        for kind, later in ((videos, photos), (photos, [])):
            for source in _coded_within(left, kind, later, pool, progress):
                writer.append(source)
                left -= source.size_bytes
    progress.finish()
    return writer.close()


def _coded_within(
    budget: int, kind: Sequence[_Original], later: Sequence[_Original], pool: ThreadPoolExecutor, progress: Progress
) -> list[CodedSource]:
    """The entries of one kind, as fine as lets them and the later ones fit, by estimate. They alone surely fit."""
    if not kind:
        return []
    quality = fitting_quality([*kind, *later], budget, pool)
    while True:
        coded = []
        for source in pool.map(partial(_coded, quality=quality), kind):
            coded.append(source)
            progress.advance(files=1)
        size = sum(source.size_bytes for source in coded)
        if size <= budget:
            return coded
        if quality == COARSEST:
            raise InputError(_TOO_MUCH)
        progress.advance(files=-len(coded))
        # All are coded again, so one step at a time would take long: as many as are hardly enough.
        quality = min(COARSEST, quality + max(1, int(math.log(size / budget) / math.log(MOST_A_STEP))))


def _coded(entry: _Original, quality: int) -> CodedSource:
    return code_source(entry.facts, entry.frames(), quality=quality)


def fitting_quality(entries: Sequence[_Original], budget: int, pool: ThreadPoolExecutor) -> int:
    """The finest quality with which, as far as a sample tells, all entries fit. Raises InputError when none does."""
    qualities = range(FINEST, COARSEST + 1)
    low, high = 0, len(qualities)
    while low < high:
        middle = (low + high) // 2
        if _estimated_bytes(entries, qualities[middle], pool) <= MARGIN * budget:
            high = middle
        else:
            low = middle + 1
    if low == len(qualities):
        raise InputError(_TOO_MUCH)
    return qualities[low]


def _estimated_bytes(entries: Sequence[_Original], quality: int, pool: ThreadPoolExecutor) -> float:
    """The coded size of all entries, from every 24th of the videos and of the photographs, by their pixels."""

    def coded_bytes(entry: _Original) -> int:
        frames = entry.frames()[:SAMPLED_FRAMES]
        return sum(map(len, code_pictures(frames, quality=quality)))

    total = 0.0
    for of_kind in (
        [entry for entry in entries if entry.facts.fps > 0],
        [entry for entry in entries if entry.facts.fps == 0],
    ):
        sample = of_kind[:: SAMPLED if len(of_kind) > SAMPLED else 1]
        sampled = sum(entry.pixels * min(1.0, SAMPLED_FRAMES / entry.shape[0]) for entry in sample)
        if sample:
            total += sum(pool.map(coded_bytes, sample)) * sum(entry.pixels for entry in of_kind) / sampled
    return total


@dataclass(frozen=True, slots=True)
class _Original:
    """Frames of one source in the scratch file."""

    path: Path
    facts: SourceFacts
    shape: Shape
    offset: int

    @property
    def pixels(self) -> int:
        return self.shape[0] * self.shape[2] * self.shape[3]

    def frames(self) -> NDArray[np.uint8]:
        """(T, 3, H, W) uint8, a view of the file."""
        return np.memmap(self.path, np.uint8, "r", self.offset, self.shape)


class _Originals:
    """Raw frames of all sources in a scratch file, which goes when the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self.entries: list[_Original] = []

    def add(self, facts: SourceFacts, frames: NDArray[np.uint8]) -> None:
        t, c, h, w = frames.shape
        offset = self._file.tell()
        self.entries.append(_Original(self._path, facts, (int(t), int(c), int(h), int(w)), offset))
        self._file.write(np.ascontiguousarray(frames).data)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def sources(recipe: PackRecipe) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every file of the parts and their folders, in order, with its `group` and `scene`. Raises InputError for a part
    that is not there.
    """
    for part in recipe.parts:
        folder = Path(recipe.corpus) / part
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        manifest = _manifest(Path(recipe.corpus) / f"{part}.jsonl")
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                row = manifest.get(path.name, {})
                inside = path.relative_to(folder)
                alone = inside.stem if inside.parent == Path() else inside.parent.as_posix()
                group = str(row.get("group") or row.get("repo") or alone)
                yield path, {"group": group, "scene": str(row.get("scene") or group)}


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a manifest by file name; none where there is no manifest."""
    if not path.is_file():
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {Path(row["file"]).name: row for row in rows}


def read_frames(path: Path, recipe: PackRecipe) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Blocks of frames (T, 3, H, W) uint8 with their rate (0: a photograph), at most 1,500 frames each. Raises
    MediaError.
    """
    config = ReadConfig(fps=Fraction(recipe.fps))
    with SourceFile(os.fsencode(path)) as source, open_video(source, config) as reader:
        info = reader.info
        stored = (info.width, info.height) if info.rotation in (90, 270) else (info.height, info.width)
        size = _packed_size(stored, recipe.photo_side if info.still else recipe.video_side)
        grid = SamplingGrid(reader.first_pts, Fraction(recipe.fps), info.time_base)
        pictures = (frame.picture(size) for frame in reader.frames() if info.still or grid.takes(frame.pts))
        fps = 0.0 if info.still else recipe.fps
        empty = True
        while block := list(islice(pictures, ENTRY_FRAMES)):
            empty = False
            yield np.stack(block), fps
    if empty:
        raise MediaError(f"{path}: no decodable picture")


def _packed_size(stored: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) with at most `side` pixels on the shorter side, and at least 16 on both."""
    shrink = min(1.0, side / min(stored))
    return max(16, round(stored[0] * shrink)), max(16, round(stored[1] * shrink))
