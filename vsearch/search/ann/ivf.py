"""Approximate search: cells around centres learnt by k-means, of which a query looks into the nearest few.

An index is up to two parts over the same cells: one in its file, which is mapped and never changes, and one in memory
for what was added since. What is removed is marked. `save` merges both into a new file, list by list, without learning
or coding anything again. Beside the codes that FAISS scans, each row's vector is kept as float16: on disk it costs
little, and small filtered sets are compared exactly, candidates of coarse codings again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError, InputError
from vsearch.search.ann.choice import TRAINED_PER_CELL, cells_for
from vsearch.search.ann.coding import Coding, Int8Coding, ProductCoding
from vsearch.search.ann.device import uses_gpu
from vsearch.search.ann.faiss_package import faiss
from vsearch.search.ann.files import Header, Stamp, Stream, read_index, write_index
from vsearch.search.ann.lists import ROW_BYTES, list_of, loaded_lists, mapped_lists

EXACT_ROWS = 1 << 17  # so many allowed rows are compared one by one: faster than cells, and exact
_PIECE = 1 << 15  # rows converted or copied at a time
_KMEANS_ITERATIONS = 8
_LEAST_GAIN = 0.005  # in recall, by looking into twice as many cells: less is not worth it
_MOST_REFINED = 4096  # candidates of a query; who asks for more wants what is far away as well
_MAPPED = ("ids", "vectors", "lists")


class IvfIndex:
    """An inverted file with a byte a dimension. `train` comes before `add`; `tune` chooses how many cells are probed.

    Search parameters: `nprobe`, cells that are looked into (those of filtered searches grow as fewer rows are allowed),
    and `refine`, candidates compared again from the float16 rows for each one asked for.
    """

    KIND: ClassVar[str] = "ivf"
    CODING: ClassVar[type[Coding]] = Int8Coding

    def __init__(self, d: int, *, device: str = "cpu") -> None:
        uses_gpu(device)  # cells are probed on the CPU; who asks for a GPU that is not there is told so all the same
        self.d = d
        self.facts: dict[str, str | int | float] = {}
        self._quantizer: Any = None
        self._coding: Coding | None = None
        self._parts: list[_Part] = []

    def __len__(self) -> int:
        return sum(part.n_live for part in self._parts)

    def ids(self) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *(part.live_ids() for part in self._parts)])

    def train(self, vectors: NDArray[np.float32], *, n: int | None = None) -> None:
        """Learn cells and coding from (n, d) vectors. Raises AnnError for an index that holds some already."""
        self._check(vectors)
        if len(self):
            raise AnnError("an index that holds vectors cannot be trained again: build a new one")
        n_cells = min(cells_for(n or len(vectors)), max(len(vectors), 1))
        kmeans = faiss.Kmeans(
            self.d,
            n_cells,
            niter=_KMEANS_ITERATIONS,
            spherical=True,
            seed=1,
            min_points_per_centroid=1,
            max_points_per_centroid=TRAINED_PER_CELL,
        )
        sample = np.ascontiguousarray(vectors, np.float32)
        kmeans.train(sample)
        centres = np.asarray(kmeans.centroids, np.float32).reshape(n_cells, self.d)
        some = sample[:: max(1, len(sample) >> 16)]
        quantizer = _quantizer(centres)
        coding = self.CODING.learn(some, some - centres[quantizer.search(some, 1)[1][:, 0]])
        self._set_structure(quantizer, coding)
        self.facts = {"cells": n_cells, "nprobe": n_cells, "refine": self.CODING.refine}

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._check(vectors)
        if self._coding is None:
            raise AnnError("the index must be trained before vectors are added")
        if ids.shape != vectors.shape[:1]:
            raise AnnError(f"{len(vectors)} vectors cannot have {len(ids)} ids")
        if len(np.unique(ids)) != len(ids) or any(part.holds_any(ids) for part in self._parts):
            raise AnnError("an id is in the index already")
        self._parts[-1].append(ids.astype(np.int64), vectors.astype(np.float16), self._quantizer, self._coding)

    @property
    def pending(self) -> int:
        return len(self._parts[-1].ids) if self._parts else 0

    def remove(self, ids: NDArray[np.int64]) -> int:
        return sum(part.remove(ids) for part in self._parts)

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.int64] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self._check(vectors)
        nprobe, refine = self._parameters(params or {})
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        queries = np.ascontiguousarray(vectors, np.float32)
        parts = [part for part in self._parts if part.n_live]
        if len(queries) == 0 or not parts:
            return _nothing(len(queries), k)
        if allowed is None:
            return self._probe(queries, k, parts, [part.masked() for part in parts], nprobe=nprobe, refine=refine)
        chosen = [part.rows_of(allowed) for part in parts]
        n_chosen = sum(map(len, chosen))
        if n_chosen <= max(EXACT_ROWS, k):
            return _best(k, [part.compare(queries, k, rows) for part, rows in zip(parts, chosen, strict=True)])
        masks = [_mask(len(part.ids), rows) for part, rows in zip(parts, chosen, strict=True)]
        wider = nprobe * -(-len(self) // n_chosen)  # about as many rows that may be found as without a filter
        return self._probe(queries, k, parts, masks, nprobe=min(wider, self._quantizer.ntotal), refine=refine)

    def faiss_index(
        self, allowed_rows: NDArray[np.bool_] | None = None
    ) -> tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """The same lists, candidates compared again with a copy of the same rows."""
        assert self._coding is not None
        part = self._parts[0]
        rows = faiss.IndexScalarQuantizer(self.d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(part.ids), _PIECE):
            rows.add(part.vectors[start : start + _PIECE].astype(np.float32))
        lists = faiss.SearchParametersIVF(nprobe=int(self.facts["nprobe"]), sel=_selector(allowed_rows))
        params = faiss.IndexRefineSearchParameters(k_factor=self.CODING.refine, base_index_params=lists)
        return faiss.IndexRefine(part.index, rows), params, self._coding.prepare

    def memory_bytes(self, n: int) -> int:
        return n * (self.code_bytes(self.d) + ROW_BYTES) + cells_for(n) * self.d * 4

    @classmethod
    def code_bytes(cls, d: int) -> int:
        """Bytes of one coded vector of d dimensions."""
        return d

    def tune(self, queries: NDArray[np.float32], nearest: NDArray[np.int64], *, wanted: float) -> None:
        """Take the fewest cells that find `wanted` of the true neighbours, and remember the recall in `facts`.

        queries: (q, d) float32; nearest: (q, k) int64, the ids that exact search gives (-1 where there is none).
        """
        k, nprobe, half = nearest.shape[1], 1, -1.0
        while True:
            recall = _recall(self.search(queries, k, params={"nprobe": nprobe})[1], nearest)
            if recall >= wanted or recall - half < _LEAST_GAIN or nprobe >= self._quantizer.ntotal:
                break
            nprobe, half = min(2 * nprobe, self._quantizer.ntotal), recall
        self.facts |= {"nprobe": nprobe, f"ann_recall_at_{k}": round(recall, 4), "queries": len(queries)}

    def save(self, path: Path, *, stamp: Stamp) -> None:
        """Merge everything into one file, the rows in the order of their ids. Little memory is needed for it."""
        arrays: dict[str, NDArray[Any] | Stream]
        if self._coding is None:
            nothing = np.empty((0, self.d), np.float32)
            arrays = {"centres": nothing, "ids": np.empty(0, np.int64), "vectors": nothing.astype(np.float16)}
        else:
            arrays = {"centres": _centres(self._quantizer, self.d), **self._coding.arrays()}
            arrays |= _merged(self._parts, self.d)
        write_index(path, kind=self.KIND, d=self.d, stamp=stamp, arrays=arrays, facts=self.facts)

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Self:
        with path.open("rb") as file:  # held open, so that what FAISS maps can be told to be this file
            header, arrays = read_index(path, kind=cls.KIND, mapped=_MAPPED)
            opened = os.fstat(file.fileno())
            try:
                return cls._restored(path, header, arrays, opened, device)
            except KeyError as error:
                raise AnnError(f"{path}: {error} is missing: the file is damaged") from error

    @classmethod
    def _restored(
        cls, path: Path, header: Header, arrays: dict[str, NDArray[Any]], opened: os.stat_result, device: str
    ) -> Self:
        index = cls(header.d, device=device)
        index.facts = header.facts
        centres, ids, vectors = arrays["centres"], arrays["ids"], arrays["vectors"]
        if centres.dtype != np.float32 or centres.ndim != 2 or centres.shape[1] != header.d:
            raise AnnError(f"{path}: centres of shape {centres.shape} do not fit {header.d} dimensions")
        if ids.dtype != np.int64 or vectors.dtype != np.float16 or vectors.shape != (*ids.shape, header.d):
            raise AnnError(f"{path}: {ids.shape} ids do not fit {vectors.shape} vectors of {header.d} dimensions")
        if len(centres) == 0:
            return index
        coding = cls.CODING.restore(arrays, header.d)
        quantizer = _quantizer(centres)
        sizes, blocks, code_size = arrays["sizes"], arrays["lists"], cls.code_bytes(header.d)
        if sizes.shape != centres.shape[:1] or sizes.dtype != np.int64 or (sizes < 0).any() or sizes.sum() != len(ids):
            raise AnnError(f"{path}: the sizes of its lists do not fit: the file is damaged")
        if blocks.shape != (len(ids) * (code_size + ROW_BYTES),) or blocks.dtype != np.uint8:
            raise AnnError(f"{path}: {blocks.shape} bytes of lists do not fit: the file is damaged")
        index._set_structure(quantizer, coding)
        if len(ids):
            offset = header.arrays["lists"][2]
            lists = (
                mapped_lists(path, opened=opened, offset=offset, sizes=sizes, code_size=code_size)
                if hasattr(faiss, "OnDiskInvertedLists")
                else loaded_lists(blocks, sizes=sizes, code_size=code_size)
            )
            index._parts.insert(0, _Part(coding.index(quantizer, header.d), ids, vectors, lists))
        return index

    def _set_structure(self, quantizer: Any, coding: Coding) -> None:
        nothing = np.empty(0, np.int64), np.empty((0, self.d), np.float16)
        self._quantizer, self._coding = quantizer, coding
        self._parts = [_Part(coding.index(quantizer, self.d), *nothing)]

    def _check(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.d:
            raise AnnError(f"the index holds vectors of {self.d} dimensions, these are {vectors.shape}")

    def _parameters(self, params: Mapping[str, Any]) -> tuple[int, int]:
        if not params.keys() <= {"nprobe", "refine"}:
            unknown = ", ".join(sorted(params.keys() - {"nprobe", "refine"}))
            raise InputError(f"an index of kind {self.KIND} knows nprobe and refine, not {unknown}")
        nprobe = int(params.get("nprobe", self.facts.get("nprobe", 1)))
        refine = int(params.get("refine", self.CODING.refine))
        if nprobe < 1 or refine < 0:
            raise InputError(f"nprobe must be at least 1 and refine at least 0, not {nprobe} and {refine}")
        return nprobe, refine

    def _probe(
        self,
        queries: NDArray[np.float32],
        k: int,
        parts: Sequence[_Part],
        masks: Sequence[NDArray[np.bool_] | None],
        *,
        nprobe: int,
        refine: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k of each query among the rows of the nearest cells that a part's mask (None: all) leaves."""
        assert self._coding is not None
        nearness, cells = self._quantizer.search(queries, min(nprobe, self._quantizer.ntotal))
        prepared = self._coding.prepare(queries)
        found = []
        wanted = max(k, min(k * refine, _MOST_REFINED))
        for part, mask in zip(parts, masks, strict=True):
            selector = _selector(mask)
            scores, rows = part.scan(prepared, min(wanted, len(part.ids)), cells, nearness, selector)
            scores = part.cosines(queries, rows) if refine else self._coding.cosines(scores)
            scores, rows = _first(k, scores, rows)
            found.append((scores, part.ids_of(rows)))
        return found[0] if len(found) == 1 and found[0][0].shape[1] == k else _best(k, found)


