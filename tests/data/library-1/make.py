"""How `library/` beside this file was made: by commit d708352, the last one that writes schema 1.

    python tests/data/library-1/make.py

in a checkout of that commit, with this file copied into it. It is kept for good: libraries like it are out there, and
`tests/test_kept_library.py` holds every later version to open, migrate, search, preview and extend it. Do not make it
anew with later code.

The codec is the small one of `tests/data/temporal-1`. The head is a network of the shipped family (`gem`) with random
weights, but for its last layer, which takes the mean off and evens out the directions of what the codec makes of a few
scenes: enough to tell scenes apart. The films are `archives.make_video` with the scene numbers below.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from tests import archives, videos  # noqa: E402
from vsearch.config import IndexConfig  # noqa: E402
from vsearch.library import Library  # noqa: E402
from vsearch.models import load_codec  # noqa: E402
from vsearch.models.head import GemHead, HeadNetwork, HeadShape  # noqa: E402
from vsearch.models.weights import write_model  # noqa: E402

CODEC = HERE.parent / "temporal-1" / "model"
FILMS = {"harbour.mp4": 500, "market.mp4": 510, "night.mp4": 520}
PLACE = Path("/srv/films")  # what the library says of where they were
SHAPE = HeadShape(channels=10, width=8, deep_width=8, d=16)
FLOOR = 0.6


def make_head(folder: Path) -> GemHead:
    """A head for the small codec's latents."""
    torch.manual_seed(1)
    network = HeadNetwork(SHAPE).eval().requires_grad_(False)
    scenes = np.stack([videos.texture(scene, (144, 224)) for scene in range(600, 664)])
    latents = torch.from_numpy(load_codec(CODEC).encode(scenes).values).float()
    pooled: list[Tensor] = []
    network.project.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    network(latents)
    features = pooled[0].double()
    mean = features.mean(0)
    _, spread, directions = torch.linalg.svd(features - mean, full_matrices=False)
    weight = directions[: SHAPE.d] / spread[: SHAPE.d, None]
    network.project.weight.copy_(weight)
    network.project.bias.copy_(-weight @ mean)
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    decode = {"channels": SHAPE.channels, "width": SHAPE.width, "deep_width": SHAPE.deep_width, "d": SHAPE.d}
    search = {"floor": FLOOR}
    return GemHead(
        write_model(folder, kind="head", family="gem", decode=decode, search=search, training={}, tensors=tensors)
    )


def main() -> None:
    shutil.rmtree(HERE / "library", ignore_errors=True)
    for name, scene in FILMS.items():
        archives.make_video(PLACE / name, scene, seconds=6.0)
    with TemporaryDirectory() as work:
        make_head(Path(work))
        with Library.open(HERE / "library", create=True, codec=CODEC, head=Path(work)) as library:
            library.index([PLACE], IndexConfig(workers=1, device="cpu", volume="films"))
    (HERE / "library" / "library.lock").unlink()
    with closing(sqlite3.connect(HERE / "library" / "library.db")) as database, database:
        # Which kernel it ran on is nobody's business.
        database.execute("UPDATE run SET versions = json_set(versions, '$.platform', 'Linux-x86_64')")


if __name__ == "__main__":
    main()
