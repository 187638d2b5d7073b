"""Tags: given by a class and by a dispatch, stored with the job, and gone with it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs import BackgroundJob
from jobs.exceptions import InvalidJobClass, InvalidOption
from jobs.models import Job, Tag


class Tagged(BackgroundJob):
    tags = ["shop", "mail"]

    number: int = 1

    def handle(self) -> None: ...


class TaggedByMethod(BackgroundJob):
    """Builds its tags from its arguments."""

    customer: int

    def tags(self) -> list[str]:
        return ["shop", f"customer:{self.customer}"]

    def handle(self) -> None: ...


class Untagged(BackgroundJob):
    def handle(self) -> None: ...


pytestmark = pytest.mark.django_db


def stored(job: Job) -> tuple[str, ...]:
    return Job.objects.get(pk=job.pk).tags


def test_a_job_has_the_tags_of_its_class_and_of_its_dispatch_each_once():
    job = Tagged().dispatch(tags=["urgent", "mail"])
    assert job.tags == stored(job) == ("shop", "mail", "urgent")


def test_a_method_builds_tags_from_the_arguments():
    jobs = TaggedByMethod.dispatch_many(
        [TaggedByMethod(customer=n) for n in (7, 8)], tags=["import"]
    )
    assert [stored(job) for job in jobs] == [
        ("shop", "customer:7", "import"),
        ("shop", "customer:8", "import"),
    ]


def test_a_job_without_tags_has_none():
    assert stored(Untagged().dispatch()) == ()


def test_names_differ_wherever_a_character_does():
    job = Untagged().dispatch(tags=["mail", "Mail", "ma\u00efl"])
    assert stored(job) == ("mail", "Mail", "ma\u00efl")
    assert Tag.objects.filter(name="Mail").count() == 1


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("mail", "tags is 'mail': expected list"),
        (["a,b"], "a tag is 'a,b': expected printable characters"),
        (
            [f"t{n}" for n in range(9)],
            "tags is \\('shop', 'mail', 't0'.*expected list of length <= 10",
        ),
    ],
)
def test_an_impossible_tag_of_a_dispatch_is_refused_and_nothing_stored(tags: Any, problem: str):
    with pytest.raises(InvalidOption, match=f"^tests.Tagged: {problem}"):
        Tagged().dispatch(tags=tags)
    assert not Job.objects.exists()


def test_an_impossible_tag_of_a_method_is_refused_and_nothing_stored(own_classes: None):
    class Broken(BackgroundJob):
        def tags(self) -> list[str]:
            return ["x" * 51]

        def handle(self) -> None: ...

    with pytest.raises(InvalidOption, match="expected str of length <= 50"):
        Broken().dispatch()
    assert not Job.objects.exists()


def test_a_method_that_wants_more_than_the_job_is_refused(own_classes: None):
    with pytest.raises(InvalidJobClass, match=r"tags\(\) is called as tags\(self\)"):

        class Wrong(BackgroundJob):
            def tags(self, more: int) -> list[str]:
                return []

            def handle(self) -> None: ...


def test_tags_are_rolled_back_with_their_job():
    with transaction.atomic():
        Tagged().dispatch()
        transaction.set_rollback(True)
    assert not Tag.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_tags_cannot_be_stored_is_not_stored():
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "jobs_tag" in sql:
            raise OperationalError("disk full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        Tagged().dispatch()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_without_tags_a_dispatch_is_the_one_statement_it_was():
    if connection.vendor == "mysql":
        pytest.skip("it asks for the time first")
    for dispatch in (Untagged().dispatch, lambda: Untagged.dispatch_many([Untagged(), Untagged()])):
        with CaptureQueriesContext(connection) as queries:
            dispatch()
        told = [one["sql"] for one in queries if one["sql"] not in ("BEGIN IMMEDIATE", "COMMIT")]
        assert len(told) == 1
        assert "jobs_tag" not in told[0]


def test_many_jobs_write_their_tags_together():
    with CaptureQueriesContext(connection) as queries:
        Tagged.dispatch_many([Tagged(number=n) for n in range(100)])
    assert sum("jobs_tag" in one["sql"] for one in queries) == 1
    assert Tag.objects.count() == 200


def test_the_tags_of_many_jobs_are_read_together():
    Tagged.dispatch_many([Tagged(number=n) for n in range(20)])
    with CaptureQueriesContext(connection) as queries:
        found = [job.tags for job in Job.objects.prefetch_related("tag_rows")]
    assert found == [("shop", "mail")] * 20
    assert len(queries) == 2


def test_a_command_adds_tags():
    out = StringIO()
    call_command("dispatch", "tests.Tagged", "number=2", "--tag=urgent", "--tag", "a b", stdout=out)
    assert Job.objects.get(pk=int(out.getvalue())).tags == ("shop", "mail", "urgent", "a b")
