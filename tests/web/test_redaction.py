from __future__ import annotations

import json

import pytest

from jobs.web.redaction import MASK, as_text, redacted


@pytest.mark.parametrize(
    "key",
    [
        *("api_key", "Authorization", "access-token", "SECRET", "password", "passwd"),
        *("signature", "credentials", "session_id", "Set-Cookie"),
    ],
)
def test_values_under_telling_names_are_masked(key) -> None:
    assert redacted({key: "hush", "who": "ana"}) == {key: MASK, "who": "ana"}


def test_masking_goes_to_any_depth() -> None:
    value = {"a": [{"b": {"token": {"inner": 1}}}]}
    assert redacted(value) == {"a": [{"b": {"token": MASK}}]}


def test_the_password_of_a_url_is_masked() -> None:
    assert redacted(["postgres://jobs:hush@db/x"]) == [f"postgres://jobs:{MASK}@db/x"]


def test_integers_keep_all_their_digits() -> None:
    assert json.loads(as_text({"n": 2**63 + 1})) == {"n": 2**63 + 1}
    assert str(2**63 + 1) in as_text({"n": 2**63 + 1})
