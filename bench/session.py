"""What every measurement stands on: an empty database, a file of effects, and workers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.db import connection

from .databases import Database
from .effects import VARIABLE, Effects
from .waiting import until_counted
from .workers import Workers

ROOT = Path(__file__).parents[1]


class Session:
    """One database under measurement. `quick` shortens everything, to see that it works."""

    def __init__(self, database: Database, *, quick: bool) -> None:
        self.database = database
        self.quick = quick
        self.effects = Effects(f"{database.vendor}-{os.getpid()}")

    def start_anew(self) -> None:
        """Empty the database and the file of effects."""
        connection.close()
        self.database.reset()
        self.effects.empty()

    def environment(self, **settings: object) -> dict[str, str]:
        """Return what a worker needs; `settings` are BACKGROUND_JOB_ variables without that prefix."""
        given = {f"BACKGROUND_JOB_{name}": str(value) for name, value in settings.items()}
        return {**os.environ, VARIABLE: str(self.effects.path), **given}

    def worker(self, concurrency: int = 2, **settings: object) -> Workers:
        """Start `manage.py runworker`."""
        command = [sys.executable, "manage.py", "runworker", "--concurrency", str(concurrency)]
        return Workers([command], self.environment(**settings), ROOT)

    def wait_for(self, effects: int, patience: float = 60.0) -> None:
        until_counted(self.effects.count, effects, patience)
