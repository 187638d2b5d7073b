"""Worker processes under measurement, ours and those of peers."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

MIB = 1024 * 1024


def unwind_on_term() -> None:
    """Have SIGTERM leave this process like an exception: what was started and made is removed."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


class Workers:
    """Some commands, running from `with` to its end. What they print is shown if they fail."""

    def __init__(
        self, commands: Sequence[Sequence[str]], env: Mapping[str, str], folder: Path
    ) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self.started_at = time.monotonic()
        self.processes = [
            subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,
            )
            for command in commands
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None:
            error.add_note(f"The workers printed:\n{self.printed()}")
        self.log.close()

    @property
    def pid(self) -> int:
        return self.processes[0].pid

    def printed(self) -> str:
        """Return the end of what they have printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:].strip() or "(nothing)"

    def tree(self) -> list[psutil.Process]:
        """Return them and all they have started."""
        found = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                found += [root, *root.children(recursive=True)]
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time of the whole tree, of ended children too."""
        times = [one.cpu_times() for one in self.tree()]
        return sum(t.user + t.system + t.children_user + t.children_system for t in times)

    def memory(self) -> float:
        """Return the MiB it takes: its own pages, and its share of those others have as well."""
        infos = [one.memory_full_info() for one in self.tree()]
        return sum(getattr(info, "pss", info.uss) for info in infos) / MIB

    def kill(self) -> None:
        """End the commands themselves with SIGKILL, as a crash would; they are left to stop()."""
        for process in self.processes:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Ask them to end, and see to it that nothing of them is left."""
        tree = self.tree()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(tree, timeout=15)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        for process in self.processes:
            process.wait()
