"""How a job takes its arguments, and that they come back as they were given."""

from __future__ import annotations

import dataclasses
import inspect
import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import BackgroundJob
from jobs.arguments import fields_of
from jobs.exceptions import InvalidArguments

from .argument_jobs import (
    Address,
    Color,
    Level,
    OwnInit,
    Parcel,
    PlainJob,
    Point,
    RichJob,
    Shape,
    Size,
    returned,
    stored,
)


def test_arguments_are_attributes_of_the_instance():
    job = PlainJob(number=7, text="y")
    assert (job.number, job.text, job.ratio) == (7, "y", 1.0)


def test_a_default_factory_makes_a_new_value_for_each_job():
    first, second = PlainJob(number=1), PlainJob(number=2)
    first.items.append(1)
    assert second.items == []


def test_a_default_is_an_attribute_of_the_class_and_a_factory_is_not(own_classes: None):
    class Specified(BackgroundJob):
        number: int = dataclasses.field(default=5)
        items: list[int] = dataclasses.field(default_factory=list)

        def handle(self) -> None: ...

    assert Specified.number == 5
    assert not hasattr(Specified, "items")


def test_an_argument_may_have_the_name_of_its_type(own_classes: None):
    class Dated(BackgroundJob):
        date: date = date(2024, 1, 2)

        def handle(self) -> None: ...

    assert returned(Dated(date=date(2025, 1, 2)), "date") == date(2025, 1, 2)


def test_a_job_shows_its_arguments():
    assert repr(OwnInit(3)) == "OwnInit(number=3, text='x', loose=None)"


def test_an_argument_changed_after_construction_is_stored_as_changed():
    job = PlainJob(number=1)
    job.number = 2
    assert stored(job)["number"] == 2


def test_the_signature_of_a_job_class_shows_its_arguments():
    assert str(inspect.signature(RichJob)).startswith(
        "(*, day: 'date | None' = None, at: 'datetime | None' = None"
    )


def test_positional_arguments_are_refused():
    with pytest.raises(InvalidArguments, match=r"tests\.PlainJob takes its arguments by name"):
        PlainJob(7)  # type: ignore[call-arg]


def test_an_unknown_argument_is_refused_with_the_likely_one():
    with pytest.raises(InvalidArguments) as raised:
        PlainJob(numbr=7)  # type: ignore[call-arg]
    expected = "tests.PlainJob has no argument 'numbr'; did you mean 'number'?"
    assert str(raised.value) == expected


def test_an_unknown_argument_like_no_other_is_refused_with_all_names():
    with pytest.raises(InvalidArguments, match=r"'zzz'; its arguments: number, text, ratio"):
        PlainJob(number=1, zzz=7)  # type: ignore[call-arg]


def test_a_missing_argument_is_named():
    with pytest.raises(InvalidArguments, match=r"^tests\.PlainJob needs the argument 'number'$"):
        PlainJob()  # type: ignore[call-arg]


def test_class_variables_and_init_variables_are_no_arguments():
    names = fields_of(RichJob).names
    assert "counter" not in names
    assert "once" not in names


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("day", date(2024, 2, 29)),
        ("at", datetime(2024, 1, 2, 3, 4, 5, 678901)),
        ("at", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("at", datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
        ("at", datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)),
        ("span", timedelta(days=-3, microseconds=1)),
        ("price", Decimal("1.10")),
        ("key", uuid.UUID(int=5)),
        ("color", Color.BLUE),
        ("level", Level.HIGH),
        ("rows", [{"name": "a", "amount": Decimal("0.1")}]),
        ("shape", Shape([Point(1, 2)])),
        ("pair", (1, "a")),
        ("ids", {3, 1, 2}),
        ("size", "m"),
        ("either", 1),
        ("either", "1"),
        ("chosen", {"a": 1}),
        ("sized", {Size.SMALL: 1}),
    ],
)
def test_a_value_comes_back_as_it_was_given(name: str, value: Any):
    back = returned(RichJob(**{name: value}), name)
    assert type(back) is type(value)
    same = value.astimezone(UTC) if name == "at" and value.tzinfo else value
    assert back == same


def test_a_naive_datetime_stays_naive():
    assert returned(RichJob(at=datetime(2024, 1, 2)), "at").tzinfo is None


def test_dataclasses_in_dataclasses_come_back():
    parcel = Parcel(Address("Oslo", tags=["a"]), sent=date(2024, 1, 2))
    back = returned(RichJob(parcel=parcel), "parcel")
    assert dataclasses.asdict(back) == dataclasses.asdict(parcel)


def test_a_whole_number_is_taken_for_a_float():
    back = returned(PlainJob(number=1, ratio=7), "ratio")
    assert type(back) is float


def test_a_huge_float_comes_back_from_a_database_that_writes_it_out():
    job = PlainJob.from_stored({"number": 1, "ratio": int(1e300)})
    assert job.ratio == 1e300


def test_text_of_a_subclass_of_str_is_stored_as_text():
    from django.utils.safestring import SafeString

    assert type(PlainJob(number=1, text=SafeString("a")).arguments()["text"]) is str


def test_a_set_is_stored_in_one_order():
    assert stored(RichJob(ids={3, 1, 2}))["ids"] == [1, 2, 3]


PLAIN_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN_JSON)
def test_all_plain_json_comes_back(value: Any):
    assert returned(PlainJob(number=1, anything=value), "anything") == value


def test_stored_arguments_may_be_text_or_bytes():
    text = json.dumps({"number": 1})
    assert PlainJob.from_stored(text).number == 1
    assert PlainJob.from_stored(text.encode()).number == 1


def test_an_argument_added_since_has_its_default():
    assert PlainJob.from_stored({"number": 1}).items == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("{", r"its arguments are not JSON"),
        ("[1]", r"its arguments are \[1\] \(list\), not a dict"),
        ({"number": 1, "gone": 2}, r"has no argument 'gone'"),
        ({}, r"needs the argument 'number'"),
        ({"number": "1"}, r"number: expected int, got '1' \(str\)"),
    ],
)
def test_stored_arguments_that_no_longer_fit_are_refused(arguments: Any, problem: str):
    with pytest.raises(InvalidArguments, match=problem):
        PlainJob.from_stored(arguments)


def test_a_key_that_a_dataclass_in_a_list_no_longer_has_is_refused():
    shape = {"points": [[1, 2]], "holes": []}
    with pytest.raises(InvalidArguments, match=r"shapes\[1\]\.holes: unknown key"):
        RichJob.from_stored({"shapes": [{"points": []}, shape]})


def test_a_key_that_a_dataclass_no_longer_has_is_refused():
    parcel = {"to": {"city": "Oslo", "street": "x"}}
    with pytest.raises(InvalidArguments, match=r"parcel\.to\.street: unknown key"):
        RichJob.from_stored({"parcel": parcel})
