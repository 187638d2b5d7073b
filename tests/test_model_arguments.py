"""Model instances as arguments: a reference is stored, the instance fetched afresh."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from jobs.arguments.references import reference
from jobs.exceptions import InvalidArguments

from .argument_jobs import (
    Address,
    ModelJob,
    Parcel,
    ShyGroup,
    refusal,
    stored,
)


def test_a_model_instance_is_stored_as_a_reference(db: None):
    user = User.objects.create(username="ada")
    assert stored(ModelJob(user=user))["user"] == {"model": "auth.user", "pk": user.pk}


def test_a_model_instance_is_fetched_afresh(db: None):
    user = User.objects.create(username="ada")
    arguments = stored(ModelJob(user=user))
    User.objects.update(username="grace")
    back = ModelJob.from_stored(arguments).user
    assert back is not None
    assert back.username == "grace"


def test_model_instances_in_lists_and_dataclasses_come_back(db: None):
    user = User.objects.create(username="ada")
    groups = [Group.objects.create(name=name) for name in "ab"]
    job = ModelJob(groups=groups, parcel=Parcel(Address("Oslo"), owner=user))
    back = ModelJob.from_stored(stored(job))
    assert back.groups == groups
    assert back.parcel is not None
    assert back.parcel.owner == user


def test_encoding_model_instances_asks_the_database_nothing(
    db: None, django_assert_num_queries: Any
):
    job = ModelJob(user=User.objects.create(username="ada"))
    with django_assert_num_queries(0):
        job.arguments()


def test_an_instance_of_another_database_names_it():
    user = User(pk=7)
    user._state.adding, user._state.db = False, "other"
    assert reference(user) == {"model": "auth.user", "pk": 7, "db": "other"}


def test_an_unsaved_instance_is_refused():
    expected = "tests.ModelJob: user: this User is not saved, so the job could not find it"
    assert refusal(ModelJob(user=User(pk=7))) == expected


def test_an_instance_of_another_model_is_refused(db: None):
    group = Group.objects.create(name="a")
    found = refusal(ModelJob(user=group))  # type: ignore[arg-type]
    assert found == "tests.ModelJob: user: expected User, got Group"


def test_an_instance_without_annotation_is_refused(db: None):
    user = User.objects.create(username="ada")
    found = refusal(ModelJob(anything={"by": user}))
    assert "anything.by: <User: ada> (User) would come back as dict" in found


def test_an_instance_that_its_manager_hides_is_still_found(db: None):
    group = ShyGroup.objects.create(name="shown")
    arguments = stored(ModelJob(shy=group))
    Group.objects.update(name="hidden")
    assert ModelJob.from_stored(arguments).shy == group


def test_an_instance_that_is_gone_is_named(db: None):
    user = User.objects.create(username="ada")
    arguments = stored(ModelJob(user=user))
    pk = user.pk
    user.delete()
    with pytest.raises(InvalidArguments) as raised:
        ModelJob.from_stored(arguments)
    assert str(raised.value) == f"tests.ModelJob: user: User {pk} no longer exists"


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (7, "expected User, got int"),
        ({"model": "os.system", "pk": 1}, "no model is installed as 'os.system'"),
        ({"model": ["auth.user"], "pk": 1}, "no model is installed as ['auth.user']"),
        ({"model": "auth.group", "pk": 1}, "expected User, got Group"),
        ({"model": "auth.user", "pk": "x"}, "'x' is no primary key of User"),
        ({"model": "auth.user", "pk": 1, "db": "x"}, "no database is configured as 'x'"),
    ],
)
def test_a_stored_reference_is_trusted_with_nothing(db: None, reference: Any, problem: str):
    with pytest.raises(InvalidArguments) as raised:
        ModelJob.from_stored({"user": reference})
    assert str(raised.value) == f"tests.ModelJob: user: {problem}"
