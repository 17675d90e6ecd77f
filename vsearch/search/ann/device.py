"""Whether an index lives on a GPU. PyTorch answers, and is imported to be asked."""

from __future__ import annotations

from vsearch.models.weights import torch_device


def uses_gpu(device: str) -> bool:
    """Whether the exact index for `device` (auto, cpu, cuda) lives on a GPU. UnavailableError: it should, but can't.

    `cpu` is answered without PyTorch. Who asks for anything else has imported it to embed the query, or is about to
    build an index of hundreds of thousands of frames, beside which its second does not count.
    """
    return device != "cpu" and torch_device(device).type == "cuda"
