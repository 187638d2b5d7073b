"""Job classes that differ in what the lifecycle asks them: when to try again, and whether to say so."""

from __future__ import annotations

from jobs import BackgroundJob


class Plain(BackgroundJob):
    number: int = 0

    def handle(self) -> None:
        pass


class Brisk(Plain):
    """Of the classes that are claimed ahead."""


class WaitsTen(Plain):
    retry_delay = 10


class WaitsLonger(Plain):
    retry_delay = [1, 5, 30]


class WaitsAsItSays(Plain):
    def retry_delay(self, attempt: int, exception: BaseException) -> float:
        return 7.0


class SaysGoodbye(Plain):
    def failed(self, exception: BaseException) -> None:
        pass
