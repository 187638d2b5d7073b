"""The worker's own log: one line an event, `event key=value …`, on the logger `jobs`."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__.partition(".")[0])


def event(name: str, level: int = logging.INFO, **fields: object) -> None:
    """Log one event with its fields, in the order given."""
    if logger.isEnabledFor(level):
        shown = "".join(f" {key}={_show(value)}" for key, value in fields.items())
        logger.log(level, "%s%s", name, shown)


def warn(name: str, **fields: object) -> None:
    event(name, logging.WARNING, **fields)


def _show(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    text = text.strip().replace("\n", " ")
    is_plain = text and " " not in text and text.isprintable()
    return text if is_plain else repr(text)
