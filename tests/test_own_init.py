"""Job classes that write their own `__init__`."""

from __future__ import annotations

import pytest

from jobs.exceptions import InvalidArguments, InvalidJobClass

from .argument_jobs import (
    OwnInit,
    refusal,
    stored,
)


def test_the_parameters_of_an_own_init_are_the_arguments():
    job = OwnInit(3, loose=[1])
    assert stored(job) == {"number": 3, "text": "x", "loose": [1]}


def test_an_own_init_runs_again_where_the_job_runs():
    assert OwnInit.from_stored(stored(OwnInit(3))).product == 6


def test_the_annotations_of_an_own_init_are_checked():
    assert refusal(OwnInit("3")) == "tests.OwnInit: number: expected int, got '3' (str)"  # type: ignore[arg-type]


def test_an_own_init_without_a_needed_argument_is_refused():
    with pytest.raises(InvalidArguments, match="missing a required argument: 'number'"):
        OwnInit()  # type: ignore[call-arg]


def test_an_own_init_with_an_unknown_argument_is_refused_with_the_likely_one():
    with pytest.raises(InvalidArguments, match="has no argument 'txt'; did you mean 'text'"):
        OwnInit(1, txt="y")  # type: ignore[call-arg]


def test_the_outermost_init_says_what_is_stored(own_classes: None):
    class Outer(OwnInit):
        def __init__(self, word: str) -> None:
            super().__init__(len(word))

    assert stored(Outer("abc")) == {"word": "abc"}
    assert Outer("abc").product == 6


def test_a_derived_class_inherits_an_own_init(own_classes: None):
    class Derived(OwnInit):
        pass

    assert Derived.from_stored(stored(Derived(2))).product == 4


def test_fields_beside_an_inherited_init_are_refused(own_classes: None):
    with pytest.raises(InvalidJobClass, match="annotates 'more', but a base of it writes its own"):

        class Derived(OwnInit):
            more: int
