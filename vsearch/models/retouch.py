"""Retouching: what a chunk says of its pictures beyond its latents, and how pictures are corrected by it.

*Curves* bend the three colours of every picture, each by its own value and, where that pays, by those of the other two:
what a band offset does in HEVC (Fu et al., "Sample Adaptive Offset in the HEVC Standard", IEEE TCSVT 22(12), 2012),
continuous and across colours. A network that learned films is a few grey levels off where a drawing is one flat colour.
*Detail* is what its pictures lack all along: one residual for all of them, coded once as JPEG codes pictures
(8x8 cosine transform, chroma at half the size). Where nothing moves it is paid for once and seen in every frame.

Nothing here touches latents: vectors, predictions and other chunks know nothing of it. docs/format.md has every byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.models.entropy import MEAN_STEPS, SymbolReader, SymbolWriter, Tables
from vsearch.models.layers import scale_index

OWN_KNOTS = 17  # of a curve over a colour's own values
OTHER_KNOTS = 9  # of one over another colour's
KNOT_LIMIT = 127  # halves of a grey level
STEP_PARTS = 4  # steps of detail are counted in quarters of a grey level
STEP_LIMIT = 1 << 14
CHROMA_STEP = 0.5  # of luma's: an error of it is spread over four pixels, and seen in two or three colours
SIDE = 8
COUNTS = 8  # how many coefficients of a block are not 0 is known by the length of that number in bits, 0 to 7
DIAGONALS = 2 * SIDE - 1
DETAIL_LIMIT = 4096  # grey levels: far beyond what is left of them at the end
_CURVES, _OTHERS, _DETAIL = 1, 2, 4
_PARTS = 32  # of a grey level, in which curves are added up

FROM_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])  # BT.601
TO_RGB = np.linalg.inv(FROM_RGB)
DIAGONAL = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()  # of each coefficient of a block, row by row
_FREQUENCY = np.pi * np.arange(SIDE)[:, None] * (2 * np.arange(SIDE) + 1) / (2 * SIDE)
COSINES = np.cos(_FREQUENCY) * np.where(np.arange(SIDE) == 0, 1 / SIDE, 2 / SIDE)[:, None] ** 0.5  # orthonormal

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class DetailTables:
    """How coefficients of detail are coded, by plane (luma, chroma): `blocks` (2, 4) are the scale indices of the
    lengths of counts in three passes and the mean of the first pass; `scales` (2, 7, 15) are those of coefficients, by
    length of their block's count and diagonal. Fixed numbers of a model.
    """

    tables: Tables
    blocks: Integers
    scales: Integers

    @classmethod
    def of(cls, tables: Tables, tensors: Mapping[str, NDArray[np.generic]]) -> DetailTables:
        """Of a model's tensors `retouch.blocks` and `retouch.scales`. Raises LatentError when they do not fit."""
        found = [tensors.get(f"retouch.{name}") for name in ("blocks", "scales")]
        for tensor, shape in zip(found, ((2, 4), (2, COUNTS - 1, DIAGONALS)), strict=True):
            if tensor is None or tensor.shape != shape or not np.issubdtype(tensor.dtype, np.integer):
                raise LatentError(f"the weights do not fit the card (retouch: whole numbers {shape} are needed)")
            if tensor.min() < 0 or tensor.max() >= tables.n_scales:
                raise LatentError("the weights do not fit the card (retouch: there are no tables of such a scale)")
        blocks, scales = (np.asarray(tensor, np.int64) for tensor in found)
        return cls(tables, blocks, scales)


