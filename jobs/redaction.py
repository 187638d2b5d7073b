"""Shows values without their secrets. Stored values stay as they are: a masked one could not run."""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "••••••••"

SECRET_WORDS = frozenset(
    (
        *("api", "auth", "oauth", "authorization", "authentication", "token", "key", "secret"),
        *("pass", "password", "passwd", "passphrase", "passcode", "pwd", "signature", "credential"),
        *("session", "sessionid", "cookie", "jwt"),
    )
)
"""Words of a name under which something secret stands; their plurals count, too."""
_endings = re.compile(r"(?:password|passwd|passphrase|secret|token|credential|cookie)s?$")
_compound = re.compile(r"(?:api|access|secret|private|public|auth|session|encryption|pass)keys?$")
"""How a word of several ends that were written as one: `dbpassword`, `apikey`."""
_hump = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_word = re.compile(r"[^\W\d_]+")
_password_of_url = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")


def is_secret(name: str) -> bool:
    """Whether what stands under `name` is masked: `api_key` and `apiKey`, but not `keyboard`."""
    return any(_is_telling(word) for word in _word.findall(_hump.sub("_", name).lower()))


def _is_telling(word: str) -> bool:
    known = word in SECRET_WORDS or word.removesuffix("s") in SECRET_WORDS
    return known or bool(_endings.search(word) or _compound.search(word))


def redacted(value: Any) -> Any:
    """Return `value` with what stands under a telling name masked, at any depth."""
    if isinstance(value, dict):
        return {
            key: MASK if is_secret(str(key)) else redacted(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if isinstance(value, str):
        return without_passwords(value)
    return value


def without_passwords(text: str) -> str:
    """Return a text with the password of each URL in it masked."""
    # Few texts hold a URL, and to search a long one for it takes a hundred times as long as to see that.
    return _password_of_url.sub(rf"\1:{MASK}@", text) if "://" in text else text


def as_text(value: Any) -> str:
    """Return a JSON value as indented text, redacted; integers keep all their digits."""
    return json.dumps(redacted(value), indent=2, ensure_ascii=False)