class IvfPqIndex(IvfIndex):
    """An inverted file with a byte for each four dimensions; candidates are compared again from the float16 rows."""

    KIND = "ivfpq"
    CODING = ProductCoding

    @classmethod
    def code_bytes(cls, d: int) -> int:
        return next(d // width for width in (4, 2, 1) if d % width == 0)


class _Part:
    """Rows over a FAISS index whose labels are row numbers. ids: (n,) int64; vectors: (n, d) float16.

    lists: those of a file, over rows in the order of their ids; None: empty ones that grow.
    """

    def __init__(self, index: Any, ids: NDArray[np.int64], vectors: NDArray[np.float16], lists: Any = None) -> None:
        self.index = index
        self._ids, self._vectors = _Growing(ids), _Growing(vectors)
        self._gone: NDArray[np.bool_] | None = None  # of each row
        self._n_gone = 0
        self._lists = lists  # FAISS does not keep them alive
        if lists is not None:
            index.replace_invlists(lists, False)
            index.ntotal = len(ids)

    @property
    def ids(self) -> NDArray[np.int64]:
        return self._ids.array

    @property
    def vectors(self) -> NDArray[np.float16]:
        return self._vectors.array

    @property
    def n_live(self) -> int:
        return len(self.ids) - self._n_gone

    def live_ids(self) -> NDArray[np.int64]:
        return self.ids if self._gone is None else self.ids[~self._gone]

    def live_rows(self) -> NDArray[np.int64]:
        return np.arange(len(self.ids)) if self._gone is None else np.flatnonzero(~self._gone)

    def masked(self) -> NDArray[np.bool_] | None:
        """The rows that may be found; None: all."""
        return None if self._gone is None else ~self._gone

    def append(self, ids: NDArray[np.int64], vectors: NDArray[np.float16], quantizer: Any, coding: Coding) -> None:
        for start in range(0, len(ids), _PIECE):
            piece = vectors[start : start + _PIECE].astype(np.float32)
            _, cells = quantizer.search(piece, 1)
            rows = len(self.ids) + start + np.arange(len(piece))
            prepared, cells = coding.prepare(piece), np.ascontiguousarray(cells[:, 0])
            self.index.add_core(len(piece), *map(faiss.swig_ptr, (prepared, rows, cells)))
        self._ids.append(ids)
        self._vectors.append(vectors)
        if self._gone is not None:
            self._gone = np.append(self._gone, np.zeros(len(ids), np.bool_))

    def holds_any(self, ids: NDArray[np.int64]) -> bool:
        if len(ids) == 0 or self.n_live == 0 or ids.min() > self.ids.max():
            return False  # the usual case: a new video's ids are above all others
        return len(self.rows_of(ids)) > 0

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The live rows, ascending, of those ids that are here."""
        wanted = ids if (ids[1:] > ids[:-1]).all() else np.unique(ids)
        rows = _rows_among(self.ids, wanted) if self._lists is not None else np.flatnonzero(np.isin(self.ids, wanted))
        return rows if self._gone is None else rows[~self._gone[rows]]

    def remove(self, ids: NDArray[np.int64]) -> int:
        rows = self.rows_of(ids)
        if len(rows):
            if self._gone is None:
                self._gone = np.zeros(len(self.ids), np.bool_)
            self._gone[rows] = True
            self._n_gone += len(rows)
        return len(rows)

    def scan(
        self,
        prepared: NDArray[np.float32],
        k: int,
        cells: NDArray[np.int64],
        nearness: NDArray[np.float32],
        selector: Any,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """FAISS's scores and rows (q, k), -1 where nothing is, of what lies in the cells (q, p) of each query."""
        scores, rows = np.empty((len(prepared), k), np.float32), np.empty((len(prepared), k), np.int64)
        params = faiss.SearchParametersIVF(nprobe=cells.shape[1], sel=selector)
        arrays = map(faiss.swig_ptr, (cells, nearness, scores, rows))
        # FAISS's own Python form of this takes no parameters
        self.index.search_preassigned_c(len(prepared), faiss.swig_ptr(prepared), k, *arrays, False, params)
        absent = rows.view(np.uint64) >= len(self.ids)  # -1, and whatever a damaged list may say
        if absent.any():
            scores[absent], rows[absent] = -np.inf, -1
        return scores, rows

    def compare(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k (or fewer) of these rows for each query, every one compared: scores and ids (q, <= k)."""
        if len(rows) == 0:
            return _nothing(len(queries), 0)
        scores, places = faiss.knn(queries, self.vectors_of(rows), min(k, len(rows)), metric=faiss.METRIC_INNER_PRODUCT)
        return scores, self.ids[rows[places]]

    def cosines(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(q, m) cosines of each query (q, d) with its own candidates, rows (q, m); -inf where a row is -1."""
        found = np.empty(rows.shape, np.float32)
        for number in range(len(rows)):
            np.matmul(self.vectors_of(rows[number]), queries[number], out=found[number])
        if rows.min(initial=0) < 0:
            found[rows < 0] = -np.inf
        return found

    def vectors_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, d) float32 of rows (n,); of the last one where a row is -1."""
        return self.vectors.take(rows, axis=0, mode="wrap").astype(np.float32)

    def ids_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids of rows of any shape, -1 where the row is -1."""
        if len(self.ids) == 0:
            return np.full(rows.shape, -1)
        ids = self.ids[rows]
        if rows.min(initial=0) < 0:
            ids[rows < 0] = -1
        return ids


class _Growing:
    """An array (n, ...) that rows are appended to; `array` is a view."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._held, self.array = array, array

    def append(self, more: NDArray[Any]) -> None:
        n = len(self.array) + len(more)
        if n > len(self._held):
            held = np.empty((max(n, len(self._held) * 3 // 2), *more.shape[1:]), self._held.dtype)
            held[: len(self.array)] = self.array
            self._held = held
        self._held[len(self.array) : n] = more
        self.array = self._held[:n]


def _quantizer(centres: NDArray[np.float32]) -> Any:
    quantizer = faiss.IndexFlatIP(centres.shape[1])
    quantizer.add(centres)
    return quantizer


def _centres(quantizer: Any, d: int) -> NDArray[np.float32]:
    return np.asarray(quantizer.reconstruct_n(0, quantizer.ntotal), np.float32).reshape(-1, d)


def _rows_among(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in ascending ids (n,) those of wanted (m,), ascending as well, are.

    What is wanted comes in runs, whole videos mostly, of which only the ends are looked up: several times faster.
    """
    if len(wanted) == 0:
        return np.empty(0, np.int64)
    breaks = np.flatnonzero(wanted[1:] != wanted[:-1] + 1)
    firsts = np.searchsorted(ids, wanted[np.append(0, breaks + 1)])
    stops = np.searchsorted(ids, wanted[np.append(breaks, len(wanted) - 1)], side="right")
    lengths = stops - firsts
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.repeat(firsts, lengths) + within, np.int64)


