"""What a job class may declare, and the helpers inside `handle()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from jobs import BackgroundJob
from jobs.exceptions import (
    InvalidJobClass,
    InvalidOption,
    JobError,
    JobFailed,
    ResultNotStorable,
    RetryLater,
)

from .argument_jobs import PlainJob

pytestmark = pytest.mark.usefixtures("own_classes")


def declare(**body: Any) -> type[BackgroundJob]:
    """Return a new job class with these names in its body."""
    return type(
        "Declared", (BackgroundJob,), {"__module__": __name__, "handle": lambda self: None, **body}
    )


# -- declaration -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("max_attempts", 0, "max_attempts is 0: expected int >= 1"),
        ("max_attempts", "3", "max_attempts is '3': expected int | None"),
        ("max_attempts", True, "max_attempts is True: expected int | None"),
        ("timeout", -1, "timeout is -1: expected float > 0.0"),
        ("timeout", float("nan"), "timeout is nan: expected float > 0.0"),
        ("memory_limit", 0, "memory_limit is 0: expected int >= 1"),
        ("memory_limit", 1.5, "memory_limit is 1.5: expected int | None"),
        ("priority", 101, "priority is 101: expected int <= 100"),
        ("priority", -101, "priority is -101: expected int >= -100"),
        ("priority", None, "priority is None: expected int"),
        ("isolation", "cold", "isolation is 'cold': expected one of 'warm', 'fresh'"),
        ("retry_delay", [], "retry_delay is []: expected list of length >= 1"),
        ("retry_delay", -1, "retry_delay is -1: expected float >= 0.0"),
        ("retry_delay", [1, -1], "retry_delay is [1, -1]: expected float >= 0.0"),
        ("retry_delay", "60", "retry_delay is '60': expected float | list | None"),
        ("queue", 7, "queue is 7: expected str"),
        ("queue", "", "queue is '': expected str of length >= 1"),
        ("queue", "q" * 101, f"queue is '{'q' * 101}': expected str of length <= 100"),
        ("queue", "a,b", "queue is 'a,b': expected printable characters without a comma"),
        ("queue", "a\0", r"queue is 'a\x00': expected printable characters"),
        ("abstract", 1, "abstract is 1: expected bool"),
        ("aliases", "shop.Bill", "aliases is 'shop.Bill': expected list"),
        ("tags", "mail", "tags is 'mail': expected list"),
        ("tags", [7], "tags is [7]: expected str"),
        ("tags", [""], "tags is ['']: expected str of length >= 1"),
        ("tags", ["x" * 51], "tags is ['xxx"),
        ("tags", [str(n) for n in range(11)], "tags is ['0', "),
        ("tags", ["a,b"], "a tag is 'a,b': expected printable characters without a comma"),
        ("tags", ["a\n"], "a tag is 'a\\n': expected printable characters"),
        ("tags", ["a "], "a tag is 'a ': expected printable characters without a comma, no space"),
    ],
)
def test_an_impossible_option_is_refused_with_the_class(option: str, value: Any, problem: str):
    with pytest.raises(InvalidOption) as raised:
        declare(**{option: value})
    assert str(raised.value).startswith(f"tests.Declared: {problem}")


def test_an_impossible_option_of_a_mixin_is_refused():
    class Mail:
        priority = 1000

    with pytest.raises(InvalidOption, match=r"^tests\.Mailing: priority is 1000"):
        type("Mailing", (Mail, BackgroundJob), {"__module__": __name__})


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ({"queue": "str"}, "annotates 'queue', which is an option: write `queue = ...` instead"),
        ({"dispatch": "int"}, "cannot have an argument named 'dispatch': BackgroundJob uses"),
        ({"attempt": "int"}, "cannot have an argument named 'attempt': BackgroundJob uses"),
        ({"_run": "int"}, "cannot have an argument named '_run': BackgroundJob uses"),
    ],
)
def test_an_argument_named_like_an_attribute_is_refused(annotations: Any, problem: str):
    with pytest.raises(InvalidJobClass, match=f"^tests.Declared {problem}"):
        declare(__annotations__=annotations)


@pytest.mark.parametrize("default", [[], {}, set()])
def test_a_default_that_all_jobs_would_share_is_refused(default: Any):
    with pytest.raises(InvalidJobClass, match=r"default_factory="):
        declare(__annotations__={"items": "Any"}, items=default)


def test_a_field_that_cannot_be_given_is_refused():
    field = dataclasses.field(init=False)
    with pytest.raises(InvalidJobClass, match="'items' has init=False"):
        declare(__annotations__={"items": "Any"}, items=field)


@pytest.mark.parametrize(
    ("init", "problem"),
    [
        (lambda self, *args: None, r"__init__ takes \*args: what it stands for could not be"),
        (lambda self, **values: None, r"__init__ takes \*\*values: what it stands for could not"),
        (eval("lambda self, a, /: None"), "__init__ takes 'a' by position only"),
    ],
)
def test_an_init_whose_parameters_have_no_names_is_refused(init: Any, problem: str):
    with pytest.raises(InvalidJobClass, match=problem):
        declare(__init__=init)


def test_a_class_without_handle_is_refused():
    with pytest.raises(InvalidJobClass, match=r"^tests\.Empty has no handle\(\)"):
        type("Empty", (BackgroundJob,), {"__module__": __name__})


def yields(self: Any) -> Any:
    yield 1


def takes_more(self: Any, number: int) -> None: ...


@pytest.mark.parametrize(
    ("handle", "problem"),
    [(yields, "has a yield in it"), (takes_more, r"called as handle\(self\)")],
)
def test_a_handle_that_cannot_be_run_is_refused(handle: Any, problem: str):
    with pytest.raises(InvalidJobClass, match=problem):
        declare(handle=handle)


def test_a_retry_method_with_other_parameters_is_refused():
    with pytest.raises(InvalidJobClass, match=r"called as retry_delay\(self, attempt, exception\)"):
        declare(retry_delay=lambda self: 1)


def test_arguments_are_inherited_and_defaults_may_be_changed():
    class Base(BackgroundJob):
        abstract = True
        number: int
        text: str = "base"

    class Derived(Base):
        text = "derived"
        more: int = 1

        def handle(self) -> None: ...

    assert Derived(number=1).arguments() == {"number": 1, "text": "derived", "more": 1}


def test_arguments_of_several_bases_are_joined():
    class Left(BackgroundJob):
        abstract = True
        left: int = 1

    class Right(BackgroundJob):
        abstract = True
        right: int = 2

    class Both(Left, Right):
        def handle(self) -> None: ...

    assert Both().arguments() == {"right": 2, "left": 1}


# -- options ---------------------------------------------------------------------------------------


def test_an_option_left_open_is_that_of_the_settings(settings: Any):
    settings.BACKGROUND_JOB_MAX_ATTEMPTS = 9
    assert declare().effective("max_attempts") == 9


def test_an_option_of_the_class_stands_before_the_settings(settings: Any):
    settings.BACKGROUND_JOB_MAX_ATTEMPTS = 9
    assert declare(max_attempts=2).effective("max_attempts") == 2


def test_a_retry_policy_is_that_of_the_class():
    assert declare(retry_delay=[10, 60]).retry_policy() == [10, 60]


def test_a_class_with_a_retry_method_has_the_policy_of_the_settings():
    cls = declare(retry_delay=lambda self, attempt, exception: attempt * 2)
    assert cls.has_retry_method()
    assert cls.retry_policy() == 60.0


def test_a_class_knows_whether_it_has_a_failed_hook():
    assert not declare().has_failed_hook()
    assert declare(failed=lambda self, exception: None).has_failed_hook()


def test_the_failed_hook_does_nothing_by_default():
    assert PlainJob(number=1).failed(ValueError()) is None


# -- inside handle() -------------------------------------------------------------------------------


class Recorder:
    """A run that keeps what its job says."""

    job_id, attempt = 12, 3

    def __init__(self) -> None:
        self.said: list[Any] = []

    def report_progress(self, done: int, total: int | None, message: str) -> None:
        self.said.append((done, total, message))

    def complete_in_transaction(self, result: str | None) -> AbstractContextManager[None]:
        self.said.append(result)
        return nullcontext()


@pytest.fixture
def running() -> PlainJob:
    job = PlainJob(number=1)
    job._run = Recorder()
    return job


def test_a_running_job_knows_its_attempt(running: PlainJob):
    assert (running.job_id, running.attempt, running.idempotency_key) == (12, 3, "job-12")


def test_progress_is_reported_as_every_database_keeps_it(running: PlainJob):
    running.progress(1, 10, "a\0b")
    running.progress(2)
    assert isinstance(running._run, Recorder)
    assert running._run.said == [(1, 10, "a\ufffdb"), (2, None, "")]


@pytest.mark.parametrize("seconds", [90, timedelta(seconds=90)])
def test_a_job_may_ask_to_run_later(running: PlainJob, seconds: Any):
    with pytest.raises(RetryLater) as raised:
        running.retry_later(seconds)
    assert raised.value.seconds == 90.0


def test_a_job_cannot_ask_to_run_in_the_past(running: PlainJob):
    with pytest.raises(InvalidOption, match="retry_later is -1: expected 0 to"):
        running.retry_later(-1)


def test_a_job_may_give_up(running: PlainJob):
    with pytest.raises(JobFailed, match="no such invoice"):
        running.fail("no such invoice")


@pytest.mark.parametrize(("result", "text"), [(None, None), ({"a": 1}, '{"a":1}')])
def test_a_result_is_encoded_before_its_transaction(running: PlainJob, result: Any, text: Any):
    with running.complete_in_transaction(result):
        assert isinstance(running._run, Recorder)
        assert running._run.said == [text]


def test_a_result_that_cannot_be_kept_opens_no_transaction(running: PlainJob):
    with pytest.raises(ResultNotStorable):
        running.complete_in_transaction({1})
    assert isinstance(running._run, Recorder)
    assert running._run.said == []


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda job: job.job_id, "job_id"),
        (lambda job: job.attempt, "attempt"),
        (lambda job: job.idempotency_key, "idempotency_key"),
        (lambda job: job.progress(1), r"progress\(\)"),
        (lambda job: job.retry_later(1), r"retry_later\(\)"),
        (lambda job: job.fail("x"), r"fail\(\)"),
        (lambda job: job.complete_in_transaction(), r"complete_in_transaction\(\)"),
    ],
)
def test_the_helpers_of_handle_say_that_they_work_only_there(
    use: Callable[[BackgroundJob], Any], name: str
):
    with pytest.raises(JobError, match=rf"^PlainJob\.{name} works only inside handle\(\)$"):
        use(PlainJob(number=1))
