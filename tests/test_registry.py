"""Which classes may run, under which names, and what an unknown name is answered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.test.utils import override_settings

from jobs import BackgroundJob, registry
from jobs.exceptions import InvalidJobClass, InvalidOption, UnknownJobClass

pytestmark = pytest.mark.usefixtures("own_classes")


def declare(name: str, module: str = __name__, **body: Any) -> type[BackgroundJob]:
    """Return a new job class with this name, as if `module` had declared it."""
    names = {"__module__": module, "__qualname__": name, "handle": lambda self: None}
    return type(name, (BackgroundJob,), {**names, **body})


def test_a_class_is_named_after_its_app_and_itself():
    assert declare("Bill").job_name == "tests.Bill"


def test_the_app_is_the_one_whose_package_is_longest():
    assert declare("Bill", "django.contrib.auth.jobs").job_name == "auth.Bill"


def test_a_class_outside_of_all_apps_is_named_after_its_first_package():
    assert declare("Bill", "elsewhere.deep.jobs").job_name == "elsewhere.Bill"


def test_a_class_is_found_by_its_name():
    cls = declare("Bill")
    assert registry.get("tests.Bill") is cls
    assert registry.all_classes()["tests.Bill"] is cls


def test_a_class_is_found_by_a_former_name():
    cls = declare("Bill", aliases=["tests.Invoice"])
    assert registry.find("tests.Invoice") is cls
    assert "tests.Invoice" not in registry.all_classes()


def test_an_alias_is_not_inherited():
    bill = declare("Bill", aliases=["tests.Invoice"])
    type("Reminder", (bill,), {"__module__": __name__})
    assert registry.find("tests.Invoice") is bill


def test_an_alias_without_its_app_is_refused():
    with pytest.raises(InvalidOption, match=r"^tests\.Bill: aliases is \['Invoice'\]: "):
        declare("Bill", aliases=["Invoice"])


def test_an_abstract_class_is_not_registered():
    base = declare("Base", abstract=True)
    assert registry.find("tests.Base") is None
    type("Concrete", (base,), {"__module__": __name__})
    assert not registry.get("tests.Concrete").abstract


def test_a_second_class_of_a_name_is_refused_with_both():
    declare("Bill")
    with pytest.raises(InvalidJobClass) as raised:
        declare("Bill", "tests.other")
    assert str(raised.value) == (
        "tests.other.Bill cannot be registered as 'tests.Bill': "
        "tests.test_registry.Bill has that name"
    )


def test_an_alias_that_is_a_name_is_refused():
    declare("Bill")
    with pytest.raises(InvalidJobClass, match=r"cannot be registered as 'tests\.Bill'"):
        declare("Invoice", aliases=["tests.Bill"])


def test_a_class_refused_for_its_alias_is_not_registered():
    declare("Bill")
    with pytest.raises(InvalidJobClass):
        declare("Invoice", aliases=["tests.Bill"])
    assert registry.find("tests.Invoice") is None


def test_a_module_loaded_again_replaces_its_classes():
    declare("Bill")
    again = declare("Bill")
    assert registry.get("tests.Bill") is again


def test_an_unknown_name_is_answered_with_the_likely_one():
    declare("SendBill")
    with pytest.raises(UnknownJobClass) as raised:
        registry.get("tests.SendBil")
    assert str(raised.value).startswith(
        "no job class is registered as 'tests.SendBil'; did you mean 'tests.SendBill'? Registered: "
    )


def test_an_unknown_name_is_answered_with_some_of_many_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_classes", {})
    for number in range(23):
        declare(f"Job{number:02}")
    with pytest.raises(
        UnknownJobClass, match=r"as 'zzz'\. Registered: tests\.Job00, .* and 3 more\.$"
    ):
        registry.get("zzz")


def test_an_unknown_name_is_answered_with_the_modules_that_failed():
    registry.import_errors["shop.jobs"] = "ImportError: no module named x"
    with pytest.raises(UnknownJobClass, match=r"Could not be imported: shop\.jobs\."):
        registry.get("shop.Bill")


def test_a_bare_name_finds_the_only_class_that_has_it():
    cls = declare("Bill")
    assert registry.lookup("Bill") is cls
    assert registry.lookup("tests.Bill") is cls


def test_a_bare_name_of_two_classes_is_refused_with_both():
    declare("Bill")
    declare("Bill", "django.contrib.auth.jobs")
    with pytest.raises(UnknownJobClass, match=r"'Bill' may be any of auth\.Bill, tests\.Bill"):
        registry.lookup("Bill")


@pytest.fixture
def broken_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path; what a test writes into it is unloaded afterwards."""
    package = tmp_path / "brokenapp"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return package


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_is_kept_by_name_and_stops_nobody(
    broken_app: Path, source: str, error: str
):
    (broken_app / "jobs.py").write_text(source)
    with override_settings(INSTALLED_APPS=["brokenapp", "jobsystem"]):
        registry.autodiscover()
    assert list(registry.import_errors) == ["brokenapp.jobs"]
    assert registry.import_errors["brokenapp.jobs"].startswith(error)
    assert registry.find("jobsystem.LongJob") is not None


def test_a_class_that_should_be_in_a_broken_module_is_told_from_one_that_is_gone(broken_app: Path):
    (broken_app / "jobs.py").write_text("1 / 0")
    with override_settings(INSTALLED_APPS=["brokenapp", "jobsystem"]):
        registry.autodiscover()
        why = "brokenapp.jobs cannot be imported: ZeroDivisionError: division by zero"
        assert registry.broken_module("brokenapp.Any") == why
        assert registry.broken_module("jobsystem.Gone") == ""
        assert registry.broken_module("nowhere.Gone") == ""


def test_a_module_that_was_mended_is_no_longer_reported(broken_app: Path):
    (broken_app / "jobs.py").write_text("1 / 0")
    with override_settings(INSTALLED_APPS=["brokenapp"]):
        registry.autodiscover()
        (broken_app / "jobs.py").write_text("")
        registry.autodiscover()
    assert registry.import_errors == {}


def test_the_jobs_module_of_an_app_is_found_by_itself(broken_app: Path):
    (broken_app / "jobs.py").write_text(
        "from jobs import BackgroundJob\nclass Found(BackgroundJob):\n    def handle(self): ...\n"
    )
    with override_settings(INSTALLED_APPS=["brokenapp"]):
        registry.autodiscover()
    assert registry.find("brokenapp.Found") is not None
    assert registry.import_errors == {}
