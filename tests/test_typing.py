"""What type checkers know of a job class: its constructor, its options and what it returns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "typing"

pytestmark = pytest.mark.timeout(300)
"""Without its cache mypy reads all of Django first."""


@pytest.fixture(scope="module")
def errors() -> set[tuple[str, int, str]]:
    """What mypy reports about the samples: file, line, code of the error."""
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing/accepted.py"]
    found = subprocess.run(
        [*command, "tests/typing/refused.py"],
        cwd=SAMPLES.parent.parent,
        capture_output=True,
        text=True,
    )
    assert found.returncode in (0, 1), found.stderr
    lines = re.findall(r"tests/typing/(\w+\.py):(\d+): error: .*\[([\w-]+)\]", found.stdout)
    return {(name, int(line), code) for name, line, code in lines}


def test_a_well_typed_job_class_has_no_errors(errors: set[tuple[str, int, str]]):
    assert [error for error in errors if error[0] == "accepted.py"] == []


def test_each_mistake_gets_its_error(errors: set[tuple[str, int, str]]):
    text = (SAMPLES / "refused.py").read_text().splitlines()
    expected = {
        ("refused.py", number, line.partition("# error: ")[2])
        for number, line in enumerate(text, start=1)
        if "# error: " in line
    }
    assert len(expected) > 5
    assert {error for error in errors if error[0] == "refused.py"} == expected
