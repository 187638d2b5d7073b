"""The pages speak the visitor's language: English, and German to the last word."""

from __future__ import annotations

import io
import re
from gettext import GNUTranslations
from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, ngettext, npgettext, pgettext

from jobs.states import JobStatus
from tests import translations
from tests.factories import make_attempt, make_job, make_names, make_operation, make_worker

PLACES = re.compile(r"%\(\w+\)s|%%|%s")
PAGES = (
    *("list", "logs", "statistics", "errors", "queues", "workers", "operations", "audit"),
    *("confirm_retry", "confirm_cancel", "login"),
)
ENGLISH = re.compile(
    r"\b(the|its|jobs of|workers? (is|are)|every|retry|cancel|queued|running)\b", re.I
)
"""Words that German has not, nor any name in these tests."""


def test_every_text_is_translated_and_nothing_else() -> None:
    wanted = set(translations.texts(translations.found()))
    assert translations.languages() == ["de"]
    stored = translations.texts(translations.catalog_of("de"))
    assert set(stored) == wanted, "run `make translations`"
    for one in stored.values():
        assert not one.fuzzy, one.id
        for text, translated in zip(forms(one.id), forms(one.string), strict=True):
            assert translated, f"{text!r} is not translated"
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(translated)), text


def forms(text: Any) -> tuple[str, ...]:
    """Return singular and plural of a message, or its only form."""
    return tuple(text) if isinstance(text, tuple | list) else (text,)


def test_what_is_compiled_is_what_is_written() -> None:
    written = translations.compiled(translations.catalog_of("de"))
    stored = translations.file_of("de", "mo").read_bytes()
    assert spoken(stored) == spoken(written), "run `make translations`"


def spoken(compiled: bytes) -> dict[Any, str]:
    """Return what the content of a .mo file translates; its header names the version of its maker."""
    said: dict[Any, str] = vars(GNUTranslations(io.BytesIO(compiled)))["_catalog"]
    return {text: translated for text, translated in said.items() if text}


def test_every_text_says_in_german_what_is_written_and_not_what_django_says() -> None:
    """The catalogue of another app wins where both know a text: a context keeps ours apart."""
    with translation.override("de"):
        for (context, text), one in translations.texts(translations.catalog_of("de")).items():
            written = forms(one.string)
            assert said(context, *forms(text), count=1) == written[0]
            assert said(context, *forms(text), count=2) == written[-1]


def said(context: str | None, *texts: str, count: int) -> str:
    if len(texts) == 2:
        named = (*texts, count)
        return npgettext(context, *named) if context else ngettext(*named)
    return pgettext(context, *texts) if context else gettext(*texts)


@pytest.fixture
def shown(db: None) -> list[str]:
    """Return the addresses of pages that show something of everything."""
    make_names(("shop.Ship",), ("mail",))
    worker = make_worker()
    operation = make_operation()
    addresses = [reverse(f"jobs:{name}") for name in PAGES]
    for status in JobStatus:
        job = make_job(status, job_class="shop.Ship", queue="mail")
        attempt = make_attempt(job, "failed", worker=worker, error_type="E", error_message="m")
        addresses += [job.get_absolute_url(), attempt.get_absolute_url()]
    compare = f"{reverse('jobs:compare')}?a={attempt.pk}"
    return [*addresses, operation.get_absolute_url(), compare]


def test_every_page_is_german_for_who_prefers_german(operator, shown) -> None:
    for address in shown:
        answer = operator.get(address, headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
        html = answer.content.decode()
        assert answer.status_code in {200, 302}, address
        if answer.status_code == 200:
            assert '<html lang="de"' in html, address
            assert not ENGLISH.search(words(html)), f"{address}: {ENGLISH.findall(words(html))}"


def words(html: str) -> str:
    """Return what a page shows, without code and what is typed into a terminal."""
    html = re.sub(r"<(pre|code|script|style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", html)


def test_a_language_we_do_not_speak_is_answered_in_english(operator, db: None) -> None:
    html = operator.get("/", headers={"Accept-Language": "fr"}).content.decode()
    assert '<html lang="en"' in html


def test_what_programs_read_is_the_same_in_every_language(operator, db: None) -> None:
    make_job(JobStatus.COMPLETED)
    for address in (reverse("jobs:export", args=["csv"]), reverse("jobs:export", args=["ndjson"])):
        said = [
            b"".join(operator.get(address, headers={"Accept-Language": one}).streaming_content)
            for one in ("en", "de")
        ]
        assert said[0] == said[1]
