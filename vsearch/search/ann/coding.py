"""How the vectors in the lists of an inverted file are coded: bytes that FAISS scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError
from vsearch.search.ann.faiss_package import faiss

_TRAINED_ON = 1 << 16


class Coding(Protocol):
    """What one coding of unit vectors has learnt. Never changes."""

    refine: int  # candidates that are compared again from the rows themselves, for each one that is asked for

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], residuals: NDArray[np.float32]) -> Self:
        """From a sample (n, d) and what the centres of its cells leave of it (n, d)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learnt, as it is kept in an index file."""
        ...

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], d: int) -> Self:
        """From `arrays()`. Raises AnnError when they do not fit."""
        ...

    def index(self, quantizer: Any, d: int) -> Any:
        """A trained faiss.IndexIVF without vectors, over the cells of `quantizer`."""
        ...

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors or queries (n, d) as that index takes them."""
        ...

    def cosines(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """About the cosines, from that index's scores."""
        ...


class Int8Coding:
    """A signed byte a dimension, one scale for all; queries alike, so that FAISS multiplies bytes.

    Moves a cosine by about 1e-3: enough to swap near neighbours, hence twice as many are compared again.
    """

    refine = 2

    def __init__(self, scale: float) -> None:
        self._scale = np.float32(scale)

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], residuals: NDArray[np.float32]) -> Self:
        return cls(127 / max(float(np.abs(vectors).max(initial=0.0)), 1e-6))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"scale": np.array([self._scale], np.float32)}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], d: int) -> Self:
        scale = arrays["scale"]
        if scale.shape != (1,) or scale.dtype != np.float32 or not 1e-3 < float(scale[0]) < 1e9:
            raise AnnError("the scale of the vectors is not sound")
        return cls(float(scale[0]))

    def index(self, quantizer: Any, d: int) -> Any:
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index = faiss.IndexIVFScalarQuantizer(quantizer, d, quantizer.ntotal, kind, faiss.METRIC_INNER_PRODUCT, False)
        index.is_trained = True
        return index

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = np.rint(vectors * self._scale)  # FAISS cuts the fraction off
        return np.asarray(
            np.minimum(np.maximum(scaled, -127.0), 127.0), np.float32
        )  # a few microseconds less than np.clip

    def cosines(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores / (self._scale * self._scale)


class ProductCoding:
    """A byte for each four dimensions of what the centre of the cell leaves over (Jégou et al. 2011)."""

    refine = 16

    def __init__(self, codebook: NDArray[np.float32]) -> None:
        self._codebook = codebook  # (parts, 256, d / parts)

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], residuals: NDArray[np.float32]) -> Self:
        n, d = residuals.shape
        coder = faiss.ProductQuantizer(d, _parts(d), 8)
        coder.cp.niter = 16
        coder.cp.min_points_per_centroid = 1
        coder.train(np.resize(residuals, (max(min(n, _TRAINED_ON), coder.ksub), d)))
        return cls(faiss.vector_to_array(coder.centroids).reshape(coder.M, coder.ksub, coder.dsub))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"codebook": self._codebook}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], d: int) -> Self:
        codebook = arrays["codebook"]
        parts = _parts(d)
        if codebook.shape != (parts, 256, d // parts) or codebook.dtype != np.float32:
            raise AnnError(f"a codebook of shape {codebook.shape} does not fit {d} dimensions")
        return cls(codebook)

    def index(self, quantizer: Any, d: int) -> Any:
        index = faiss.IndexIVFPQ(quantizer, d, quantizer.ntotal, len(self._codebook), 8, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(self._codebook.reshape(-1), index.pq.centroids)
        index.is_trained = True
        return index

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return vectors

    def cosines(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores


def _parts(d: int) -> int:
    return next(d // width for width in (4, 2, 1) if d % width == 0)
