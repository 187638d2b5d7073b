"""Which arguments and results are refused, and in which words."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model  # noqa: F401 - named by an annotation

from jobs import BackgroundJob
from jobs.arguments import encode_result, fields_of
from jobs.exceptions import ResultNotStorable

from .argument_jobs import (
    Address,
    Color,
    Parcel,
    PlainJob,
    RichJob,
    refusal,
)

NUMBER: Any = 7
DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]

REFUSED = [
    ("number", "7", "number: expected int, got '7' (str)"),
    ("number", True, "number: expected int, got True (bool)"),
    ("number", 7.0, "number: expected int, got 7.0 (float)"),
    ("number", None, "number: expected int, got None"),
    ("number", 2**63, "number: an integer of more than 64 bits cannot be stored"),
    ("text", 7, "text: expected str, got 7 (int)"),
    ("text", "a\0b", "text: text with a NUL character cannot be stored"),
    ("text", "\ud800", "text: text with a lone surrogate cannot be stored"),
    (
        "text",
        b"x",
        "text: b'x' (bytes) would come back as str: convert it, or annotate it with its type",
    ),
    ("ratio", float("nan"), "ratio: nan is not a number that JSON knows"),
    ("ratio", float("-inf"), "ratio: -inf is not a number that JSON knows"),
    ("ratio", True, "ratio: expected float, got True (bool)"),
    ("flag", 1, "flag: expected bool, got 1 (int)"),
    ("items", [1, "2"], "items[1]: expected int, got '2' (str)"),
    (
        "items",
        (1, 2),
        "items: (1, 2) (tuple) would come back as list: convert it, or annotate it with its type",
    ),
    (
        "items",
        {1},
        "items: {1} (set) would come back as list: convert it, or annotate it with its type",
    ),
    ("totals", {1: 2}, "totals: the keys of a dict must be str, not 1 (int)"),
    ("totals", {"a": "b"}, "totals[...]: expected int, got str in {'a': 'b'} (dict)"),
    ("totals", {"a\0": 1}, "totals.a\0: text with a NUL character cannot be stored"),
    ("anything", object(), "anything: values of type object cannot be stored"),
    (
        "anything",
        {"when": [date(2024, 1, 2)]},
        (
            "anything.when[0]: datetime.date(2024, 1, 2) (date) would come back as str: "
            "convert it, or annotate it with its type"
        ),
    ),
    (
        "anything",
        (1,),
        "anything: (1,) (tuple) would come back as list: convert it, or annotate it with its type",
    ),
    (
        "anything",
        Color.RED,
        (
            "anything: <Color.RED: 'red'> (Color) would come back as str: "
            "convert it, or annotate it with its type"
        ),
    ),
    ("anything", DEEP, "nested deeper than 50 levels"),
    ("anything", Decimal("NaN"), "anything: Decimal('NaN') is not a number that JSON knows"),
    ("text", "x" * 65_536, "its arguments take 65,6"),
]


@pytest.mark.parametrize(("name", "value", "expected"), REFUSED)
def test_a_bad_value_is_refused_by_name_and_in_plain_words(name: str, value: Any, expected: str):
    found = refusal(PlainJob(**{"number": 1, name: value}))
    assert found.startswith("tests.PlainJob: ")
    assert expected in found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("day", "2024-01-02", "day: expected date, got '2024-01-02' (str)"),
        ("day", datetime(2024, 1, 2), "day: expected date | None, got datetime.datetime(2024"),
        ("price", 1.5, "price: expected Decimal, got 1.5 (float)"),
        ("key", "x", "key: expected UUID | None, got 'x' (str)"),
        ("color", "red", "color: expected Color, got 'red' (str)"),
        ("color", "green", "color: expected"),
        ("size", "l", "size: expected Literal['s', 'm'], got 'l' (str)"),
        ("pair", (1,), "pair: expected list of length 2, got (1,) (tuple)"),
        ("either", 1.5, "either: expected int | str | None, got 1.5 (float)"),
        ("parcel", Parcel(Address(city=NUMBER)), "parcel.to.city: expected str, got 7 (int)"),
        ("parcel", {"to": {"city": "a"}}, "parcel: expected Parcel, got {'to'"),
        ("rows", [{"name": "a"}], "rows[0]: 'amount' is missing, got {'name': 'a'} (dict)"),
        (
            "rows",
            [{"name": "a", "amount": Decimal(1), "more": 1}],
            "rows[0].more: unknown key",
        ),
        ("at", datetime(2024, 1, 2, tzinfo=timezone(timedelta(seconds=5))), "at: expected"),
    ],
)
def test_a_value_unlike_its_annotation_is_refused(name: str, value: Any, expected: str):
    assert f"tests.RichJob: {expected}" in refusal(RichJob(**{name: value}))


def test_a_class_whose_annotation_cannot_be_supported_says_so_when_used(own_classes: None):
    class Opaque(BackgroundJob):
        thing: object

        def handle(self) -> None: ...

    assert refusal(Opaque(thing=1)) == (
        "tests.Opaque: 'thing' is annotated as object: object cannot be made from JSON"
    )


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        ("Nowhere", "NameError: name 'Nowhere' is not defined"),
        ("type", "type cannot be made from JSON"),
        ("dict[int, str]", "the keys of a dict must be str"),
        ("dict[Color, int]", "the keys of a dict must be str"),
        ("date | str", "Type unions may not contain more than one str-like type"),
        ("Model | int", "Type unions containing a custom type"),
        ("list[list[complex]]", "complex cannot be made from JSON"),
    ],
)
def test_an_unsupported_annotation_is_a_problem_of_the_class(
    own_classes: None, annotation: str, problem: str
):
    body = {"__annotations__": {"value": annotation}, "handle": lambda self: None}
    cls = type("Problem", (BackgroundJob,), {**body, "__module__": __name__})
    [found] = fields_of(cls).problems()
    assert found.startswith(f"'value' is annotated as {annotation}: {problem}")


@pytest.mark.parametrize("value", [None, 1, "x", [1, {"a": None}], 1.5, True])
def test_a_result_is_kept_as_json(value: Any):
    assert json.loads(encode_result(value)) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({1}, "the result cannot be stored: {1} (set) would come back as list"),
        ({"a": (1,)}, "the result cannot be stored at a: (1,) (tuple) would come back as list"),
        ([datetime(2024, 1, 2)], "at [0]: datetime.datetime(2024, 1, 2, 0, 0) (datetime) would"),
        (float("inf"), "inf is not a number that JSON knows"),
        ("\0", "text with a NUL character"),
        ("\udcff", "text with a lone surrogate"),
        ({1: 2}, "the keys of a dict must be str"),
        (2**64, "an integer of more than 64 bits"),
        (object(), "values of type object cannot be stored"),
        (DEEP, "nested deeper than 50 levels"),
        ("x" * 300_000, "the result takes 300,002 bytes of JSON; 262,144 are allowed"),
    ],
)
def test_a_result_that_would_change_is_refused(value: Any, problem: str):
    with pytest.raises(ResultNotStorable) as raised:
        encode_result(value)
    assert problem in str(raised.value)
