"""Job classes with every kind of argument; their annotations are text, evaluated when needed."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import InitVar, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from django.contrib.auth.models import Group, User
from django.db import models

from jobs import BackgroundJob
from jobs.exceptions import InvalidArguments


class Shown(models.Manager["ShyGroup"]):
    def get_queryset(self) -> models.QuerySet[ShyGroup]:
        return super().get_queryset().exclude(name="hidden")


class ShyGroup(models.Model):
    """A model whose manager does not show every row of its table."""

    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=150)

    objects = Shown()

    class Meta:
        app_label = "tests"
        managed = False
        db_table = "auth_group"

    def __str__(self) -> str:
        return self.name


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    SMALL = "s"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Address:
    city: str
    zip: int | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclass(eq=False)
class Parcel:
    to: Address
    sent: date | None = None
    owner: User | None = None


class Point(NamedTuple):
    x: int
    y: int = 0


class Row(TypedDict):
    name: str
    amount: Decimal


class Shape(msgspec.Struct):
    points: list[Point]


class PlainJob(BackgroundJob):
    """Takes what JSON has."""

    number: int
    text: str = "x"
    ratio: float = 1.0
    flag: bool = False
    items: list[int] = dataclasses.field(default_factory=list)
    totals: dict[str, int] = dataclasses.field(default_factory=dict)
    anything: Any = None

    def handle(self) -> None: ...


class RichJob(BackgroundJob):
    """Takes what JSON has not."""

    day: date | None = None
    at: datetime | None = None
    span: timedelta | None = None
    price: Decimal | None = None
    key: uuid.UUID | None = None
    color: Color | None = None
    level: Level = Level.LOW
    parcel: Parcel | None = None
    rows: list[Row] | None = None
    shape: Shape | None = None
    shapes: list[Shape] | None = None
    pair: tuple[int, str] | None = None
    ids: set[int] | None = None
    size: Literal["s", "m"] = "s"
    either: int | str | None = None
    chosen: dict[Literal["a", "b"], int] | None = None
    sized: dict[Size, int] | None = None

    counter: ClassVar[int] = 0
    once: InitVar[int] = 0

    def handle(self) -> None: ...


class ModelJob(BackgroundJob):
    user: User | None = None
    shy: ShyGroup | None = None
    groups: list[Group] = dataclasses.field(default_factory=list)
    parcel: Parcel | None = None
    anything: Any = None

    def handle(self) -> None: ...


class OwnInit(BackgroundJob):
    """Says in Python what it takes."""

    def __init__(self, number: int, text: str = "x", *, loose=None):
        self.product = number * 2
        self.text = text
        self.loose = loose

    def handle(self) -> None: ...


def stored(job: BackgroundJob) -> dict[str, Any]:
    """Return the arguments of `job` as the database gives them back."""
    found: dict[str, Any] = json.loads(json.dumps(job.arguments()))
    return found


def returned(job: BackgroundJob, name: str) -> Any:
    """Return one argument of `job` as the process that runs it gets it."""
    return getattr(type(job).from_stored(stored(job)), name)


def refusal(job: BackgroundJob) -> str:
    with pytest.raises(InvalidArguments) as raised:
        job.arguments()
    return str(raised.value)