@dataclass(frozen=True, eq=False)
class Retouching:
    """Corrections of all pictures of a chunk, H x W pixels.

    own: (3, OWN_KNOTS) and others: (3, 2, OTHER_KNOTS), halves of a grey level at equal distances of 0 to 255; `others`
    follow the values of the other two colours, in order. step: of detail, 1 / STEP_PARTS (0: none); planes: for each
    of Y, Cb and Cr the coefficients (rows, columns, 64) in steps.
    """

    own: Integers
    others: Integers
    step: int = 0
    planes: tuple[Integers, ...] = ()

    @classmethod
    def nothing(cls) -> Retouching:
        return cls(np.zeros((3, OWN_KNOTS), np.int64), np.zeros((3, 2, OTHER_KNOTS), np.int64))

    def coded(self, coding: DetailTables) -> bytes:
        """None at all where nothing is corrected."""
        bent, mixed = bool(self.own.any() or self.others.any()), bool(self.others.any())
        detailed = any(plane.any() for plane in self.planes)
        if not (bent or detailed):
            return b""
        head = bytes([_CURVES * bent + _OTHERS * mixed + _DETAIL * detailed])
        if detailed:
            head += self.step.to_bytes(2, "little")
        coder = SymbolWriter(coding.tables)
        if bent:
            knots = np.concatenate([self.own.ravel(), self.others.ravel()] if mixed else [self.own.ravel()])
            _write_knots(coder, knots, coding.tables)
        for number, plane in enumerate(self.planes if detailed else ()):
            _write_plane(coder, plane, coding, int(number > 0))
        return head + coder.bytes()

    @classmethod
    def read(cls, data: bytes, size: tuple[int, int], coding: DetailTables) -> Retouching:
        """Of pictures of `size` (H, W), multiples of 16. Raises LatentError for what cannot be read."""
        if not data:
            return cls.nothing()
        flags, step, rest = data[0], 0, data[1:]
        if not 0 < flags < 2 * _DETAIL or (flags & _OTHERS and not flags & _CURVES):
            raise _damaged()
        if flags & _DETAIL:
            step, rest = int.from_bytes(rest[:2], "little"), rest[2:]
            if not 0 < step <= STEP_LIMIT:
                raise _damaged()
        reader = SymbolReader(coding.tables, rest)
        found = cls.nothing()
        own, others = found.own, found.others
        if flags & _CURVES:
            knots = _read_knots(reader, own.size + (others.size if flags & _OTHERS else 0), coding.tables)
            own = knots[: own.size].reshape(own.shape)
            if flags & _OTHERS:
                others = knots[own.size :].reshape(others.shape)
        planes: tuple[Integers, ...] = ()
        if step:
            planes = tuple(_read_plane(reader, shape, coding, int(n > 0)) for n, shape in enumerate(plane_shapes(size)))
        return cls(own, others, step, planes)

    def on(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pictures (T, 3, H, W) uint8 RGB as they are with it; the argument is changed and returned."""
        bent = bool(self.own.any() or self.others.any())
        if bent or self.step:
            for number, picture in enumerate(pictures):
                levels = self._bent(picture) if bent else picture.astype(np.int16)
                if self.step:
                    levels += self._detail
                pictures[number] = np.clip(levels, 0, 255, out=levels)
        return pictures

    def _bent(self, picture: NDArray[np.uint8]) -> NDArray[np.int16]:
        """(3, H, W) grey levels, beyond 0 to 255 as well."""
        own, others = self._tables
        values = picture.astype(np.intp)  # what numpy looks up by: once, not for every table
        out = np.empty(picture.shape, np.int16)
        for colour, (plane, table) in enumerate(zip(out, own, strict=True)):
            np.take(table, values[colour], out=plane, mode="clip")
            for place, other in enumerate(other_colours(colour)):
                if self.others[colour, place].any():
                    plane += np.take(others[colour, place], values[other], mode="clip")
        out >>= _PARTS.bit_length() - 1
        return out

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """(3, 256) own values as they become, with half a grey level for rounding, and (3, 2, 256) what is added, in
        1 / _PARTS.
        """
        values = np.arange(256)
        own = values * _PARTS + _PARTS // 2 + np.rint(curve(self.own) * _PARTS)
        return own.astype(np.int16), np.rint(curve(self.others) * _PARTS).astype(np.int16)

    @cached_property
    def _detail(self) -> NDArray[np.int16]:
        """(3, H, W) grey levels to be added; more than DETAIL_LIMIT makes black or white of any value."""
        levels = np.rint(detail_picture(self.planes, self.step))
        return np.clip(levels, -DETAIL_LIMIT, DETAIL_LIMIT).astype(np.int16)


def other_colours(colour: int) -> tuple[int, ...]:
    """Of red, green and blue the other two."""
    return tuple(other for other in range(3) if other != colour)


def curve(knots: NDArray[np.generic]) -> NDArray[np.float64]:
    """What curves (..., knots) of halves of a grey level add at 0 to 255: (..., 256), straight between knots."""
    last = knots.shape[-1] - 1
    place = np.arange(256) * last / 255
    left = np.minimum(place.astype(np.intp), last - 1)
    part = place - left
    values = np.asarray(knots, np.float64) / 2
    return np.asarray(values[..., left] * (1 - part) + values[..., left + 1] * part)


def plane_shapes(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Blocks of 8x8 down and across in Y, Cb and Cr of pictures (H, W)."""
    height, width = size
    for scale in (1, 2, 2):
        yield height // scale // SIDE, width // scale // SIDE


def unit(step: int, number: int) -> float:
    """What a coefficient of 1 is in Y, Cb or Cr (number 0, 1, 2)."""
    return step / STEP_PARTS * (CHROMA_STEP if number else 1.0)


def detail_planes(residual: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    """A residual (3, H, W) in RGB -> coefficients of Y, Cb and Cr, (rows, columns, 64) each."""
    planes = np.tensordot(FROM_RGB, residual, axes=1)
    for number, plane in enumerate(planes):
        part = plane
        if number:
            h, w = plane.shape
            part = plane.reshape(h // 2, 2, w // 2, 2).mean((1, 3))
        h, w = part.shape
        blocks = part.reshape(h // SIDE, SIDE, w // SIDE, SIDE).transpose(0, 2, 1, 3)
        yield (COSINES @ blocks @ COSINES.T).reshape(h // SIDE, w // SIDE, SIDE * SIDE)


def detail_picture(planes: tuple[Integers, ...], step: int) -> NDArray[np.float64]:
    """Coefficients of Y, Cb and Cr, (rows, columns, 64) each, in steps -> a residual (3, H, W) in RGB."""
    pictures = []
    for number, plane in enumerate(planes):
        rows, columns, _ = plane.shape
        blocks = COSINES.T @ plane.reshape(rows, columns, SIDE, SIDE) @ COSINES * unit(step, number)
        picture = blocks.transpose(0, 2, 1, 3).reshape(rows * SIDE, columns * SIDE)
        pictures.append(picture.repeat(2, 0).repeat(2, 1) if number else picture)
    return np.asarray(np.tensordot(TO_RGB, np.stack(pictures), axes=1))


# Knots: whether each is 0, then those that are not


def _write_knots(coder: SymbolWriter, knots: Integers, tables: Tables) -> None:
    some = knots != 0
    share = min(255, int(some.mean() * 256))
    scale = min(int(scale_index(np.abs(knots[some]).mean())), tables.n_scales - 1)
    coder.uniform(np.array([share, scale]), 256)
    coder.flags(some, (share + 0.5) / 256)
    coder.write(knots[some], np.zeros(int(some.sum()), np.int64), np.full(int(some.sum()), scale))


def _read_knots(reader: SymbolReader, n: int, tables: Tables) -> Integers:
    share, scale = reader.uniform(2, 256)
    if scale >= tables.n_scales:
        raise _damaged()
    some = reader.flags(n, (int(share) + 0.5) / 256)
    knots = np.zeros(n, np.int64)
    knots[some] = reader.read(np.zeros(int(some.sum()), np.int64), np.full(int(some.sum()), scale))
    if np.abs(knots).max() > KNOT_LIMIT:
        raise _damaged()
    return knots


# Planes: how many coefficients of each block are not 0 (the length of that number), then those of blocks with some.
# A row of blocks at a time: a reader of a forged chunk shall not need much memory at once


def _write_plane(coder: SymbolWriter, plane: Integers, coding: DetailTables, chroma: int) -> None:
    lengths = count_lengths(plane)
    for where, means, scale in passes(lengths, coding.blocks[chroma]):
        coder.write(lengths[where], means[where], np.full(int(where.sum()), scale))
    for blocks, row in zip(plane, lengths, strict=True):
        scales = _scales(row, coding.scales[chroma])
        coder.write(blocks[row > 0].ravel(), np.zeros_like(scales), scales)


def _read_plane(reader: SymbolReader, shape: tuple[int, int], coding: DetailTables, chroma: int) -> Integers:
    lengths = np.zeros(shape, np.int64)
    for where, means, scale in passes(lengths, coding.blocks[chroma]):
        lengths[where] = reader.read(means[where], np.full(int(where.sum()), scale))
    if lengths.min(initial=0) < 0 or lengths.max(initial=0) >= COUNTS:
        raise _damaged()
    plane = np.zeros((*shape, SIDE * SIDE), np.int64)
    for blocks, row in zip(plane, lengths, strict=True):
        scales = _scales(row, coding.scales[chroma])
        blocks[row > 0] = reader.read(np.zeros_like(scales), scales).reshape(-1, SIDE * SIDE)
    return plane


def _scales(lengths: Integers, by_length: Integers) -> Integers:
    """Scale indices of all coefficients of those blocks of a row that have some, block by block."""
    return np.asarray(by_length[lengths[lengths > 0] - 1][:, DIAGONAL].ravel(), np.int64)


def count_lengths(plane: Integers) -> Integers:
    """(rows, columns): of each block the length in bits of how many coefficients are not 0."""
    counts = np.count_nonzero(plane, axis=-1)
    return np.asarray(np.frexp(counts)[1], np.int64)


def passes(lengths: Integers, numbers: Integers) -> Iterator[tuple[NDArray[np.bool_], Integers, int]]:
    """Where each of three passes codes lengths, their means in eighths, and a scale index: every second block of every
    second row; those between four of them, from the mean of these; the others, from the four blocks beside them.
    A neighbour beyond an edge is the one on the other side. `lengths` is filled by who iterates.
    """
    rows, columns = lengths.shape
    y, x = np.arange(rows)[:, None] % 2, np.arange(columns)[None, :] % 2
    diagonal, beside = ((-1, -1), (-1, 1), (1, -1), (1, 1)), ((-1, 0), (0, -1), (0, 1), (1, 0))
    for number, (where, around) in enumerate((((y + x) == 0, ()), (y * x == 1, diagonal), ((y + x) == 1, beside))):
        means = np.full(lengths.shape, numbers[3])
        if around:
            means = np.sum([_shifted(lengths, *way) for way in around], 0) * MEAN_STEPS // len(around)
        yield where, means, int(numbers[number])


def _shifted(values: Integers, dy: int, dx: int) -> Integers:
    """What lies at a distance of (dy, dx); of what would lie outside, the block on the other side (0 without one)."""
    rows, columns = values.shape
    if (dy and rows == 1) or (dx and columns == 1):
        return np.zeros_like(values)
    y = np.arange(rows) + dy
    x = np.arange(columns) + dx
    y = np.where((y < 0) | (y >= rows), np.arange(rows) - dy, y)
    x = np.where((x < 0) | (x >= columns), np.arange(columns) - dx, x)
    return values[np.ix_(y, x)]


def _damaged() -> LatentError:
    return LatentError("how a chunk's pictures are retouched cannot be read: the library is damaged there")
