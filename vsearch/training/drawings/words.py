"""Words that can be pronounced, numbers, and the letters to write them with."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageDraw, ImageFont

from vsearch.errors import UnavailableError
from vsearch.training.drawings.paint import Colour, chance, pick


def listed(words: str) -> tuple[str, ...]:
    """What stands between the spaces."""
    return tuple(words.split(" "))


ONSETS = listed("b c d f g h j k l m n p r s t v w br ch cl cr dr fl gr pl pr qu sh sl sp st th tr")
VOWELS = listed("a a e e i o u ai ea ee io oo ou y")
ENDS = ("", "", "", *listed("n r s t l d m ck nd ng nt rs st"))
SMALL_WORDS = listed("the of and to in is it for on with as at by we you not from this or be")

FACES = {
    "sans": ("DejaVuSans.ttf", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "cmss10.ttf"),
    "serif": ("DejaVuSerif.ttf", "STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "cmr10.ttf"),
    "bold": ("DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf", "STIXGeneralBol.ttf", "cmb10.ttf"),
    "mono": ("DejaVuSansMono.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    "hand": ("DejaVuSans-Oblique.ttf", "STIXGeneralItalic.ttf", "DejaVuSerif-Italic.ttf", "cmti10.ttf"),
}


@lru_cache(maxsize=1)
def fonts_folder() -> Path:
    """Where the fonts are. Raises UnavailableError without matplotlib, which brings them."""
    # Matplotlib is of the `train` extra and slow to load, so it is asked only where something is written.
    try:
        from matplotlib import get_data_path
    except ModuleNotFoundError as error:
        raise UnavailableError("letters need matplotlib's fonts: pip install 'vsearch[train]'") from error
    return Path(get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=1024)
def font(file: str, height: int) -> ImageFont.FreeTypeFont:
    """Letters of one of the `FACES`. height: of a line, in pixels of the canvas, about. Raises UnavailableError where
    matplotlib or the file is missing.
    """
    path = fonts_folder() / file
    try:
        return ImageFont.truetype(str(path), max(6, height))
    except OSError as error:
        raise UnavailableError(
            f"{path}: matplotlib's font cannot be read ({error}); pip install --force-reinstall matplotlib brings it"
        ) from error


def fitting(said: str, file: str, height: float, widest: float) -> ImageFont.FreeTypeFont:
    """Letters of that height, or so much smaller that what is said is at most so wide. Raises UnavailableError."""
    letters = font(file, round(height))
    length = letters.getlength(said)
    return letters if length <= widest else font(file, int(height * widest / length))


def face(rng: np.random.Generator, *styles: str) -> str:
    """A font's file, of one of the styles, or of any that people read: its name, for `font`."""
    return pick(rng, FACES[pick(rng, styles or ("sans", "sans", "serif", "bold"))])


def word(rng: np.random.Generator) -> str:
    """One word in small letters, a quarter of the time a short English one."""
    if chance(rng, 0.25):
        return pick(rng, SMALL_WORDS)
    syllables = int(rng.choice((1, 1, 2, 2, 2, 3, 4)))
    return "".join(pick(rng, ONSETS) + pick(rng, VOWELS) for _ in range(syllables)) + pick(rng, ENDS)


def several(rng: np.random.Generator, least: int, most: int) -> str:
    """From `least` to `most` words in small letters."""
    return " ".join(word(rng) for _ in range(int(rng.integers(least, most + 1))))


def phrase(rng: np.random.Generator, least: int, most: int) -> str:
    """From `least` to `most` words, the first letter large."""
    said = several(rng, least, most)
    return said[0].upper() + said[1:]


def name(rng: np.random.Generator) -> str:
    """A first name and a surname, of nobody."""
    return f"{word(rng).title()} {word(rng).title()}"


def figure(rng: np.random.Generator) -> str:
    """A number as tables and screens show them."""
    number = int(10 ** rng.uniform(0, 5))
    return pick(rng, (f"{number}", f"{number:,}", f"{number / 100:.2f}", f"{number % 101}%", f"${number}"))


def label(rng: np.random.Generator) -> str:
    """What is short enough for a button or a box: a word, its case any, or a number."""
    said = word(rng)
    return pick(rng, (said, said.title(), said.title(), said.upper(), figure(rng)))


def wrapped(said: str, letters: int) -> list[str]:
    """Lines of at most `letters` letters, broken at spaces."""
    return textwrap.wrap(said, letters, break_long_words=False, break_on_hyphens=False)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    said: str,
    colour: Colour,
    *,
    file: str,
    height: float,
    anchor: str = "lm",
    widest: float = 0,
) -> None:
    """Draws a line of text. anchor: Pillow's, "lm" begins at the left, "mm" is centred. widest: smaller letters are
    taken to keep within. Raises UnavailableError.
    """
    letters = fitting(said, file, height, widest or np.inf)
    draw.text(at, said, fill=colour, font=letters, anchor=anchor)
