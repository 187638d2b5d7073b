"""`BackgroundJob`: what a job class declares, and what it can do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Self,
    cast,
    dataclass_transform,
)

from . import registry
from .arguments import Fields, declare, describe
from .conf import conf
from .exceptions import (
    InvalidArguments,
    InvalidJobClass,
)
from .options import (
    check_batch,
    check_declaration,
    check_due,
    check_option,
    check_tags,
)
from .running import InsideHandle

if TYPE_CHECKING:
    from .lifecycle.records import JobSpec
    from .models import Job


@dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field,))
class BackgroundJob(InsideHandle):
    """Base of all job classes: annotate its arguments, write `handle()`, dispatch instances.

        class SendInvoice(BackgroundJob):
            queue = "mail"                  # an option: assigned, not annotated

            invoice_id: int                 # an argument: annotated, given by name
            copy_to: str | None = None

            def handle(self):
                ...

        job = SendInvoice(invoice_id=7).dispatch()

    A module named `jobs` in any installed app is imported by itself, and only the classes so
    registered run. A class is stored as `app_label.ClassName`; when you rename or move it, keep the
    old name in `aliases`. A class that says `abstract = True` is a base for others and does not run.

    Arguments are JSON, and date, datetime, timedelta, Decimal, UUID, Enum, dataclasses, sets, tuples
    and model instances where annotated so, also inside lists and dicts. A model instance is stored
    as a reference and fetched afresh when the job runs. An aware datetime keeps its offset from UTC
    but not the name of its zone, a naive one stays naive. Instead of annotating fields a class may
    write its own `__init__` with named parameters.
    """

    queue: ClassVar[str] = "default"
    """Name of the queue, up to 100 characters."""
    priority: ClassVar[int] = 0
    """-100 to 100; bigger is sooner."""
    max_attempts: ClassVar[int | None] = None
    """Attempts a job may spend, the first included; None for `BACKGROUND_JOB_MAX_ATTEMPTS`."""
    retry_delay: ClassVar[float | Sequence[float] | Callable[..., float] | None] = None
    """Seconds between attempts: a number, a list with one per failed attempt whose last repeats, or
    a method `(self, attempt: int, exception: BaseException) -> float`; None for
    `BACKGROUND_JOB_RETRY_DELAY`."""
    timeout: ClassVar[float | None] = None
    """Seconds of wall clock an attempt may take; None for `BACKGROUND_JOB_TIMEOUT`."""
    memory_limit: ClassVar[int | None] = None
    """Bytes of resident memory of its processes; None for `BACKGROUND_JOB_MEMORY_LIMIT`."""
    isolation: ClassVar[Literal["warm", "fresh"] | None] = None
    """`fresh` for a new process per attempt; None for `BACKGROUND_JOB_ISOLATION`."""
    tags: ClassVar[Sequence[str] | Callable[..., Sequence[str]]] = ()
    """Words to find its jobs by, up to 10 of up to 50 characters, or a method `(self)` that returns
    them; those given to `dispatch()` are added."""
    abstract: ClassVar[bool] = False
    """Whether this class, not those derived from it, is only a base."""
    aliases: ClassVar[Sequence[str]] = ()
    """Former names, such as `shop.SendBill`, of jobs that may still be stored."""

    job_name: ClassVar[str] = "BackgroundJob"
    """The name it is stored under: `app_label.ClassName`."""
    _fields: ClassVar[Fields] = Fields("BackgroundJob", {})
    _given: dict[str, Any] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.job_name = registry.name_of(cls)
        cls.abstract = vars(cls).get("abstract", False)
        cls.aliases = vars(cls).get("aliases", ())
        check_declaration(cls, BackgroundJob, cls.job_name)
        cls._fields = declare(cls, BackgroundJob, cls.job_name)
        if not cls.abstract:
            registry.register(cls)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({values})"

    # -- what a job class writes -------------------------------------------------------------------

    def handle(self) -> Any:
        """Do the work; may be `async def`. What it returns, plain JSON, is kept as the result."""
        raise NotImplementedError

    def failed(self, exception: BaseException) -> Any:
        """Called after the last attempt has failed; does nothing unless overridden.

        It runs in a job process, at least once, and never changes the outcome. `exception` is the
        one that left `handle()`, or a JobTimeout, JobKilled or WorkerLost where there was none.
        """

    # -- dispatching -------------------------------------------------------------------------------

    def dispatch(
        self,
        *,
        delay: float | timedelta | None = None,
        run_at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        tags: Sequence[str] = (),
        using: str | None = None,
    ) -> Job:
        """Store this job in the current transaction, and return it as stored.

        It is due after `delay` (seconds or a timedelta), at `run_at` (an aware datetime), or at
        once. `queue` and `priority` stand before those of the class, `tags` are added to them;
        `using` is a database alias. Raises InvalidArguments and InvalidOption, and stores nothing
        then.
        """
        return type(self).dispatch_many(
            [self],
            delay=delay,
            run_at=run_at,
            queue=queue,
            priority=priority,
            tags=tags,
            using=using,
        )[0]

    @classmethod
    def dispatch_many(
        cls,
        instances: Iterable[Self],
        *,
        delay: float | timedelta | None = None,
        run_at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        tags: Sequence[str] = (),
        using: str | None = None,
        batch_size: int = 1000,
    ) -> list[Job]:
        """Store many jobs of this class, all or none, and return them in order.

        The options are those of `dispatch()`. All are checked before the first is stored;
        `batch_size` of them go into one statement.
        """
        from django.db import transaction

        from .lifecycle.dispatching import dispatch
        from .lifecycle.engines import alias_for

        check_batch(cls.job_name, batch_size)
        seconds = check_due(cls.job_name, delay, run_at)
        for name, value in (("queue", queue), ("priority", priority)):
            if value is not None:
                check_option(cls.job_name, name, value)
        spec = cls._spec(queue, priority, run_at, seconds, tags)
        specs = [cls._filled(spec, each) for each in instances]
        if len(specs) <= batch_size:
            return dispatch(specs, using)
        with transaction.atomic(using=alias_for(using, spec.queue)):
            batches = (specs[at : at + batch_size] for at in range(0, len(specs), batch_size))
            return [job for batch in batches for job in dispatch(batch, using)]

    @classmethod
    def _spec(
        cls,
        queue: str | None,
        priority: int | None,
        run_at: datetime | None,
        delay: float | None,
        tags: Sequence[str],
    ) -> JobSpec:
        """Return what is to be stored for jobs of this class, without what each has of its own."""
        from .lifecycle.records import JobSpec

        if registry.find(cls.job_name) is not cls:
            raise InvalidJobClass(f"{cls.job_name} is abstract: dispatch a class derived from it")
        of_all = () if callable(cls.tags) else cls.tags
        return JobSpec(
            job_class=cls.job_name,
            queue=cls.queue if queue is None else queue,
            priority=cls.priority if priority is None else priority,
            arguments={},
            run_at=run_at,
            delay=delay,
            max_attempts=cls.effective("max_attempts"),
            tags=check_tags(cls.job_name, of_all, tags) if of_all or tags else (),
        )

    @classmethod
    def _filled(cls, spec: JobSpec, instance: Self) -> JobSpec:
        """Return what is to be stored for one instance."""
        if type(instance) is not cls:
            raise InvalidArguments(
                f"{cls.job_name}.dispatch_many() takes jobs of this very class, "
                f"not {describe(instance)}"
            )
        if callable(cls.tags):
            spec = spec._replace(tags=check_tags(cls.job_name, instance.own_tags(), spec.tags))
        return spec._replace(arguments=instance.arguments())

    def own_tags(self) -> Sequence[str]:
        """Return the tags its class gives it."""
        return self.tags() if callable(self.tags) else self.tags

    def arguments(self) -> dict[str, Any]:
        """Return its arguments as they are stored. Raises InvalidArguments if they do not fit."""
        return self._fields.encode(self._values())

    def _values(self) -> dict[str, Any]:
        if self._given is not None:
            return self._given
        return {name: getattr(self, name) for name in self._fields.names}

    # -- what a worker asks ------------------------------------------------------------------------

    @classmethod
    def from_stored(cls, arguments: dict[str, Any] | bytes | str) -> Self:
        """Return the instance that stored arguments stand for. Raises InvalidArguments."""
        return cls(**cls._fields.decode(arguments))

    @classmethod
    def effective(cls, option: str) -> Any:
        """Return the value of an option, or that of its setting where the class leaves it open."""
        value = getattr(cls, option)
        return getattr(conf, option.upper()) if value is None else value

    @classmethod
    def has_retry_method(cls) -> bool:
        return callable(cls.retry_delay)

    @classmethod
    def retry_policy(cls) -> float | Sequence[float]:
        """Return the delays that hold where no `retry_delay` method does, in seconds."""
        policy = conf.RETRY_DELAY if cls.has_retry_method() else cls.effective("retry_delay")
        return cast("float | Sequence[float]", policy)

    @classmethod
    def has_failed_hook(cls) -> bool:
        return cls.failed is not BackgroundJob.failed
