"""A model on disk: a folder with `model.json` and `weights.safetensors`. Nothing in it is ever executed.

`model.json` holds `{"format": 1, "kind": "codec" | "head", "family": name, "decode": {...}, "search": {...},
"training": {...}}`.
The model's identity is the sha256 of the canonical JSON of kind, family and `decode`, followed by the bytes of the
weights
file: training notes and what was measured for searching (`search`: a head's floor and probabilities, and how queries
are embedded for it; a codec's tiers) may be edited without making another model.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError, UnavailableError

if TYPE_CHECKING:
    import torch
    from threadpoolctl import ThreadpoolController

CARD, WEIGHTS = "model.json", "weights.safetensors"
MAX_CARD_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model folder that was read: its card and where its weights are."""

    folder: Path
    model_id: str
    kind: str
    family: str
    decode: Mapping[str, Any]
    search: Mapping[str, Any]
    training: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> ModelFiles:
        """Read the card and compute the identity. Raises LatentError when something is missing or malformed."""
        card_path, weights_path = folder / CARD, folder / WEIGHTS
        try:
            if card_path.stat().st_size > MAX_CARD_BYTES:
                raise LatentError(f"{card_path}: too large to be a model card")
            card = json.loads(card_path.read_text(encoding="utf-8"))
            if not isinstance(card, dict) or card.get("format") != 1:
                raise LatentError(
                    f"{card_path}: not a model card that this program knows (format {card.get('format')!r})"
                )
            decisive = {key: card[key] for key in ("kind", "family", "decode")}
            digest = hashlib.sha256(canonical_json(decisive))
            digest.update(weights_path.read_bytes())
            return cls(
                folder,
                digest.hexdigest(),
                card["kind"],
                card["family"],
                card["decode"],
                card.get("search", {}),
                card.get("training", {}),
            )
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise LatentError(f"{folder}: not a model folder ({error})") from error

    def numpy(self) -> dict[str, NDArray[Any]]:
        """All weights as numpy arrays."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return dict(load_file(self.folder / WEIGHTS))
        except (OSError, SafetensorError, TypeError, AttributeError) as error:  # the last two: types numpy has not
            raise LatentError(f"{self.folder / WEIGHTS}: damaged weights ({error})") from error

    def torch(self) -> dict[str, torch.Tensor]:
        """All weights as torch tensors."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(self.folder / WEIGHTS))
        except (OSError, SafetensorError) as error:
            raise LatentError(f"{self.folder / WEIGHTS}: damaged weights ({error})") from error

    def copy_to(self, folder: Path) -> None:
        """Copy the model's two files into `folder`, which then is the same model."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS, CARD):
            shutil.copyfile(self.folder / name, folder / name)


def write_model(
    folder: Path,
    *,
    kind: str,
    family: str,
    decode: Mapping[str, Any],
    training: Mapping[str, Any],
    search: Mapping[str, Any] | None = None,
    tensors: Mapping[str, NDArray[Any]],
) -> ModelFiles:
    """Write a model folder and read it back."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / WEIGHTS)
    card = {
        "format": 1,
        "kind": kind,
        "family": family,
        "decode": dict(decode),
        "search": dict(search or {}),
        "training": dict(training),
    }
    (folder / CARD).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return ModelFiles.read(folder)


def write_card(files: ModelFiles, *, search: Mapping[str, Any]) -> ModelFiles:
    """Give a model folder other figures for searching: it stays the same model."""
    path = files.folder / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card["search"] = dict(search)
    unfinished = path.with_name(f".{CARD}.{os.getpid()}")  # who reads meanwhile gets one card or the other
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps(card, indent=2, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return ModelFiles.read(files.folder)


def torch_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` -> a device. Raises UnavailableError when CUDA is asked for and absent."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds none"
        raise UnavailableError(f"no CUDA device here ({why}); use --device cpu (or auto)")
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for bfloat16 (recent GPUs, CPUs with AVX-512 BF16): elsewhere it is slow."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # private: without it float32 does as well
    return asked is not None and bool(asked())


@cache
def _openmp() -> ThreadpoolController:
    """The pools of threads that PyTorch computes with."""
    import torch  # noqa: F401  (its pools are there from now on)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread meanwhile, for this thread alone. What is made of thousands of small operations
    takes twice as long with two, which wait for each other at the end of each (two cores; chunks to latents).
    """
    # Not torch.set_num_threads: that is also what threads have which begin meanwhile.
    with _openmp().limit(limits=1):
        yield
