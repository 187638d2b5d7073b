"""The jobs that the demo starts with: within two minutes they show every state there is."""

from __future__ import annotations

from pathlib import Path

from jobs.models import Job

from .jobs import (
    AlwaysFails,
    ChattyJob,
    FlakyJob,
    ImportContacts,
    LongJob,
    MemoryHog,
    RemindAll,
    Reminder,
    Segfaults,
)

CONTACTS = Path(__file__).with_name("contacts.csv")


def dispatch_samples() -> list[Job]:
    """Dispatch each of the reference jobs, and cancel one of them before it can start."""
    jobs = [
        ImportContacts(csv_text=CONTACTS.read_text(encoding="utf-8")).dispatch(priority=10),
        ImportContacts(csv_text="phone\n555-0100\n").dispatch(priority=10),
        AlwaysFails().dispatch(priority=10, tags=["customer:4711"]),
        RemindAll(names=["Ada", "Grace", "Edsger"]).dispatch(priority=10, tags=["customer:4711"]),
        FlakyJob().dispatch(priority=10),
        Segfaults().dispatch(priority=5),
        MemoryHog().dispatch(priority=5),
        ChattyJob().dispatch(),
        LongJob(seconds=90).dispatch(),
        LongJob(seconds=30).dispatch(priority=-10),
        LongJob(seconds=20).dispatch(priority=-20),
        Reminder(text="this was dispatched 90 seconds before it ran").dispatch(delay=90),
        Reminder(text="somebody cancelled this").dispatch(delay=3600),
    ]
    jobs[-1].cancel()
    return jobs
