"""What a latent codec and an embedding head are. numpy in, numpy out: tensors stay inside `models` and `training`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Latents


@runtime_checkable
class LatentCodec(Protocol):
    """Frames <-> integer latents <-> bytes. Latent t describes frame t completely.

    `codec_id` is the permanent number of the bitstream family; `model_id` (hex sha256) names the weights. `tiers` gives
    the level of each quality that it offers by name, "default" always among them; `efforts` how hard its encoder can
    try, "default" always among them.
    """

    codec_id: int
    model_id: str
    tiers: Mapping[str, int]
    efforts: Sequence[str]

    def encode(self, frames: NDArray[np.uint8], *, level: int | None = None, effort: str = "default") -> Latents:
        """frames: (T, 3, H, W) uint8 RGB, H and W multiples of 16, consecutive frames of one video -> latents of the
        same T. level: how finely (None: that of the tier "default"). Raises InputError for what the codec does not
        offer.
        """
        ...

    def nearest(self, frames: NDArray[np.uint8], *, level: int | None = None) -> Latents:
        """The integers nearest to what the encoder says of each frame alone, without what a writer would change to save
        bytes: quick, for what is only embedded.
        """
        ...

    def decode(self, latents: Latents) -> NDArray[np.uint8]:
        """Pictures (T, 3, H, W) uint8 RGB of the latents and their retouching. Raises LatentError for other weights'
        latents, and for retouching that cannot be read.
        """
        ...

    def pack(self, latents: Latents) -> bytes:
        """A self-contained chunk of 1 to 32 frames."""
        ...

    def unpack(self, data: bytes) -> Latents:
        """Exactly the latents that were packed. Raises LatentError when the bytes are damaged or of other weights."""
        ...

    def unpack_many(self, chunks: Sequence[bytes]) -> list[Latents]:
        """The same for several chunks side by side, which is faster than one after the other."""
        ...


@runtime_checkable
class EmbeddingHead(Protocol):
    """Latents -> unit vectors with which frames are found. `model_id` (hex sha256) names the weights, `d` the
    dimensions. `background`: vectors (n, d) of frames that show something else than most queries (None: it has none).
    `plain_queries`: whether it was trained to recognise stored frames by the nearest latents (`LatentCodec.nearest`).
    """

    model_id: str
    d: int
    background: NDArray[np.float32] | None
    plain_queries: bool

    def embed(self, latents: Latents) -> NDArray[np.float32]:
        """(T, d) float32, unit length."""
        ...


class ModelLoader(Protocol):
    """Loads models, here or elsewhere. Raises LatentError (damaged, of another kind, of an unknown family) and
    UnavailableError (no such device).
    """

    def codec(self, folder: Path, *, device: str, threads: int | None) -> LatentCodec: ...

    def head(self, folder: Path, *, device: str, threads: int | None) -> EmbeddingHead: ...
