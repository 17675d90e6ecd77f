"""The first embedding head: a small convolutional network on the stored latents, GeM pooling, unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vsearch.errors import LatentError
from vsearch.models.layers import Residual, placed
from vsearch.models.weights import ModelFiles, has_bfloat16, torch_device
from vsearch.records import Latents

BATCH = 16  # frames a network call; every call is padded to it


@dataclass(frozen=True, slots=True)
class HeadShape:
    """Widths of the head. channels: of the latents; d: dimensions of an embedding."""

    channels: int = 64
    width: int = 96
    deep_width: int = 160
    d: int = 128


class HeadNetwork(nn.Module):
    """Latents (N, C, h, w) -> unit vectors (N, d). GeM pooling: Radenovic et al., arXiv 1711.02512."""

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape.channels, shape.width, 3, padding=1)
        self.body = nn.Sequential(
            Residual(shape.width),
            nn.LeakyReLU(0.1),
            nn.Conv2d(shape.width, shape.deep_width, 3, stride=2, padding=1),
            Residual(shape.deep_width),
            Residual(shape.deep_width),
            nn.LeakyReLU(0.1),
            nn.Conv2d(shape.deep_width, 2 * shape.d, 1),
        )
        self.power = nn.Parameter(torch.tensor(3.0))
        self.project = nn.Linear(2 * shape.d, shape.d)

    def forward(self, latents: Tensor) -> Tensor:
        # asinh keeps small latents linear and tames the few large ones (mean brightness of a block).
        features = self.body(self.stem(torch.asinh(latents)))
        with torch.autocast(latents.device.type, enabled=False):  # few sums, which decide every vector
            power = self.power.clamp(1.0, 8.0)
            # a mean of zero has no slope; far below what any feature means, it is left at that
            pooled = F.softplus(features.float()).pow(power).mean((2, 3)).clamp_min(1e-12).pow(1 / power)
            return F.normalize(self.project(pooled), dim=1)


class GemHead:
    """Implements `models.base.EmbeddingHead`."""

    background: NDArray[np.float32] | None
    plain_queries: bool

    def __init__(self, files: ModelFiles, *, device: str = "cpu", threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        shape = head_shape_of(files.decode)
        self.model_id = files.model_id
        self.d = shape.d
        self._channels = shape.channels
        # Whether it was trained to recognise stored frames by latents that no writer has seen.
        self.plain_queries = bool(files.search.get("plain_queries", False))
        self._latents_of = files.decode.get("latents_of")  # None: a head of before heads said so
        self._device = torch_device(device)
        # Whether it computes in bfloat16: quicker, for heads whose vectors were measured to stay what they are.
        self.reduced = bool(files.search.get("bfloat16", False)) and has_bfloat16(self._device)
        network = HeadNetwork(shape)
        tensors = files.torch()
        # Of a codec with several levels: what brings the latents of each to one scale, (levels, C).
        scales = tensors.pop("latents.scale", None)
        self._scales = None if scales is None else scales.numpy()
        # Frames that searches compare with (`vsearch.search.calibration`), (n, d) int8: 127 times unit vectors.
        background = tensors.pop("background", None)
        self.background = None if background is None else (background.float() / 127).numpy()
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise LatentError(f"{files.folder}: the weights do not fit the card ({error})") from error
        self._network = placed(network.eval().requires_grad_(False), self._device)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int | None = None) -> GemHead:
        """Raises LatentError when the folder holds another kind of model or damaged weights."""
        return cls(ModelFiles.read(folder), device=device, threads=threads)

    def embed(self, latents: Latents) -> NDArray[np.float32]:
        """(T, d) float32, unit length. Raises LatentError for latents of another codec than it was trained for."""
        values: NDArray[Any] = latents.values
        if self._latents_of not in (None, latents.model_id):
            raise LatentError(
                f"the head reads latents of model {str(self._latents_of)[:12]}, not of model {latents.model_id[:12]}"
            )
        if values.shape[1] != self._channels:
            raise LatentError(f"the head reads latents of {self._channels} channels, not {values.shape[1]}")
        if self._scales is not None:
            values = (values * self._scales[latents.level][:, None, None]).astype(np.float32)
        out = np.zeros((len(values), self.d), np.float32)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self.reduced):
            for start in range(0, len(values), BATCH):
                batch = values[start : start + BATCH]
                padded = np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), batch.dtype)])
                tensor = torch.from_numpy(padded).to(self._device).float().contiguous(memory_format=torch.channels_last)
                out[start : start + BATCH] = self._network(tensor)[: len(batch)].cpu().numpy()
        return out


def head_shape_of(decode: Mapping[str, Any]) -> HeadShape:
    """The head's widths from its `model.json`. Raises LatentError when they are malformed."""
    try:
        return HeadShape(**{name: int(decode[name]) for name in ("channels", "width", "deep_width", "d")})
    except (KeyError, TypeError, ValueError) as error:
        raise LatentError(f"the head's model.json is malformed: {error!r}") from error
