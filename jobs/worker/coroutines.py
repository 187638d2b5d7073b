"""Running an `async def handle()` so that the worker can interrupt it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Protocol

from ..exceptions import JobInterruption


class Interruptible(Protocol):
    interruption: JobInterruption | None
    task: Any


class Interrupted:
    """Awaits a coroutine; where asyncio would cancel it, raises the runner's interruption in it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], runner: Interruptible) -> None:
        self.coroutine = coroutine
        self.runner = runner

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.coroutine.__await__()
        try:
            waits_for = next(steps)
            while True:
                try:
                    value = yield waits_for
                except asyncio.CancelledError as cancelled:
                    waits_for = steps.throw(self.runner.interruption or cancelled)
                else:
                    waits_for = steps.send(value)
        except StopIteration as end:
            return end.value


def run_coroutine(coroutine: Coroutine[Any, Any, Any], runner: Interruptible) -> Any:
    """Run a coroutine to its end in an event loop of its own; closes the loop and its executor."""

    async def main() -> Any:
        runner.task = asyncio.current_task()
        return await Interrupted(coroutine, runner)

    try:
        return asyncio.run(main())
    finally:
        runner.task = None
