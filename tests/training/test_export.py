"""What is measured of a head when it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.packs import write_pack
from vsearch.models import shipped_codec, shipped_head
from vsearch.models.head import GemHead
from vsearch.training.embedding import HeadRecipe
from vsearch.training.export import bears_bfloat16

KEPT = Path(__file__).parents[1] / "data" / "library-1" / "library" / "models"
FIRST_CODEC = KEPT / "92d92a784a00a9ff7064d38c0c493a098b6cf4b22652ac69df44b486691e8dfd"
FIRST_HEAD = KEPT / "11a5019d6ff0f432c3fdb3334138c17c646e07740bd042846187277d78b79338"


@pytest.mark.parametrize(
    ("codec", "head", "bears"), [(shipped_codec(), shipped_head(), True), (FIRST_CODEC, FIRST_HEAD, False)]
)
def test_a_head_computes_in_bfloat16_where_its_vectors_bear_it(
    codec: Path, head: Path, bears: bool, tmp_path: Path
) -> None:
    pack = write_pack(tmp_path / "pack", videos=3, photos=0, frames=20)
    loaded = GemHead.load(head)
    assert bears_bfloat16(loaded, HeadRecipe(codec=str(codec), frames=str(pack), steps=1)) == bears
    assert not loaded.reduced
