"""The one place where FAISS is imported, so that its absence is reported alike everywhere."""

from __future__ import annotations

from typing import Any

from vsearch.errors import UnavailableError

try:
    import faiss as _faiss
except ModuleNotFoundError as error:
    raise UnavailableError("searching needs FAISS, which is not installed: pip install 'vsearch[cpu]'") from error

__all__ = ["faiss"]

faiss: Any = _faiss  # its own annotations do not cover the Python wrappers
