"""A worker that can be stopped at a named point of its code, and goes on when told to."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import launcher_of
from .scene import Scene


class Barrier:
    """Nothing is stopped until `set` was called; each call is for one stop.

    It is the supervisor that stops. Where the point is `of_launcher`, that has stopped, as the worker
    starts, when it passes the point for the first time, or the one after a colon.
    """

    def __init__(
        self,
        scene: Scene,
        environ: dict[str, str],
        point: str,
        *,
        of_launcher: bool = False,
        **settings: Any,
    ) -> None:
        self.point = point
        self.file = scene.folder / f"stopped-at-{point}"
        if not of_launcher:
            self.file.touch()
        armed = {
            "JOBS_FAULT_POINT": point,
            "JOBS_FAULT_ONCE": str(self.file),
            "JOBS_FAULT_SIGNAL": str(signal.SIGSTOP.value),
        }
        environ |= armed
        self.worker = (scene.worker if of_launcher else scene.ready)(**settings)
        wait_until(self.file.exists, DEADLINE, self.worker.output)
        self.pid = launcher_of(self.worker) if of_launcher else self.worker.pid
        for name in armed:
            del environ[name]

    def set(self) -> None:
        """Have it stop the next time it passes the point."""
        self.file.unlink()

    def reached(self) -> None:
        """Wait until it has stopped."""
        wait_until(self.is_reached, DEADLINE, lambda: f"{self.point}: {self.worker.output()}")

    def is_reached(self) -> bool:
        if not self.file.exists():
            return False
        return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)

    def open(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
