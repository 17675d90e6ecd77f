"""Adds, replaces and removes videos for ever: what a process does that is going to be killed."""

from __future__ import annotations

import itertools
import random
from multiprocessing.connection import Connection
from pathlib import Path

from tests.db.samples import indexed, sighting
from vsearch.db.store import Store


def write_for_ever(location: Path | str, seed: int, steps: Connection) -> None:
    """Tells `steps` a number before the library is opened (-1) and before each transaction (from 0)."""
    choose = random.Random(seed)
    steps.send(-1)
    with Store.open(location, writable=True, create=True) as store:
        for step in itertools.count():
            name = f"{seed}-{step}"
            known = store.video_ids()
            video = indexed(name, n=choose.choice([3, 40, 700]))
            steps.send(step)
            if known and choose.random() < 0.3:
                victim = choose.choice(known)
                (path, *_) = store.video(victim).paths
                store.replace_video(victim, video, path.sighting)
            elif len(known) > 20:
                store.remove_videos(choose.sample(known, 5))
            else:
                store.add_video(video, sighting(name.encode()))
