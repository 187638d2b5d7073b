"""The parameters that pages and forms read, with values that lead somewhere."""

from __future__ import annotations

from random import Random
from urllib.parse import urlencode

from jobs.states import JobStatus
from tests.argument_jobs import PlainJob, RichJob

from .values import odd
from .world import GROUP, World

TIMES = ("1h", "15m", "7d", "2026-01-01T00:00", "2999-01-01T10:00", "2026-06-01T00:00:00+02:00")
ADDRESSES = ("/", "/queues/", "https://evil.example/", "//evil.example", "/jobs/1/?a=b#c")
ARGUMENTS = tuple(
    f"{prefix}{name}"
    for prefix in ("argument-", "none-")
    for cls in (PlainJob, RichJob)
    for name in cls.__annotations__
)

LISTED: dict[str, tuple[str, ...]] = {
    "status": (*JobStatus.values, "nonsense"),
    "class": (PlainJob.job_name, RichJob.job_name, "shop.Gone"),
    "queue": ("default", "mail", "a/b", "gone"),
    "size": ("25", "50", "100", "1000000000"),
    "tab": ("errors",),
    "level": ("out", "err", "debug", "info", "warning", "error"),
    "open": ("out", "err", "info"),
    "q": ("one", "Plain", "red", "17"),
    "worker": ("host0", "host1"),
    "error": ("ValueError",),
    "group": (GROUP,),
    "tag": ("vip", "two words"),
    "argument": ("number:1", "text:x", "api_key:hush", "a.b:1"),
    "by": ("ana", "operator"),
    "action": ("retry", "cancel", "delete_selected", "pause", "drain"),
    "window": ("1h", "24h", "7d"),
    "range": ("1h", "6h", "24h", "7d", "30d"),
    "sort": ("class", "runs", "failed", "p50", "p95", "p99", "time", "memory"),
    "counts": ("1",),
    "all": ("1", ""),
    "name": ("mine", "other"),
    "view": ("mine", "other"),
    "next": ADDRESSES,
    "reason": ("too much",),
    "priority": ("0", "-100", "100", "101"),
    "tags": ("vip, eu", ""),
    **dict.fromkeys(("since", "until", "at", "run_at", "asked_at"), TIMES),
}
"""What is read by the dashboard and the API."""
KEYS = ("id", "job", "operation", "parent", "before", "after", "line", "from", "row", "last_job")
ATTEMPTS = ("a", "b", "n")
OF_THE_ADMIN: dict[str, tuple[str, ...]] = {
    "p": ("1", "2"),
    "o": ("1", "-1", "1.2", "9"),
    "e": ("1",),
    "_popup": ("1",),
    "_to_field": ("id", "password"),
    "_facets": ("1",),
    "_changelist_filters": ("q=1",),
    "status__exact": (*JobStatus.values,),
    "reason__exact": ("timeout",),
    "password__startswith": ("md5",),
    "is_staff__exact": ("1",),
    "groups__id__exact": ("1",),
    "select_across": ("0", "1"),
    "index": ("0",),
    "app_label": ("auth", "jobs"),
    "model_name": ("user", "job"),
    "field_name": ("groups", "user_permissions"),
    "term": ("a",),
    "username": ("operator", "root"),
    "password": ("secret", "wrong"),
    **dict.fromkeys(("password1", "password2", "old_password", "new_password1"), ("secret",)),
    **dict.fromkeys(("_save", "_continue", "post", "usable_password"), ("yes",)),
    **dict.fromkeys(("last_login_0", "date_joined_0"), ("2026-01-01",)),
}
OTHERS = ("csrfmiddlewaretoken", "_method", "format", "unknown", "filter ", "a[b]", "__class__")
NAMES = (*LISTED, *KEYS, *ATTEMPTS, "filter", "_selected_action", *OTHERS)


def likely(random: Random, world: World, name: str) -> bytes:
    """Return a value that leads somewhere; of an argument, any."""
    if name == "filter":
        return b"?" + query(random, world, tuple(LISTED), 3).encode()
    if name in KEYS or name == "_selected_action":
        return str(random.choice((*world.jobs, 1, 2, 5))).encode()
    if name in ATTEMPTS:
        return str(random.choice((*world.attempts, 1, 2))).encode()
    known = LISTED.get(name) or OF_THE_ADMIN.get(name) or ("1", "x", "true", '["a"]', "2026-01-01")
    return random.choice(known).encode()


def pairs(
    random: Random, world: World, names: tuple[str, ...], most: int
) -> list[tuple[bytes, bytes]]:
    """Draw parameters: likely and hostile ones, at times repeated."""
    found = []
    for _ in range(random.randint(0, most)):
        name = random.choice(names)
        hostile = random.random() < 0.5
        value = odd(random) if hostile else likely(random, world, name)
        found += [(name.encode(), value)] * (2 if random.random() < 0.05 else 1)
    if random.random() < 0.03:
        found.append((odd(random)[:200], odd(random)))
    return found


def query(random: Random, world: World, names: tuple[str, ...], most: int) -> str:
    if random.random() < 0.005:
        return urlencode([(f"p{number}", "x") for number in range(1_100)])
    return urlencode(pairs(random, world, names, most))
