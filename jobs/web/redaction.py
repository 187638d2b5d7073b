"""Shows values without their secrets. Stored values stay as they are: a masked one could not run."""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "••••••••"

_secret = re.compile(
    r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|CREDENTIAL|SESSION|COOKIE", re.IGNORECASE
)
_password_of_url = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")


def is_secret(name: str) -> bool:
    """Whether what stands under `name` is masked."""
    return bool(_secret.search(name))


def redacted(value: Any) -> Any:
    """Return `value` with what stands under a telling name masked, at any depth."""
    if isinstance(value, dict):
        return {
            key: MASK if is_secret(str(key)) else redacted(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if isinstance(value, str):
        return _password_of_url.sub(rf"\1:{MASK}@", value)
    return value


def as_text(value: Any) -> str:
    """Return a JSON value as indented text, redacted; integers keep all their digits."""
    return json.dumps(redacted(value), indent=2, ensure_ascii=False)
