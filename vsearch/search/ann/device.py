"""Whether an index lives on a GPU. PyTorch answers, and is imported to be asked where there may be one."""

from __future__ import annotations

from vsearch import osys
from vsearch.models.weights import torch_device


def uses_gpu(device: str) -> bool:
    """Whether the exact index for `device` (auto, cpu, cuda) lives on a GPU. UnavailableError: it should, but can't.

    `cpu`, and `auto` where there is no driver for a GPU, are answered without PyTorch.
    """
    if device == "auto" and not osys.has_gpu_driver():
        return False
    return device != "cpu" and torch_device(device).type == "cuda"