def _mask(n: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return mask


def _selector(mask: NDArray[np.bool_] | None) -> Any:
    """The rows where `mask` is True, as FAISS wants them; None for all."""
    return None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _nothing(n_queries: int, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return np.full((n_queries, k), -np.inf, np.float32), np.full((n_queries, k), -1, np.int64)


def _best(
    k: int, found: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best k of what several searches found, filled up with nothing."""
    scores, ids = _first(k, *(np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True)))
    best_scores, best_ids = _nothing(len(scores), k)
    best_scores[:, : scores.shape[1]], best_ids[:, : scores.shape[1]] = scores, ids
    return best_scores, best_ids


def _first(
    k: int, scores: NDArray[np.float32], names: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best k (or fewer) of each line of scores (q, m), best first, and their names (q, m)."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    lines = np.arange(len(scores))[:, None]
    return scores[lines, order], names[lines, order]


def _recall(found: NDArray[np.int64], nearest: NDArray[np.int64]) -> float:
    hits = sum(len(np.intersect1d(ours, true[true >= 0])) for ours, true in zip(found, nearest, strict=True))
    return hits / max(int((nearest >= 0).sum()), 1)


def _merged(parts: Sequence[_Part], d: int) -> dict[str, NDArray[Any] | Stream]:
    """The live rows of all parts, in the order of their ids, as the arrays of a file."""
    live = [part.live_rows() for part in parts]
    ids = np.concatenate([part.ids[rows] for part, rows in zip(parts, live, strict=True)])
    origin = np.concatenate([np.full(len(rows), number) for number, rows in enumerate(live)])
    order = np.argsort(ids, kind="stable")
    rows = np.concatenate(live)[order]
    renumbered = []  # of each part, the new number of each row; -1: gone
    for number, part in enumerate(parts):
        new = np.full(len(part.ids), -1)
        mine = origin[order] == number
        new[rows[mine]] = np.flatnonzero(mine)
        renumbered.append(new)
    n_cells, code_size = parts[0].index.nlist, parts[0].index.code_size
    sizes = np.zeros(n_cells, np.int64)  # known when the lists have been written, and written after them

    def vectors() -> Iterator[NDArray[np.float16]]:
        for start in range(0, len(order), _PIECE):
            piece = slice(start, start + _PIECE)
            together = np.empty((len(order[piece]), d), np.float16)
            for number, part in enumerate(parts):
                mine = origin[order[piece]] == number
                together[mine] = part.vectors[rows[piece][mine]]
            yield together

    def lists() -> Iterator[NDArray[np.uint8]]:
        for cell in range(n_cells):
            pieces = []
            for part, new in zip(parts, renumbered, strict=True):
                old_rows, codes = list_of(part.index.invlists, cell)
                if len(old_rows) and not 0 <= old_rows.min() <= old_rows.max() < len(new):
                    raise AnnError(f"list {cell} names rows that do not exist: the index is damaged")
                keep = new[old_rows] >= 0
                pieces.append((new[old_rows[keep]], codes[keep]))
            sizes[cell] = sum(len(numbers) for numbers, _ in pieces)
            yield from (codes.reshape(-1) for _, codes in pieces)
            yield from (numbers.view(np.uint8) for numbers, _ in pieces)

    total = len(order) * (code_size + ROW_BYTES)
    return {
        "ids": ids[order],
        "vectors": Stream("<f2", (len(order), d), vectors()),
        "lists": Stream("|u1", (total,), lists()),
        "sizes": sizes,
    }
