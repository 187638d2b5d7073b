"""How an attempt ended, and what became of its output, in sentences."""

from __future__ import annotations

import signal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Attempt
from ..states import AttemptStatus, Reason
from .presentation import signal_name, size

SIGNALS = {
    signal.SIGSEGV: gettext_lazy("it used memory that is not its own"),
    signal.SIGBUS: gettext_lazy("it used memory that is not there"),
    signal.SIGABRT: gettext_lazy("it gave up by itself, as C code does after a failed check"),
    signal.SIGFPE: gettext_lazy("it made a mistake in arithmetic, such as a division by zero"),
    signal.SIGILL: gettext_lazy("it met an instruction that its processor does not have"),
    signal.SIGXCPU: gettext_lazy("it used up the CPU time it was limited to"),
    signal.SIGTERM: gettext_lazy("somebody other than its worker asked it to end"),
    signal.SIGKILL: gettext_lazy("not by its worker: likely by the kernel, out of memory"),
}
REASONS = {
    Reason.EXCEPTION: gettext_lazy("It raised an exception."),
    Reason.GAVE_UP: gettext_lazy("It said itself that no other attempt would help."),
    Reason.TIMEOUT: gettext_lazy("It ran for longer than its timeout and was stopped."),
    Reason.BROKEN: gettext_lazy("It wrote into the channel of its worker, which ended it."),
    Reason.ARGUMENTS: gettext_lazy("Its arguments do not fit its class any more."),
    Reason.RESULT: gettext_lazy("What it returned cannot be stored."),
    Reason.WORKER_LOST: gettext_lazy("Its worker was lost; another one noticed and closed it."),
    Reason.LAUNCHER_LOST: gettext_lazy("The parent of its process disappeared."),
    Reason.SHUTDOWN: gettext_lazy("Its worker left before it was done, and gave it back."),
    Reason.POSTPONED: gettext_lazy("It asked to run later."),
    Reason.CANCELLED: gettext_lazy("It was cancelled."),
}


def exit_sentence(attempt: Attempt) -> str:
    """Return how an attempt ended, with what its process and its memory tell; empty while it runs."""
    if attempt.status == AttemptStatus.RUNNING:
        return ""
    if attempt.reason == Reason.MEMORY:
        return _("It took more memory than it may and was killed: %(memory)s.") % {
            "memory": memory(attempt)
        }
    if attempt.reason == Reason.SIGNAL and attempt.signal:
        return _killed(attempt, attempt.signal)
    if attempt.reason == Reason.EXITED:
        return _("Its process exited with code %(code)s before handle() returned.") % {
            "code": attempt.exit_code
        }
    if attempt.status == AttemptStatus.COMPLETED:
        return str(_("handle() returned."))
    found = str(REASONS.get(Reason(attempt.reason), "")) if attempt.reason in Reason.values else ""
    return f"{found} {_process(attempt)}".strip()


def memory(attempt: Attempt) -> str:
    """Return the peak of memory, with the limit that held where it is known."""
    peak = size(attempt.peak_rss or 0)
    limit = (attempt.samples or {}).get("memory_limit")
    if limit:
        return _("peak %(peak)s of %(limit)s") % {"peak": peak, "limit": size(limit)}
    return _("peak %(peak)s") % {"peak": peak}


def _killed(attempt: Attempt, number: int) -> str:
    words = {
        "name": signal_name(number),
        "number": number,
        "meaning": SIGNALS.get(number, ""),  # type: ignore[call-overload]
        "memory": memory(attempt),
    }
    if number == signal.SIGKILL and attempt.peak_rss:
        return _("Killed by %(name)s (signal %(number)s), %(meaning)s; %(memory)s.") % words
    if words["meaning"]:
        return _("Killed by %(name)s (signal %(number)s): %(meaning)s.") % words
    return _("Killed by %(name)s (signal %(number)s).") % words


def _process(attempt: Attempt) -> str:
    """Return what became of the process, where it did not live on."""
    if attempt.signal:
        return _("Its process was ended by %(name)s.") % {"name": signal_name(attempt.signal)}
    if attempt.exit_code:
        return _("Its process exited with code %(code)s.") % {"code": attempt.exit_code}
    return ""


def output_note(attempt: Attempt, found: bool) -> str:
    """Return what is to be said where a log shows no line; `found` tells whether any is stored."""
    if attempt.output_bytes and not found:
        return _("It wrote %(size)s, which is no longer stored.") % {
            "size": size(attempt.output_bytes)
        }
    if found:
        return ""
    if attempt.is_starting:
        return _("It waits for a process of its worker.")
    if attempt.status == AttemptStatus.RUNNING:
        return _("Nothing written so far.")
    return _("It wrote nothing.")
