from __future__ import annotations

from django.db import models


class Contact(models.Model):
    """Somebody `ImportContacts` has read from a list."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
