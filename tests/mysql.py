"""Whether a MySQL or MariaDB server answers: `python -m tests.mysql`, before its driver is installed.

Exits with 0 where one does, else with SKIP after the reason, or with 1 where REQUIRE_MYSQL is set.
Needs the standard library only, so that any Python can ask.
"""

from __future__ import annotations

import os
import socket
import sys
from urllib.parse import urlsplit

MYSQL_HERE = "mysql://root@127.0.0.1:3306/mysql"
SKIP = 75
PATIENCE = 5.0
"""Seconds a server may take to say its greeting."""
GREETINGS = (10, 255)
"""What follows the head of its first packet: the protocol's version, or an error."""


def server_url() -> str:
    return os.environ.get("TEST_MYSQL_URL") or MYSQL_HERE


def why_not() -> str:
    """Return why tests cannot run on the server; empty where they can."""
    parts = urlsplit(server_url())
    host, port = parts.hostname or "127.0.0.1", parts.port or 3306
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            greeting = connection.recv(5, socket.MSG_WAITALL)
    except OSError as error:
        return f"nobody answers at {host}:{port} ({error})"
    if len(greeting) < 5 or greeting[4] not in GREETINGS:
        return f"what answers at {host}:{port} is no MySQL server"
    return _refusal()


def _refusal() -> str:
    """Return what the server says to a login nobody has set up for the tests."""
    if os.environ.get("TEST_MYSQL_URL"):
        return ""
    try:
        import MySQLdb
    except ImportError:
        return ""  # Asked again when it is installed.
    try:
        MySQLdb.connect(host="127.0.0.1", user="root").close()
    except MySQLdb.OperationalError as error:
        return f"the server here refuses root without a password ({error})"
    return ""


def main() -> int:
    reason = why_not()
    if not reason:
        return 0
    required = bool(os.environ.get("REQUIRE_MYSQL"))
    outcome = "required, but" if required else "SKIPPED:"
    print(f"Tests on MySQL {outcome} {reason}. TEST_MYSQL_URL names a server.", file=sys.stderr)
    return 1 if required else SKIP


if __name__ == "__main__":
    sys.exit(main())
