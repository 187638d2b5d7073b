"""Draws requests: the n-th one of a seed is always the same for the same database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote, urlencode

from .addresses import Address
from .parameters import ARGUMENTS, NAMES, OF_THE_ADMIN, likely, pairs, query
from .values import odd
from .world import TOKEN, World

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "edge"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
TYPES = (
    *("application/json", "text/plain", "", "x", "multipart/form-data", f"{FORM}; charset=x"),
    *(f"{FORM}; charset=utf-16", f"{FORM}; charset=latin-1", "multipart/form-data; boundary="),
    *(f"multipart/form-data; boundary={'b' * 300}", "multipart/mixed; boundary=edge", ";;;=\xff"),
)
OUTSIDE = (
    *("/static/", "/static/jobs/jobs.css", "/static/../manage.py", "/static/%2e%2e/%00", "/%00"),
    *("/static/jobs/%ff.css", "/favicon.ico", "/.env", "//", "/jobs//", "/jobs/-1/", "/jobs/1e3/"),
    *(
        "/jobs/1/attempts/..%2f..%2fmanage.py/output/",
        "/api",
        "/api/../admin/",
        "/%ff%fe",
        "/admin",
    ),
)
HEADERS: dict[str, tuple[str, ...]] = {
    "Accept-Language": ("de", "de-DE;q=1e9", "xx;q=" + "9" * 500, "en," * 600, "*;q=0", "\xff\xfe"),
    "If-None-Match": ("*", '"x"', "W/" * 99, '"' * 99, "\xff"),
    "If-Modified-Since": ("Thu, 01 Jan 1970 00:00:00 GMT", "x", "Thu, 99 Foo 99999 99:99:99 GMT"),
    "Range": ("bytes=0-1", "bytes=-", "bytes=9-1", "bytes=" + "9" * 5000 + "-", "bytes=\xb2-", "x"),
    "Authorization": (f"Bearer {TOKEN}", "Bearer ", "Bearer \xff", "Basic x", "bearer" * 99),
    "Cookie": ("=;=", "sessionid=", "django_language=" + "d" * 600, "messages=x:y:z", "\xff=\xff"),
    "Host": ("localhost", "evil.example", "localhost:x", "[::1", "a b", "\xff", "localhost:99999"),
    "X-Forwarded-For": ("127.0.0.1", "x" * 999),
    "X-Forwarded-Proto": ("https", "x"),
    "X-Jobs-Live": ("1", ""),
    "Sec-Fetch-Site": ("cross-site", "x"),
    "Origin": ("https://evil.example", "null", "http://[", "http://localhost"),
    "Referer": ("http://[", "https://evil.example/", "\xff"),
    "X-CSRFToken": ("x", "x" * 64, "\xff" * 32),
    "Accept-Encoding": ("gzip", "*;q=x", "\xff"),
    "User-Agent": ("", "\xff" * 999),
    "X-HTTP-Method-Override": ("DELETE",),
}
COOKIES = (
    *("django_language=de", "django_language=xx-%00", "csrftoken=x", "csrftoken=" + "a" * 32),
    *("messages=[]", "messages=W1siX19qc29uX21lc3NhZ2UiXV0:1:x", "a=" + "b" * 5000, "\xff=1", ";;"),
)


@dataclass(frozen=True)
class Request:
    number: int
    user: str
    method: str
    path: str
    """With its query string; all of it ASCII."""
    body: bytes = b""
    content_type: str = FORM
    headers: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    """Whether it is held to its CSRF token, as those of browsers are."""

    def __str__(self) -> str:
        """Return it as lines of a test; `logged_in` gives a client of that user."""
        checked = "enforce_csrf_checks=True" if self.strict else ""
        asked = ", ".join(
            (
                *(
                    repr(self.method),
                    written(self.path),
                    f"b{written(self.body.decode('latin-1'))}",
                ),
                f"content_type={self.content_type!r}, headers={self.headers!r}",
            )
        )
        return f"client = Client({checked})  # {self.user}\nclient.generic({asked})"


def written(text: str) -> str:
    """Return a text as Python has it, what is said very often as a product."""
    body = text.encode("latin-1", "backslashreplace")
    whole = repr(body)[1:]
    quoted = whole[0]
    again = re.compile(r"((?:%[0-9A-F]{2}){1,12}?|\\x..|[^\\\\])\1{60,}")

    def product(found: re.Match[str]) -> str:
        count = len(found[0]) // len(found[1])
        return f"{quoted} {quoted}{found[1]}{quoted} * {count} {quoted}"

    return again.sub(product, whole)


def plain(number: int, address: Address, method: str, world: World) -> Request:
    """Return the request that an address is there for, by somebody who may do everything."""
    random = Random(number)
    path = address.filled(lambda name: filling(random, world, name, hostile=0.0))
    token = {"a": world.attempts[0]} if address.name == "jobs:compare" else {}
    return Request(number, "root", method, f"{path}?{urlencode(token)}")


def draw(seed: int, number: int, known: list[Address], world: World) -> Request:
    """Return the n-th request of a seed."""
    random = Random(f"{seed}/{number}")
    ours = [one for one in known if one.is_ours]
    address = random.choice(ours if random.random() < 0.7 else known)
    names = NAMES if address.is_ours else (*NAMES, *OF_THE_ADMIN)
    method = random.choice(("GET", "POST", random.choice(METHODS)))
    body, content_type = b"", FORM
    if method not in ("GET", "HEAD") or random.random() < 0.05:
        body, content_type = posted(random, world, names, address)
    return Request(
        number,
        random.choice((*world.sessions, "operator", "root", "root")),
        method,
        path_of(random, world, address) + asked(random, world, names),
        body,
        content_type,
        headers(random),
        strict=random.random() < 0.15,
    )


def path_of(random: Random, world: World, address: Address) -> str:
    chance = random.random()
    if chance < 0.04:
        return random.choice(OUTSIDE)
    path = address.filled(lambda name: filling(random, world, name))
    return path + quote(odd(random)[:300]) if chance < 0.07 else path


def filling(random: Random, world: World, name: str, hostile: float = 0.25) -> str:
    """Return what stands in a place of an address, quoted."""
    if random.random() < hostile:
        return quote(odd(random), safe="") or "x"
    values: dict[str, tuple[object, ...]] = {
        "job_id": tuple(world.jobs),
        "operation_id": tuple(world.operations),
        "worker_id": tuple(world.workers),
        "kind": ("csv", "ndjson", "xml"),
        "number": (1, 2, 3),
        "object_id": (world.jobs[0], world.attempts[0], 1, world.workers[0], "default"),
        "content_type_id": (1, 5, 10),
        "app_label": ("auth", "jobs"),
    }
    return str(random.choice(values.get(name, ("1",))))


def asked(random: Random, world: World, names: tuple[str, ...]) -> str:
    chance = random.random()
    if chance < 0.2:
        return ""
    if chance < 0.23:
        return "?" + quote(odd(random), safe="%&=+;?")
    found = query(random, world, names, 8 if chance < 0.9 else 40)
    return f"?{found}"


def posted(
    random: Random, world: World, names: tuple[str, ...], address: Address
) -> tuple[bytes, str]:
    chance = random.random()
    if chance < 0.04:
        return odd(random), random.choice(TYPES)
    if chance < 0.06:
        return b'{"a":' * random.choice((1, 1_000, 90_000)), "application/json"
    if chance < 0.065:
        return b"q=" + b"x" * 2_700_000, FORM
    filled = fields(random, world, names, address)
    if chance < 0.15:
        return multipart(random, filled), random.choice((MULTIPART, MULTIPART, *TYPES))
    return urlencode(filled).encode(), FORM if chance < 0.95 else random.choice(TYPES)


def fields(
    random: Random, world: World, names: tuple[str, ...], address: Address
) -> list[tuple[bytes, bytes]]:
    """Return what a form of the pages sends, with some of it changed."""
    found = pairs(random, world, names, 8)
    if "edit" in address.name or "run_copy" in address.name:
        found += pairs(random, world, ARGUMENTS, 8)
    for name in FORMS.get(address.name.partition(":")[2], ()):
        hostile = random.random() < 0.4
        found.append((name.encode(), odd(random) if hostile else likely(random, world, name)))
    random.shuffle(found)
    return found


FORMS: dict[str, tuple[str, ...]] = {
    "save_view": ("name", "filter", "next"),
    "delete_view": ("view", "next"),
    "bulk_retry": ("id", "filter", "all", "asked_at", "last_job", "next"),
    "bulk_cancel": ("id", "id", "filter", "asked_at", "last_job"),
    "retry_at": ("at", "next"),
    "run_copy": ("argument-number", "argument-text", "queue", "priority", "tags", "run_at"),
    "run_again": ("next",),
    "pause": ("queue", "reason", "until", "next"),
    "resume": ("queue", "next"),
    "login": ("username", "password", "next"),
    "jobs_job_changelist": ("action", "_selected_action", "index", "select_across"),
    "auth_user_add": ("username", "password1", "password2", "usable_password"),
    "auth_user_change": ("username", "date_joined_0", "date_joined_1", "groups"),
    "auth_group_add": ("name", "permissions"),
}
"""Name of an address → the fields that a form which leads there has."""


def multipart(random: Random, filled: list[tuple[bytes, bytes]]) -> bytes:
    edge = BOUNDARY.encode()
    head = b'Content-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    parts = [
        b"--%s\r\n" % edge
        + head
        % (name, random.choice((b"", b"", b'; filename="../x"', b"; filename*=x''%ff")), value)
        for name, value in filled
    ]
    whole = b"".join(parts) + b"--%s--\r\n" % edge
    return whole[: random.randint(0, len(whole))] if random.random() < 0.3 else whole


def headers(random: Random) -> dict[str, str]:
    if random.random() < 0.5:
        return {}
    names = random.sample(tuple(HEADERS), random.randint(1, 3))
    found = {name: random.choice(HEADERS[name]) for name in names}
    if random.random() < 0.1:
        found["Cookie"] = random.choice(COOKIES)
    return found
