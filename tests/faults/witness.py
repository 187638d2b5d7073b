"""Triggers of the database that note what changes an attempt after its end: nothing may."""

from __future__ import annotations

from contextlib import suppress

from django.db import connection
from django.db.utils import DatabaseError

CHANGED = """
OLD.finished_at IS NOT NULL
AND (NEW.status <> OLD.status OR NEW.finished_at IS NULL OR NEW.finished_at <> OLD.finished_at)
"""
NOTE = "INSERT INTO fault_witness VALUES (OLD.id, OLD.status, NEW.status);"
TABLE = """
CREATE TABLE IF NOT EXISTS fault_witness (attempt bigint, was varchar(20), became varchar(20))
"""
SQLITE = f"""
CREATE TRIGGER IF NOT EXISTS fault_witnessed AFTER UPDATE ON jobs_attempt
WHEN {CHANGED} BEGIN {NOTE} END
"""
FUNCTION = f"""
CREATE OR REPLACE FUNCTION fault_witnessed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {NOTE} RETURN NEW; END $$
"""
POSTGRESQL = f"""
CREATE OR REPLACE TRIGGER fault_witnessed AFTER UPDATE ON jobs_attempt
FOR EACH ROW WHEN ({CHANGED}) EXECUTE FUNCTION fault_witnessed()
"""
MYSQL = f"""
CREATE TRIGGER IF NOT EXISTS fault_witnessed AFTER UPDATE ON jobs_attempt
FOR EACH ROW BEGIN IF {CHANGED} THEN {NOTE} END IF; END
"""
TRIGGERS = {"sqlite": [SQLITE], "postgresql": [FUNCTION, POSTGRESQL], "mysql": [MYSQL]}


def watch() -> None:
    """Begin to note."""
    with connection.cursor() as cursor:
        for sql in [TABLE, *TRIGGERS[connection.vendor], "DELETE FROM fault_witness"]:
            cursor.execute(sql)


def seen() -> list[tuple[int, str, str]]:
    """Return attempt, status before and after, of each change since `watch`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT attempt, was, became FROM fault_witness")
        return list(cursor.fetchall())


def leave() -> None:
    """Take the table and the triggers away, as far as the test has left them."""
    drop = "DROP TRIGGER IF EXISTS fault_witnessed"
    if connection.vendor == "postgresql":
        drop += " ON jobs_attempt"
    for sql in (drop, "DROP TABLE IF EXISTS fault_witness"):
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(sql)
