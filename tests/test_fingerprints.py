"""Which errors count as alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.fingerprints import LONGEST_KEPT, likeness, normalised, others


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("timeout after 30.5 s", "timeout after … s"),
        ("order 17 of 12,345 at 12:30:05", "order … of … at …"),
        ("object at 0x7f3A", "object at …"),
        ("no 'a key' in \"that\"", "no … in …"),
        ("id 0f8fad5b-d9cb-469f-a165-70867728950e is gone", "id … is gone"),
        ("digest d41d8cd98f00b204e9800998ecf8427e", "digest …"),
        ("cannot open /srv/shop/a.txt: denied", "cannot open …: denied"),
        ("GET https://example.org/a?b=1 said 503", "GET … said …"),
        ("10.0.0.7 refused", "… refused"),
        ("first line\nsecond 2", "first line"),
        ("  too   much\tspace ", "too much space"),
        ("read and/or write", "read and/or write"),
        ("deadbeef is a word, accede too", "deadbeef is a word, accede too"),
        ("", ""),
        ("\n", ""),
    ],
)
def test_what_varies_in_a_message_is_taken_out(message: str, kept: str) -> None:
    assert normalised(message) == kept


def test_a_long_message_is_cut() -> None:
    assert normalised("x" * 5000) == "x" * (LONGEST_KEPT - 1) + "…"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["1a", "/", "'", "a-", "x:/", "0x", "1.", '"`'])
def test_a_hostile_message_is_read_at_once(piece: str) -> None:
    for end in ("", "g", "!"):
        assert len(normalised(piece * 100_000 + end)) <= LONGEST_KEPT


@given(st.text())
def test_any_text_can_be_normalised_and_stays_so(text: str) -> None:
    kept = normalised(text)
    assert len(kept) <= LONGEST_KEPT
    assert "\n" not in kept
    assert len(likeness("shop.Ship", "E", text.replace("\ud800", "")).fingerprint) == 24


def test_class_and_error_tell_groups_apart() -> None:
    same = likeness("shop.Ship", "ValueError", "order 1")
    assert same.fingerprint == likeness("shop.Ship", "ValueError", "order 2").fingerprint
    different = [
        likeness("shop.Bill", "ValueError", "order 1"),
        likeness("shop.Ship", "TypeError", "order 1"),
        likeness("shop.Ship", "ValueError", "orders 1"),
        likeness("shop.ShipV", "alueError", "order 1"),
        others("shop.Ship"),
    ]
    assert len({one.fingerprint for one in [same, *different]}) == 6
