from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.web.terminal import BEHIND, FORE, SWITCHES, plain, segments


def test_colours_become_classes() -> None:
    assert segments("a\x1b[31mb\x1b[1mc\x1b[0md") == [
        ("a", ""),
        ("b", "t-red"),
        ("c", "t-bold t-red"),
        ("d", ""),
    ]


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        *(("92", "t-green"), ("4;2", "t-dim t-underline"), ("31;39", ""), ("1;22", "")),
        *(
            ("38;5;196;1", "t-bold t-red"),
            ("38;2;1;2;3;4", "t-black t-underline"),
            ("", ""),
            ("99999", ""),
        ),
    ],
)
def test_a_sequence_of_codes_is_read_to_its_end(codes, style) -> None:
    assert segments(f"\x1b[{codes}mx") == [("x", style)]


@pytest.mark.parametrize(
    "escape",
    [
        "\x1b[2J",
        "\x1b[?25l",
        "\x1b]8;;javascript:alert(1)\x07",
        "\x1b]0;title\x1b\\",
        "\x1bPq#0\x1b\\",
        "\x1b(B",
        "\x9b1;2H",
        "\x1b",
        "\x1b[",
    ],
)
def test_other_escapes_are_dropped(escape) -> None:
    assert plain(f"a{escape}") == "a"


def test_control_characters_become_visible() -> None:
    assert plain("a\0\b\x7f\tb") == "a␀␈␡\tb"


@given(st.text(alphabet="\x1b[]0;1m\x07\\ab\n\x9b"))
def test_no_escape_is_left_whatever_comes(text) -> None:
    shown = "".join(part.text for part in segments(text))
    assert "\x1b" not in shown
    assert shown == plain(text)


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1b[0;", "\x1b", "\x1b]8;;"])
def test_unfinished_escapes_are_read_in_linear_time(piece) -> None:
    started = time.process_time()
    segments(piece * 200_000)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        *(("38;5;9", "t-red"), ("38;5;34", "t-green"), ("38;5;231", "t-white")),
        *(("38;5;240", "t-black"), ("38;2;255;200;0", "t-yellow"), ("48;5;21", "t-on-blue")),
        *(("41", "t-on-red"), ("104", "t-on-blue"), ("41;49", ""), ("31;41", "t-on-red t-red")),
        *(("3;7;9", "t-inverse t-italic t-struck"), ("7;27", ""), ("38;5", "t-black")),
        *(("38", ""), ("38;7;31", "t-red"), ("38;5;999", "t-white")),
    ],
)
def test_colours_of_the_large_palettes_become_the_nearest_of_ours(codes, style) -> None:
    assert segments(f"\x1b[{codes}mx") == [("x", style)]


def test_every_class_has_a_rule() -> None:
    sheet = Path("static/jobs/log.css").read_text()
    for name in (*FORE, *BEHIND, *SWITCHES.values()):
        assert f".t-{name} {{" in sheet or name in ("black", "white"), name
