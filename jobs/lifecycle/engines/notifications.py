"""Hearing of PostgreSQL's notifications."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from .base import CHANNEL


class NotifyListener:
    """LISTEN on the connection the worker uses anyway; psycopg collects what arrives."""

    interval = 0.0

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.news: set[str] = set()
        connection.ensure_connection()
        self.driver = connection.connection
        self.driver.add_notify_handler(self._keep)
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def _keep(self, notification: Any) -> None:
        self.news.add(notification.payload)

    def fileno(self) -> int:
        return -1 if self.driver.closed else int(self.driver.fileno())

    def has_news(self) -> bool:
        while not self.driver.closed and (notification := self.driver.pgconn.notifies()):
            self.news.add(notification.extra.decode())
        return bool(self.news)

    def heard(self) -> set[str]:
        with self.connection.wrap_database_errors:
            self.driver.pgconn.consume_input()
        self.has_news()
        news, self.news = self.news, set()
        return news

    def close(self) -> None:
        self.driver.remove_notify_handler(self._keep)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"UNLISTEN {CHANNEL}")
        except Error:
            pass  # A lost connection hears nothing any more.
