"""HTML reports: complete in one file, nothing in a name breaks out of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from tests.render.footage import footage_of, moving_picture
from vsearch.errors import LatentError
from vsearch.records import Hit
from vsearch.render.frames import Excerpt, Footage
from vsearch.render.reports import (
    Answer,
    Group,
    SheetEntry,
    write_cluster_report,
    write_search_report,
    write_sheet_index,
)

NASTY = '/films/"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}\n\u202e.mp4'


class Page(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def sources(self) -> list[str]:
        return [value for name, value in self.attributes if name in ("src", "href")]


def hit(rank: int, name: str, **changes: object) -> Hit:
    values: dict[str, object] = {
        "rank": rank, "video_id": rank, "video": name, "volume": "SHELF 3", "online": True, "clip_id": 40 + rank,
        "start_s": 10.0, "end_s": 18.0, "query_start_s": 0.0, "query_end_s": 8.0, "similarity": 0.91, "score": 0.5,
        "rate": 1.0, "query_coverage": 1.0, "video_coverage": 0.1,
    }  # fmt: skip
    return Hit(**{**values, **changes})  # type: ignore[arg-type]


def small_film(n: int = 20, name: str = "/films/disc.mp4") -> Footage:
    return footage_of(moving_picture(n, height=32, width=48), name=name)


def test_a_search_report_shows_query_frames_beside_the_frames_they_match(tmp_path: Path) -> None:
    answers = [Answer("/q/excerpt.mp4", small_film(8), [(hit(1, "/films/disc.mp4"), small_film())])]
    write_search_report(tmp_path / "r.html", answers, library="/my/library")
    page = Page(tmp_path / "r.html")
    alternatives = [value for name, value in page.attributes if name == "alt"]
    assert alternatives[:3] == ["query at 0:00:00.0", "query at 0:00:01.0", "query at 0:00:03.0"]
    assert alternatives[6:9] == ["found at 0:00:10.0", "found at 0:00:11.0", "found at 0:00:13.0"]
    assert "0:00:10.0 – 0:00:18.0, query 0:00:00.0 – 0:00:08.0" in page.text
    assert "reconstruction" in page.text
    assert "SHELF 3" in page.text


def test_an_image_query_shows_one_pair(tmp_path: Path) -> None:
    point = hit(1, "/films/disc.mp4", query_start_s=None, query_end_s=None, start_s=3.0, end_s=4.0)
    write_search_report(tmp_path / "r.html", [Answer("/q/one.jpg", small_film(1), [(point, small_film())])])
    page = Page(tmp_path / "r.html")
    assert page.tags.count("img") == 2
    assert "query 0:" not in page.text


def test_a_report_tells_misses_errors_and_missing_pictures(tmp_path: Path) -> None:
    answers = [
        Answer("/q/none.mp4", small_film(3), []),
        Answer("/q/bad.mp4", None, [], "/q/bad.mp4: no video stream"),
        Answer("/q/black.mp4", small_film(3), [], blank=True),
        Answer("/q/blind.mp4", small_film(3), [(hit(1, "/films/blind.mp4", online=False), None)]),
    ]
    write_search_report(tmp_path / "r.html", answers)
    text = Page(tmp_path / "r.html").text
    assert text.count("no match") == 2
    assert text.count("no match: nothing in it can be compared") == 1
    assert "no video stream" in text
    assert "no pictures of this video are stored" in text
    assert "offline" in text
    assert "hits for 1 of 4 queries" in text


def test_damaged_latents_are_named_and_the_rest_is_drawn(tmp_path: Path) -> None:
    good = small_film()

    def damaged(numbers: object) -> object:
        raise LatentError("chunk 3 of v2 is damaged")

    broken = Footage(
        "/films/broken.mp4", good.frame_pts, good.start_pts, good.end_pts, good.time_base, good.display_aspect,
        good.codec, damaged,  # type: ignore[arg-type]
    )  # fmt: skip
    write_search_report(tmp_path / "r.html", [Answer("q", good, [(hit(1, "broken"), broken), (hit(2, "good"), good)])])
    page = Page(tmp_path / "r.html")
    assert "chunk 3 of v2 is damaged" in page.text
    assert page.tags.count("img") == 12
    write_cluster_report(tmp_path / "c.html", [Group(1, 2, [Excerpt(broken, 0, 3), Excerpt(good, 0, 3)])])
    assert "chunk 3 of v2 is damaged" in Page(tmp_path / "c.html").text


def test_nothing_in_a_name_breaks_out_of_a_page(tmp_path: Path) -> None:
    nasty = small_film(name=NASTY)
    write_search_report(
        tmp_path / "s.html", [Answer(NASTY, nasty, [(hit(1, NASTY, volume=NASTY), nasty)])], library=NASTY
    )
    write_cluster_report(tmp_path / "c.html", [Group(1, 1, [Excerpt(nasty, 0, 3, NASTY)])], library=NASTY)
    write_sheet_index(tmp_path / "i.html", [SheetEntry(NASTY, NASTY, 'a b"<.webp', NASTY, (10, 10))])
    for path in tmp_path.glob("*.html"):
        page = Page(path)
        assert "script" not in page.tags
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        assert "{{ 7*7 }}" in page.text
        assert "\u202e" not in page.text


def test_pages_ask_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    film = small_film()
    write_search_report(tmp_path / "s.html", [Answer("q", film, [(hit(1, "v"), film)])])
    write_cluster_report(tmp_path / "c.html", [Group(1, 30, [Excerpt(film, i, i + 3, f"c{i}") for i in range(15)])])
    write_sheet_index(tmp_path / "i.html", [SheetEntry("v1", "n", "v1 #?.webp", "note", (10, 10))])
    for path in tmp_path.glob("*.html"):
        assert not re.search(r"https?://|@import|url\(", path.read_text("utf-8"))
        sources = Page(path).sources()
        assert sources
        assert all(source.startswith("data:image/webp;base64,") or source == "v1%20%23%3F.webp" for source in sources)


def test_a_cluster_page_draws_the_most_central_clips_and_counts_the_rest(tmp_path: Path) -> None:
    film = small_film()
    group = Group(1, 30, [Excerpt(film, i, i + 3, f"c{i}") for i in range(15)])
    write_cluster_report(tmp_path / "c.html", [group])
    page = Page(tmp_path / "c.html")
    assert page.tags.count("img") == 36
    assert "and 18 more" in page.text
    assert "1 group of 30 clips" in page.text
