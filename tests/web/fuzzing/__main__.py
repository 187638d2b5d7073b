"""The fuzz, from the command line: `python -m tests.web.fuzzing --requests 20000 --database sqlite`.

It ends in one line, and exits with 1 where anything was found: each finding comes as a test to paste.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import django


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--database", default="sqlite", help="as TEST_DATABASE")
    options = parser.parse_args()
    os.environ["TEST_DATABASE"] = options.database
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.db import connection

    from .running import Fuzz

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    try:
        result = Fuzz(options.seed).run(options.requests)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    for finding in result.findings[:20]:
        print(finding.told(options.seed))
    print(f"{options.database}: {result}")
    return bool(result.findings)


if __name__ == "__main__":
    sys.exit(main())
