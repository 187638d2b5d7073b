"""A virtual environment for each peer, with the same Python for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ..session import ROOT
from .contestants import Contestant

FOLDER = ROOT / ".bench-venvs"
SUITABLE = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))"
"""Fails where Django 6, and with it django.tasks, cannot be had."""


def python_of(contestant: Contestant) -> Path:
    """Return the Python that has this system installed; make it where there is none."""
    folder = FOLDER / contestant.adapter
    python, note = folder / "bin" / "python", folder / "packages.json"
    wanted = json.dumps(contestant.packages)
    if not note.exists() or note.read_text() != wanted:
        print(f"{contestant.name}: installing …", file=sys.stderr, flush=True)
        subprocess.run([suitable_python(), "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *contestant.packages], check=True)
        note.write_text(wanted)
    return python


def version_of(contestant: Contestant) -> str:
    """Return the name and version of what is measured, and of its Django."""
    listed = subprocess.run(
        [str(python_of(contestant)), "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    versions = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    own = "django-jobsystem" if contestant.name.startswith("jobs") else contestant.name.lower()
    django = f", Django {versions['django']}" if "django" in versions else ""
    return f"{own} {versions[own]}{django}"


def suitable_python() -> str:
    """Return `BENCH_PYTHON`, or the newest Python found. Raises SystemExit where none will do."""
    for python in _candidates():
        try:
            if subprocess.run([python, "-c", SUITABLE], capture_output=True).returncode == 0:
                return python
        except FileNotFoundError:
            continue
    raise SystemExit("the peers need Python 3.12 or newer: name one in BENCH_PYTHON")


def _candidates() -> Iterator[str]:
    if os.environ.get("BENCH_PYTHON"):
        yield os.environ["BENCH_PYTHON"]
        return
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.14", "3.13", "3.12"):
        yield f"python{version}"
        yield from (str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python")))
    yield sys.executable
