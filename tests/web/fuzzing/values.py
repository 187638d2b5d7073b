"""What nobody would type, and somebody will send."""

from __future__ import annotations

from random import Random

NUMBERS = [
    *("0", "1", "-1", "+1", " 1", "1 ", "1.5", "1e3", "0x10", "1_000", "-0", "00001", "NaN", "inf"),
    *(str(2**31), str(2**63 - 1), str(2**63), "9" * 19, "9" * 20, "9" * 400, "9" * 5000),
    *("١٢", "१२३", "²", "½", "Ⅷ", "𝟙𝟚", "１２"),
]
DATES = [
    *("0001-01-01", "0001-01-01T00:00", "0001-01-01T00:00:00+23:59", "1000-01-01", "0999-12-31"),
    *("9999-12-31T23:59", "9999-12-31T23:59:59.999999-23:59", "9000-12-31T23:59:59-23:59"),
    *("1970-01-01T00:00+23:59", "1969-12-31T23:59:59Z", "2038-01-19T03:14:08", "-2026-01-01"),
    *("2026-02-30", "2026-13-01", "2026-03-29T02:30", "2026-10-25T02:30", "2026-03-08T02:30"),
    *("2026-W10-1", "20260101T000000", "2026-01-01T24:00", "2026-01-01T00:00:60", "2026"),
    *("2026-01-01T00:00:00+99:99", "2026-01-01T00:00+00:00:01", "2030-01-31 14:00:00.1234567"),
    *("２０３０-01-01T00:00", "0h", "9h", "30d", "1H", "15m ", "now", "2026-06-30T23:59:60Z"),
]
TEXTS = [
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e\u2066", "\u2028", "\ufeff", "\x85"),
    *("\t", "\n", "\r\nX-Evil: 1", "\x7f", "\x1b[31m", "\x1b]8;;javascript:alert(1)\x07", "\uffff"),
    *("💥", "e\u0301", "ß", "İ", "ﷺ", "\U0010ffff", "a" + "\u0301" * 500),
    *("%", "_", "\\", "\\'", "'", '"', "%00", "%s%n", "%(x)s", "{0.__class__}", "{{7*7}}"),
    *("' OR 1=1 --", "'; DROP TABLE jobs_job; --", "_connector=OR", "password__startswith"),
    *("{% debug %}", "$(id)", "`id`", "(a+)+$", "[", "*", "(?P<x>", "]]>", "<!--", "&#0;"),
    *("<script>alert(1)</script>", "javascript:alert(1)", "//evil.example", "http://[", "///"),
    *("..", "../../etc/passwd", "..%2f..", "file:///etc/passwd", "/\\evil.example", "C:\\"),
    *("null", "true", "[]", "{}", '"x"', "[" * 5000, '{"a":' * 2000, "1" * 30 + ":", "a" * 51),
    *(":", "a:", ":b", "a.b.c:1", "." * 20 + ":1", "a,b,,c", "," * 700, "number:1", "text:\ud800"),
    *("x" * 256, "x" * 10_000, "💥" * 3000, "status=failed", "?" * 50, "#", ";", "a=b&c=d"),
]
BROKEN = [b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x92", b"a\xffb", b"\x80" * 300]
"""Bytes that are no UTF-8."""
ALL = [
    *(text.encode("utf-8", "surrogatepass") for text in (*NUMBERS, *DATES, *TEXTS)),
    *BROKEN,
]


def odd(random: Random) -> bytes:
    """Return a hostile value; now and then two of them in one."""
    if random.random() < 0.1:
        return random.choice(ALL) + random.choice(ALL)
    return random.choice(ALL)
