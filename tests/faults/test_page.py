"""The page that shows what the catalogue's tests have measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..worker.conftest import ROOT
from .figures import Row
from .page import BEGIN, amend_figures, put_figures, table

ROWS = [
    Row(1, "jobs_run_again", "sqlite", "after 1 s | 2 s", "ok", "SQLite 3.40.1"),
    Row(1, "jobs_run_again", "mysql", "no such thing", "skipped", "MariaDB 10.11.6"),
]


def test_a_test_has_one_line_for_all_databases() -> None:
    told = "SQLite: after 1 s \\| 2 s<br>MariaDB: **skipped** no such thing"
    assert f"| | jobs run again | {told} |" in table(ROWS)


def test_figures_replace_those_of_the_run_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Above\n\n{BEGIN}\n\nold figures\n")
    put_figures(page, ROWS, "0.1")
    text = page.read_text()
    assert text.startswith(f"# Above\n\n{BEGIN}\n")
    assert "old figures" not in text
    assert "MariaDB 10.11.6, SQLite 3.40.1" in text


def test_figures_of_some_faults_leave_those_of_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Above\n\n{BEGIN}\n")
    put_figures(page, [*ROWS, Row(2, "killed", "sqlite", "kept figures", "ok")], "1")
    before = page.read_text()
    amend_figures(
        page, [Row(1, "jobs_run_again", "sqlite", "after 3 s", "ok", "SQLite 3.40.1")], "0.5"
    )
    after = page.read_text()
    assert "| | jobs run again | SQLite: after 3 s |" in after
    assert "after 1 s" not in after
    assert (
        "at 0.5 of the catalogue's times and rounds"
        in after.partition("| **1** |")[2].splitlines()[0]
    )
    assert after.partition("| **2** |")[2] == before.partition("| **2** |")[2]


def test_a_page_without_a_place_for_figures_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Something else\n")
    with pytest.raises(ValueError, match="has no line"):
        put_figures(page, ROWS, "1")


def test_the_page_on_faults_has_a_place_for_figures() -> None:
    assert BEGIN in (ROOT / "docs" / "faults.md").read_text()
