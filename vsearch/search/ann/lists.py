"""Inverted lists as FAISS searches them: mapped from our own files, or growing in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError
from vsearch.search.ann.faiss_package import faiss

ROW_BYTES = 8  # a row number in a list


def mapped_lists(path: Path, *, opened: os.stat_result, offset: int, sizes: NDArray[np.int64], code_size: int) -> Any:
    """FAISS's lists over a part of a file, which stays on disk: for each list its codes, then its row numbers (int64).

    offset: where the first list begins; the others follow without gaps. opened: the file that was checked. Raises
    AnnError when `path` names another by now. FAISS's own reader and its merging of such files are not used.
    """
    lists = faiss.OnDiskInvertedLists()
    lists.nlist, lists.code_size = len(sizes), code_size
    lists.filename, lists.totsize, lists.read_only = os.fspath(path), opened.st_size, True
    lists.prefetch_nthread = 0  # threads that read ahead of one query would be started anew for each
    lists.lists.resize(len(sizes))
    table = np.empty((len(sizes), 3), np.uint64)  # faiss::OnDiskOneList: size, capacity, offset
    table[:, 0] = table[:, 1] = sizes
    table[:, 2] = offset + (np.cumsum(sizes) - sizes) * (code_size + ROW_BYTES)
    faiss.memcpy(lists.lists.data(), faiss.swig_ptr(table), table.nbytes)
    lists.do_mmap()
    now = path.stat()  # the inode cannot have been given to another file while ours is open
    if (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino):
        raise AnnError(f"{path}: replaced by another process while it was opened")
    return lists


def loaded_lists(blocks: NDArray[np.uint8], *, sizes: NDArray[np.int64], code_size: int) -> Any:
    """The same lists in memory, from the bytes of all of them: where FAISS cannot map files (Windows)."""
    lists = faiss.ArrayInvertedLists(len(sizes), code_size)
    start = 0
    for number in np.flatnonzero(sizes).tolist():
        size = int(sizes[number])
        middle, end = start + size * code_size, start + size * (code_size + ROW_BYTES)
        codes = np.ascontiguousarray(blocks[start:middle])
        rows = np.frombuffer(blocks[middle:end].tobytes(), np.int64)
        lists.add_entries(number, size, faiss.swig_ptr(rows), faiss.swig_ptr(codes))
        start = end
    return lists


def list_of(lists: Any, number: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Row numbers (m,) int64 and codes (m, code_size) uint8 of one list: views, invalid after the next change."""
    size, code_size = lists.list_size(number), lists.code_size
    if size == 0:
        return np.empty(0, np.int64), np.empty((0, code_size), np.uint8)
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * code_size).reshape(size, code_size)
    return faiss.rev_swig_ptr(lists.get_ids(number), size), codes
