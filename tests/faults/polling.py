"""Browsers that show the same live page: each asks for it as `jobs.js` does, at the page's own pace."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Any
from urllib.parse import urljoin

from .figures import p95
from .scale import pass_time
from .site import Answer, Peak, Site, Visitor

LIVE = {"X_Jobs_Live": "1"}
INTERVAL = re.compile(r'data-interval="(\d+)"')
FOLLOW = re.compile(r'data-follow="([^"]*)"')
LATE = re.compile(r'data-late="([^"]*)"')


class Poller(threading.Thread):
    """One browser. What the script of the page decides, it decides in the same way."""

    def __init__(
        self, visitor: Visitor, address: str, delay: float, ended: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.visitor, self.address, self.delay, self.ended = visitor, address, delay, ended
        self.interval = 0.0
        self.place, self.tag = address, ""
        self.late, self.late_tag = "", ""
        self.answers: list[Answer] = []
        """Those to refreshes, and to what comes after them from an address of its own."""

    def run(self) -> None:
        self.ended.wait(self.delay)
        first = self.visitor.get(self.address)
        self.answers.append(first._replace(body=b""))
        self.take(first)
        self.interval = float(found(INTERVAL, first.text) or 0)
        while not self.ended.wait(self.interval or 1.0):
            self.refresh()
        self.visitor.connection.close()

    def refresh(self) -> None:
        answer = self.ask(self.place, self.tag)
        if answer.status == 200:
            self.tag = answer.tag
            self.take(answer)

    def take(self, answer: Answer) -> None:
        """Note where what comes next is to be found, and ask for what comes late."""
        follow = found(FOLLOW, answer.text)
        self.place = urljoin(self.address, follow) if follow else self.address
        self.late = found(LATE, answer.text) or self.late
        if self.late:
            late = self.ask(self.late, self.late_tag)
            self.late_tag = late.tag if late.status == 200 else self.late_tag

    def ask(self, address: str, tag: str) -> Answer:
        answer = self.visitor.get(address, **LIVE, **({"If_None_Match": tag} if tag else {}))
        self.answers.append(answer._replace(body=answer.body if answer.status >= 400 else b""))
        return answer


def found(pattern: re.Pattern[str], text: str) -> str:
    hit = pattern.search(text)
    return hit[1].replace("&amp;", "&") if hit else ""


class Polled:
    """What so many browsers got in so many seconds, and what it took of the server."""

    def __init__(self, site: Site, address: str, count: int, seconds: float) -> None:
        pace = float(found(INTERVAL, site.visitor().get(address).text))
        assert pace, f"{address} does not live"
        chance, ended = Random(49), threading.Event()
        # They were opened at different times, all within one pause.
        pollers = [
            Poller(site.visitor(), address, chance.random() * pace, ended) for _ in range(count)
        ]
        peak, used = Peak(site), site.cpu
        with ExitStack() as stack:
            stack.callback(ended.set)
            for one in pollers:
                one.start()
            for _ in range(round(seconds)):
                pass_time(1.0)
                peak.look()
        for one in pollers:
            one.join()
        self.cpu = (site.cpu - used) / seconds
        self.grown = peak.grown
        self.pace, self.count = pace, count
        self.answers: Sequence[Answer] = [one for poller in pollers for one in poller.answers]

    def not_answered(self) -> list[Any]:
        return [(one.status, one.body[-500:]) for one in self.answers if one.status >= 400]

    @property
    def slow(self) -> float:
        """The 95th percentile of all answers, in seconds."""
        return p95([one.seconds for one in self.answers])

    @property
    def unchanged(self) -> float:
        """The share of answers that said that nothing had changed."""
        return sum(one.status == 304 for one in self.answers) / len(self.answers)

    def __str__(self) -> str:
        longest = max(one.seconds for one in self.answers)
        return (
            f"{self.count} browsers, each {self.pace:g} s: {len(self.answers):,} answers, "
            f"{self.unchanged:.0%} of them 304, p95 {1000 * self.slow:.0f} ms, longest {1000 * longest:.0f} ms, "
            f"server at {self.cpu:.0%} of a core, +{self.grown:.1f} MiB"
        )
