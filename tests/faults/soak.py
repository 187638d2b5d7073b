"""The soak, from the command line: `python -m tests.faults.soak --minutes 10 --database postgresql`.

The seed of the faults is printed first. It ends in one line, and exits with 1 unless nothing was
lost, nothing ended twice, nothing overlapped and nothing was left behind. What holds after every fault
is checked as well, and is a traceback where it does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import django

JOBS = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--database", default="postgresql", help="as TEST_DATABASE")
    options = parser.parse_args()
    os.environ["TEST_DATABASE"] = options.database
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from .invariants import kept
    from .soaking import Soak
    from .standalone import scene_of_its_own

    print(f"seed {options.seed}, {options.minutes:g} minutes, {options.database}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        scene_of_its_own(Path(folder)) as (scene, crash),
        kept(scene),
    ):
        soak = Soak(scene, options.seed, crash)
        result = soak.run(options.minutes * 60, options.jobs)
        if not result.ok:
            print(*soak.orphans, scene.story(), sep="\n")
    print(", ".join(f"{count} × {name}" for name, count in sorted(soak.done.items())))
    print(result)
    return not result.ok


if __name__ == "__main__":
    sys.exit(main())
