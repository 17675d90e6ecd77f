"""The one place where FAISS is imported, so that its absence and its devices are reported alike everywhere."""

from __future__ import annotations

from typing import Any

from vsearch.errors import UnavailableError

try:
    import faiss as _faiss
except ModuleNotFoundError as error:
    raise UnavailableError(
        "searching needs FAISS, which is not installed: pip install 'vsearch[cpu]' (or 'vsearch[gpu]' for NVIDIA GPUs)"
    ) from error

__all__ = ["faiss", "uses_gpu"]

faiss: Any = _faiss  # its own annotations cover neither the Python wrappers nor the GPU part


def uses_gpu(device: str) -> bool:
    """Whether an index for `device` (auto, cpu, cuda) lives on a GPU. UnavailableError: it should, but can't."""
    if device == "cpu":
        return False
    built_for_gpu = hasattr(faiss, "StandardGpuResources")
    if built_for_gpu and faiss.get_num_gpus() > 0:
        return True
    if device == "cuda":
        missing = (
            "no CUDA device was found" if built_for_gpu else "this FAISS has no GPU part: pip install 'vsearch[gpu]'"
        )
        raise UnavailableError(f"the index cannot be on the GPU: {missing}")
    return False
