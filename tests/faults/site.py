"""The web server of the demo as a process of its own, and visitors that ask it over HTTP."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple

import psutil
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from jobsystem.management.commands.quickstart import HOST, web_command

from ..waiting import wait_until
from ..worker.conftest import ROOT
from .processes import Taken, taken
from .scene import TOKEN

PATIENCE = 60.0
"""Seconds after which a visitor takes a request for one that is never answered."""
MIB = 1024 * 1024
FORM = "application/x-www-form-urlencoded"


class Answer(NamedTuple):
    status: int
    seconds: float
    """From the request to the last byte of its answer."""
    tag: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Visitor:
    """Somebody who is logged in, with one connection that is kept open, as a browser does."""

    def __init__(self, port: int, cookie: str) -> None:
        self.headers = {"Cookie": cookie}
        self.connection = HTTPConnection(HOST, port, timeout=PATIENCE)

    def get(self, address: str, **headers: str) -> Answer:
        """Ask for a page; 599 stands for a server that has not answered."""
        return self._ask("GET", address, None, headers)

    def post(self, address: str, form: str) -> Answer:
        token = "t" * 32
        headers = {"Cookie": f"{self.headers['Cookie']}; csrftoken={token}", "X_CSRFToken": token}
        return self._ask("POST", address, form, headers | {"Content_Type": FORM})

    def _ask(
        self, method: str, address: str, body: str | None, headers: Mapping[str, str]
    ) -> Answer:
        sent = self.headers | {name.replace("_", "-"): one for name, one in headers.items()}
        began = time.monotonic()
        try:
            self.connection.request(method, address, body, sent)
            response = self.connection.getresponse()
            read = response.read()
        except (OSError, HTTPException) as error:
            self.connection.close()
            return Answer(599, time.monotonic() - began, "", repr(error).encode())
        took = time.monotonic() - began
        return Answer(response.status, took, response.headers.get("ETag", ""), read)

    @contextmanager
    def reading(self, address: str) -> Iterator[HTTPResponse]:
        """Ask for a download on a connection of its own, which ends with the block, read or not."""
        with closing(HTTPConnection(HOST, self.connection.port, timeout=PATIENCE)) as connection:
            # Little is then on its way between both, and a visitor that stops reading stops the server.
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            connection.request("GET", address, headers=self.headers)
            response = connection.getresponse()
            yield response
            response.close()


class Site:
    """A running web server: that of the demo, with the reference project's own settings."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        # The workers of a scene, and what they start, are told from all others by this.
        own = {name: value for name, value in env.items() if name != TOKEN}
        own["DJANGO_SETTINGS_MODULE"] = "jobsystem.settings"
        with socket.create_server((HOST, 0)) as listener, log.open("wb") as stream:
            self.port: int = listener.getsockname()[1]
            self.process = subprocess.Popen(
                web_command(listener.fileno()),
                cwd=ROOT,
                env=own,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.watched = psutil.Process(self.process.pid)
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"
        self.visitors: list[Visitor] = []
        first = self.visitor()
        wait_until(lambda: first.get("/health/live").status == 200, 60.0, self.output)

    def visitor(self) -> Visitor:
        self.visitors.append(Visitor(self.port, self.cookie))
        return self.visitors[-1]

    def warm_up(self, *addresses: str) -> None:
        """Have each of its threads ask, at once and some times over, so that nothing is new to it."""
        visitors = [self.visitor() for _ in range(8)]
        for _ in range(3):
            for address in addresses:
                for one in visitors:
                    one.connection.request("GET", address, headers=one.headers)
                for one in visitors:
                    answer = one.connection.getresponse()
                    assert answer.status == 200, (address, answer.status, answer.read())
                    answer.read()

    @property
    def rss(self) -> int:
        return int(self.watched.memory_info().rss)

    @property
    def cpu(self) -> float:
        """Seconds of a core that it has used."""
        times = self.watched.cpu_times()
        return float(times.user + times.system)

    def at_rest(self) -> Taken:
        """Return what it takes once it does nothing any more."""
        used = -1.0

        def look() -> bool:
            nonlocal used
            before, used = used, self.cpu
            return used == before

        wait_until(look, 4 * PATIENCE, self.output, interval=0.25)
        return taken(self.process.pid)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        for one in self.visitors:
            one.connection.close()
        self.process.kill()
        self.process.wait()


class Peak:
    """The most memory a server has taken, of all moments somebody looked."""

    def __init__(self, site: Site) -> None:
        self.site, self.before = site, site.rss
        self.most = self.before

    def look(self) -> None:
        self.most = max(self.most, self.site.rss)

    @property
    def grown(self) -> float:
        """In MiB."""
        return (self.most - self.before) / MIB
