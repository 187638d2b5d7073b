"""A PgBouncer of our own in front of a server, in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..waiting import until

PROGRAM = "pgbouncer"
CONFIG = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6543
auth_type = any
pool_mode = transaction
default_pool_size = 10
max_client_conn = 200
"""


def is_there() -> bool:
    return _program() is not None


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Yield the URL of the database at `url` as seen through PgBouncer."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname])[0]
    folder = Path(tempfile.mkdtemp(prefix="jobs-bouncer-"))
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            host=host, port=parts.port or 5432, user=parts.username or "postgres", folder=folder
        )
    )
    command = [str(_program()), str(config)]
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        command[1:1] = ["--user", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until((folder / ".s.PGSQL.6543").exists, 10.0, "PgBouncer's socket")
        yield parts._replace(
            netloc=f"{parts.username or 'postgres'}@", query=f"host={folder}&port=6543"
        ).geturl()
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _program() -> str | None:
    """Return where it is; Debian puts it where only root looks."""
    return shutil.which(PROGRAM, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
