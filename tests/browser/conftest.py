"""A real browser on a real server, with a real worker behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.prepared import Process, start

# A machine that runs everything at once may be slow; nothing here is about how fast it is.
expect.set_options(timeout=45_000)

SESSION_COOKIE = settings.SESSION_COOKIE_NAME
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """Return the path of a Chromium: `$CHROMIUM`, or one on the PATH, at best the one without windows.

    That one, Debian's package chromium-headless-shell, takes a third less of a processor for the same pages.
    """
    named = (os.environ.get("CHROMIUM"), "chromium-headless-shell", "chromium")
    return next(filter(None, map(shutil.which, filter(None, named))), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        reason = "no Chromium: install Debian's package chromium, or name one in CHROMIUM"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Playwright keeps an event loop in this thread, though nothing here is asynchronous.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def administrator(browser: Browser, live_database: None) -> User:
    return User.objects.create_superuser("ana")


@pytest.fixture
def open_page(administrator: User, browser: Browser, live_server) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page logged in as `ana`, in a browser of its own.

    It takes the options of a Playwright context. No page may log an error, nor try what our
    Content-Security-Policy forbids.
    """
    client = Client()
    client.force_login(administrator)
    session: Any = {"name": SESSION_COOKIE, "value": client.cookies[SESSION_COOKIE].value}
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(f"{message.location.get('url')}: {message.text}")

    def open_one(path: str = "/", **options) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        context.add_cookies([session | {"url": live_server.url}])
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def worker(database_env: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """A worker with two job processes, on the database of the test."""
    env = database_env | {"BACKGROUND_JOB_DRAIN_TIMEOUT": "1", "BACKGROUND_JOB_KILL_GRACE": "2"}
    env.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
    process = start(("runworker", "--concurrency", "2"), env, tmp_path / "worker.log", usual=env)
    yield process
    process.terminate()
    try:
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()
