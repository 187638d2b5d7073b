"""What a hostile job says is text in a real browser, too: nothing runs, nothing is made of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Dialog

from jobs.states import JobStatus
from tests.factories import make_job
from tests.hostile import PAYLOADS, hostile

WATCH = """
  window.ran = [];
  for (const name of ["alert", "confirm", "prompt"]) window[name] = () => window.ran.push(name);
  addEventListener("securitypolicyviolation", (event) => window.ran.push(event.violatedDirective));
"""
MADE = """() => {
  const telling = "[onerror], [onload], [onmouseover], img[src=x], a[href^='//'], svg[onload], "
    + "a[href^='javascript' i], a[href^='data:' i], form[action^='javascript' i], [style*=evil]";
  const found = [...document.querySelectorAll(telling)];
  for (const one of document.querySelectorAll("script:not([src]), style, title")) {
    const is_data = one.type && one.type.includes("json");
    if (one.localName !== "title" && !is_data && /alert|evil/.test(one.textContent)) found.push(one);
  }
  return found.map((one) => one.outerHTML.slice(0, 200)).concat(window.ran);
}"""
"""What was made of a payload, and what it ran."""


def test_nothing_is_made_of_what_a_job_says_on_any_page(open_page) -> None:
    # Wherever an address is made of a text, this is one; elsewhere it is text, and what follows counts.
    text = "javascript:alert(1)//" + " ".join(PAYLOADS)
    pages = [*hostile(text), *edited(text), *admin_pages(text)]
    page = open_page("/")
    page.add_init_script(WATCH)
    page.on("dialog", refused)
    # The admin of a project names no icon.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    for path in dict.fromkeys(pages):
        answer = page.goto(path)
        assert answer is not None, path
        assert answer.status == 200, path
        assert page.evaluate(MADE) == [], path


def test_nothing_is_made_of_what_a_message_or_a_form_repeats(open_page) -> None:
    text = " ".join(PAYLOADS)
    job = make_job(JobStatus.FAILED, job_class=f"shop.{text}", error_type=text)
    (form,) = edited(text)
    page = open_page("/")
    page.add_init_script(WATCH)
    page.on("dialog", refused)
    page.goto(job.get_absolute_url())
    page.get_by_role("button", name="Retry now").click()
    page.locator(".notice", has_text="is queued again").wait_for()
    assert page.evaluate(MADE) == []
    page.goto(form)
    page.get_by_label("Priority").fill(text)
    page.get_by_role("button", name="Run as a new job").click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate(MADE) == []


def refused(dialog: Dialog) -> None:
    dialog.dismiss()
    pytest.fail(f"a dialog was opened: {dialog.message}")


def edited(text: str) -> Iterator[str]:
    """Yield the form of a job whose class is known here."""
    job = make_job(JobStatus.FAILED, job_class="tests.Returns", arguments={"value": text})
    yield reverse("jobs:edit", args=[job.pk])


def admin_pages(text: str) -> Iterator[str]:
    """Yield the list of each of our models in the admin, a search in it, and the page of one row."""
    for model in admin.site._registry:
        if model._meta.app_label != "jobs":
            continue
        name = f"admin:jobs_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield reverse(f"{name}_changelist") + "?q=%3Cimg%20src=x%20onerror=alert(1)%3E"
        row = model._default_manager.order_by("pk").last()
        if row is not None:
            yield reverse(f"{name}_change", args=[row.pk])
