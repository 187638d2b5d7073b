"""Writes a `.env` with a secret key of its own, if there is none: `python -m jobsystem.environment`.

It stands outside Django's commands because the settings refuse to load without the key.
"""

from __future__ import annotations

import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
PLACEHOLDER = "SECRET_KEY="


def create(directory: Path) -> bool:
    """Write `directory/.env` from its `.env.example`; return False if it is there already."""
    lines = (directory / ".env.example").read_text(encoding="utf-8").splitlines()
    key = f"{PLACEHOLDER}{secrets.token_urlsafe(48)}"
    text = "\n".join(key if line == PLACEHOLDER else line for line in lines)
    target = directory / ".env"
    try:
        target.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return False
    target.write_text(f"{text}\n", encoding="utf-8")
    return True


if __name__ == "__main__" and create(BASE_DIR):
    print("Wrote .env with a new SECRET_KEY.")  # noqa: T201
