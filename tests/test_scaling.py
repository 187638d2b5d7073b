"""The page on scaling, and what fills it."""

from __future__ import annotations

from bench.scaling.__main__ import DOCUMENT
from bench.scaling.tables import TABLES


def test_every_table_has_its_place_on_the_page() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    missing = [place for place in ("machine", *TABLES) if f"<!-- end of {place} -->" not in page]
    assert missing == []
