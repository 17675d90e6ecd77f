"""Pictures made by program: as much material as wanted of what films of the world lack, flat areas with sharp edges.

    SCENES -> 1 or 2 scenes, drawn at twice the size -> camera -> reduced -> looks -> frames

A scene is a generator that draws its picture on, about a second a step, for as long as it is asked. Letters are written
with matplotlib's fonts, so without it (the `train` extra) there are none: UnavailableError.
"""

from __future__ import annotations

from vsearch.training.drawings.sequence import SCENES, drawn_frames, scene_frames
from vsearch.training.drawings.words import fonts_folder

__all__ = ["SCENES", "drawn_frames", "fonts_folder", "scene_frames"]
