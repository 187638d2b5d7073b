"""Everything a page shows may come from a hostile job: it is text, and never markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.hostile import PAYLOADS, hostile

pytestmark = pytest.mark.once

FOREIGN_TAGS = {"img", "iframe", "object", "embed", "style", "base", "math", "textarea", "video"}


class Reader(HTMLParser):
    """Collects what a browser would take for markup."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.handlers.append(name)
            if name in ("href", "src", "action", "formaction"):
                self.addresses.append(value or "")


def ways(page: str, payload: str) -> list[str]:
    """Return how a page is asked for: as it stands, and with a hostile class and queue.

    That of one job or attempt shows the same with them. It could only hand them on, and so that way
    is enough.
    """
    hostile_too = f"{page}{'&' if '?' in page else '?'}class={payload}&queue={payload}"
    return [hostile_too] if re.match(r"/jobs/\d+/", page) else [page, hostile_too]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_text_on_every_page(payload, operator) -> None:
    for page in hostile(payload):
        for path in ways(page, payload):
            answer = operator.get(path)
            assert answer.status_code == 200
            reader = Reader()
            reader.feed(answer.content.decode())
            assert not reader.tags & FOREIGN_TAGS
            assert all(src and src.startswith("/static/jobs/") for src in reader.scripts)
            assert reader.handlers == []
            assert all(address.startswith(("/", "?", "#")) for address in reader.addresses)
