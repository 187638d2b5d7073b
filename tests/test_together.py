"""Programs that run together end together."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from jobsystem import together
from jobsystem.together import Group

from .waiting import wait_until

WAITS = "import signal, sys; print('ready', flush=True); signal.pause()"
STUBBORN = "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n" + WAITS


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_appear_behind_the_name_of_their_program(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group()
    with group.listening():
        program = group.start("web", python("print('one'); print('two')"))
        program.process.wait()
    assert capsys.readouterr().out == "   web | one\n   web | two\n"


def test_a_program_gets_the_variables_meant_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group()
    with group.listening():
        code = "import os; print(os.environ['MEANT'])"
        group.start("web", python(code), MEANT="for it").process.wait()
    assert "for it" in capsys.readouterr().out


def test_when_one_program_ends_the_wait_is_over_and_the_other_is_ended() -> None:
    group = Group()
    with group.listening():
        other = group.start("other", python(WAITS))
        group.start("one", python("pass"))
        group.wait()
    assert other.process.returncode == -signal.SIGTERM


def test_a_signal_ends_the_wait_and_all_programs() -> None:
    group = Group()
    with group.listening():
        programs = [group.start(name, python(WAITS)) for name in ("one", "two")]
        os.kill(os.getpid(), signal.SIGINT)
        group.wait()
    assert [program.process.returncode for program in programs] == [-signal.SIGTERM] * 2


def test_the_second_signal_asks_programs_to_leave_at_once(tmp_path: Path) -> None:
    code = f"import pathlib; pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
    code = "import signal; signal.signal(15, signal.SIG_IGN)\n" + code + WAITS
    group = Group()
    with group.listening():
        program = group.start("one", python(code))
        wait_until((tmp_path / "ready").exists)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert program.process.returncode != -signal.SIGKILL


def test_a_program_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(together, "GRACE", 0.3)
    code = STUBBORN.replace("print(", f"open({str(tmp_path / 'ready')!r}, 'w').close(); print(")
    group = Group()
    with group.listening():
        program = group.start("one", python(code))
        wait_until((tmp_path / "ready").exists)
    assert program.process.returncode == -signal.SIGKILL


def test_signals_mean_what_they_meant_before_once_all_have_ended() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Group().listening():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
