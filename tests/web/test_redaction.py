from __future__ import annotations

import json

import pytest

from jobs.redaction import MASK, as_text, is_secret, redacted


@pytest.mark.parametrize(
    "key",
    [
        *("api_key", "Authorization", "access-token", "SECRET", "password", "passwd"),
        *("signature", "credentials", "session_id", "Set-Cookie", "sessionid"),
        *("apiKey", "APIKey", "APIKEY", "x-api-key", "keys", "OAuth2Token", "oauthToken"),
        *("dbpassword", "clientSecret", "clientsecret", "csrfmiddlewaretoken", "refreshTokens"),
        *("Proxy-Authorization", "pass", "userPass", "smtp_pwd", "token2", "PRIVATEKEY"),
    ],
)
def test_values_under_telling_names_are_masked(key) -> None:
    assert redacted({key: "hush", "who": "ana"}) == {key: MASK, "who": "ana"}


@pytest.mark.parametrize(
    "key",
    [
        *("author_id", "authors", "keyboard", "monkey", "hockeyTeam", "keynote", "passenger"),
        *("compass", "passed", "bypass", "capital", "rapid", "therapist", "secretary", "tokenizer"),
        *("obsession", "cookiecutter", "resignation", "apiary", "keen", "turkeys"),
    ],
)
def test_values_under_names_that_only_contain_such_a_word_are_shown(key) -> None:
    assert not is_secret(key)
    assert redacted({key: "seen"}) == {key: "seen"}


def test_masking_goes_to_any_depth() -> None:
    value = {"a": [{"b": {"token": {"inner": 1}}}]}
    assert redacted(value) == {"a": [{"b": {"token": MASK}}]}


def test_the_password_of_a_url_is_masked() -> None:
    assert redacted(["postgres://jobs:hush@db/x"]) == [f"postgres://jobs:{MASK}@db/x"]


def test_integers_keep_all_their_digits() -> None:
    assert json.loads(as_text({"n": 2**63 + 1})) == {"n": 2**63 + 1}
    assert str(2**63 + 1) in as_text({"n": 2**63 + 1})
