"""A warm Django process that forks, as the launcher of a worker does: `python -m bench.forks 2 4.0`."""

from __future__ import annotations

import os
import sys
import time


def fork_rate(at_a_time: int, seconds: float) -> float:
    """Return forks per second, with so many processes at a time that leave at once."""
    running = ended = 0
    start = time.monotonic()
    end = start + seconds
    while running or time.monotonic() < end:
        while running < at_a_time and time.monotonic() < end:
            if os.fork() == 0:
                os._exit(0)
            running += 1
        if running:
            os.waitpid(-1, 0)
            running, ended = running - 1, ended + 1
    return ended / (time.monotonic() - start)


def main() -> None:
    import django

    django.setup()
    import jobs.worker.start  # noqa: F401

    print(fork_rate(int(sys.argv[1]), float(sys.argv[2])))


if __name__ == "__main__":
    main()
