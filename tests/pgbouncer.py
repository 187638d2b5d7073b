"""The tests through PgBouncer in transaction mode: `python -m tests.pgbouncer -n 2`, arguments as pytest's.

PgBouncer is Debian's package; it stands before a PostgreSQL of its own. Both leave with this process.
Exits with 75 where there is no PgBouncer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .postgres import QUICK, UNPRIVILEGED, Server
from .waiting import wait_until

SOCKET = ".s.PGSQL.5432"
MISSING = 75
"""Exit code: a temporary failure, as of sysexits(3)."""
CONFIGURATION = """
[databases]
* = host={upstream} user=postgres

[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = 5432
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
logfile = {folder}/log
pidfile = {folder}/pid
"""

BEHIND_IT = bool(os.environ.get("TEST_PGBOUNCER"))
"""Whether this process is among those that `main` has started."""


def not_through_it(reason: str) -> pytest.MarkDecorator:
    """Leave a test out where PgBouncer is in front."""
    return pytest.mark.skipif(BEHIND_IT, reason=f"through PgBouncer {reason}")


def program() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/sbin")


@contextmanager
def pgbouncer(folder: Path, upstream: Path) -> Iterator[None]:
    """Run PgBouncer between a socket in `folder` and that of a server in `upstream`."""
    (folder / "ini").write_text(CONFIGURATION.format(folder=folder, upstream=upstream))
    user = None
    if os.geteuid() == 0:
        user = UNPRIVILEGED
        shutil.chown(folder, user)
    process = subprocess.Popen([program() or "pgbouncer", "-q", folder / "ini"], user=user)
    try:
        wait_until((folder / SOCKET).exists, message="pgbouncer listens")
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    if program() is None:
        print("PgBouncer is not installed here (Debian and Ubuntu: apt install pgbouncer)")
        return MISSING
    server = Server({**QUICK, "max_connections": "300"})
    with tempfile.TemporaryDirectory(prefix="jobs-pgb-") as name:
        folder = Path(name)
        with pgbouncer(folder, server.directory):
            url = f"postgresql://postgres@/postgres?host={folder}"
            variables = {
                "TEST_DATABASE": "postgresql",
                "TEST_POSTGRES_URL": url,
                "TEST_PGBOUNCER": "1",
                "BACKGROUND_JOB_LISTEN": "0",
            }
            # What PgBouncer holds open cannot be dropped: the databases go with their server.
            command = [sys.executable, "-m", "pytest", "--reuse-db", *sys.argv[1:]]
            code = subprocess.run(command, env={**os.environ, **variables}).returncode
    errors = (server.directory / "log").read_text(errors="replace").count("prepared statement")
    print(f"errors with prepared statements: {errors}")
    return code or bool(errors)


if __name__ == "__main__":
    sys.exit(main())
