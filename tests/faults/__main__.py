"""Run the catalogue on every database and print one table: `python -m tests.faults --scale 0.1`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import figures, page

LONGEST = 3600
"""Seconds one test may take at full scale."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="0.1", help="share of the catalogue's times and rounds")
    parser.add_argument("--databases", default="sqlite,postgresql,mysql")
    parser.add_argument(
        "--page", type=Path, help="a page whose figures are to be replaced by these"
    )
    parser.add_argument(
        "--amend", action="store_true", help="leave the faults on that page that are not run here"
    )
    parser.add_argument("rest", nargs="*", help="further arguments for pytest")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.touch()
        failed = [
            database
            for database in options.databases.split(",")
            if run(database, options.scale, results, options.rest)
        ]
        rows = figures.load(results)
    sys.stdout.write("\n".join(figures.table(rows)) + "\n")
    if options.page:
        put = page.amend_figures if options.amend else page.put_figures
        put(options.page, rows, options.scale)
    return bool(failed)


def run(database: str, scale: str, results: Path, rest: list[str]) -> int:
    """Run the tests on one database, and return pytest's exit code."""
    variables = {
        "TEST_DATABASE": database,
        "FAULTS_SCALE": scale,
        "FAULTS_RESULTS": str(results),
    }
    command = [sys.executable, "-m", "pytest", "tests/faults", f"--timeout={LONGEST}", "-q", *rest]
    return subprocess.run(command, env={**os.environ, **variables}).returncode


if __name__ == "__main__":
    sys.exit(main())
