"""The project as a whole: its commands, settings, documents and the limits it sets itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from django.core.management import call_command

from jobs.conf import PREFIX, TYPES, Settings
from jobs.states import TRANSITIONS, JobStatus
from jobsystem import environment

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(
    path
    for folder in ("jobs", "jobsystem")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` of the reference project with nothing but `variables` of the project's own."""
    ours = ("DJANGO_", "BACKGROUND_JOB_", "DATABASE_URL", "SECRET_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "PYTHON_DOTENV_DISABLED": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_deployed_with_https_the_reference_project_passes_djangos_deployment_checks() -> None:
    checked = manage("check", "--deploy", HTTPS="1", SECRET_KEY="k3y" * 25 + "abcdefghij")
    assert checked.returncode == 0, checked.stderr
    assert "security." not in checked.stdout + checked.stderr


def test_without_a_secret_key_the_settings_say_how_to_get_one() -> None:
    checked = manage("check")
    assert checked.returncode == 1
    assert "python -m jobsystem.environment" in checked.stderr


def test_a_new_environment_file_has_a_key_of_its_own_and_is_private(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("# comment\nSECRET_KEY=\nOTHER=1\n")
    assert environment.create(tmp_path)
    comment, key, other = (tmp_path / ".env").read_text().splitlines()
    assert (comment, other) == ("# comment", "OTHER=1")
    assert len(key.removeprefix("SECRET_KEY=")) >= 50
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_an_environment_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("SECRET_KEY=\n")
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")
    assert not environment.create(tmp_path)
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=mine\n"


def test_the_example_environment_names_every_setting_with_its_default() -> None:
    written = dict(re.findall(rf"^#?{PREFIX}(\w+)=(.*)$", read(".env.example"), re.MULTILINE))
    assert written == {name: as_variable(getattr(Settings, name)) for name in TYPES}


def as_variable(default: object) -> str:
    """Return a default as one would write it into an environment variable; none is empty."""
    if default is None:
        return ""
    if isinstance(default, bool):
        return "01"[default]
    return str(default).removesuffix(".0")


def described_settings() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of every setting, the meaning from its docstring."""
    body = next(
        node.body
        for node in ast.parse(read("jobs/conf.py")).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    for field, meaning in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(meaning, ast.Expr):
            name = ast.unparse(field.target)
            text = " ".join(ast.literal_eval(meaning.value).split())
            yield f"{PREFIX}{name}", as_variable(getattr(Settings, name)) or "none", text


def test_the_settings_page_lists_every_setting_as_the_code_has_it() -> None:
    rows = [f"| `{name}` | {default} | {text} |" for name, default, text in described_settings()]
    assert len(rows) == len(TYPES)
    table = re.findall(rf"^\| `{PREFIX}.*$", read("docs/settings.md"), re.MULTILINE)
    assert table == rows, "docs/settings.md should have:\n" + "\n".join(rows)


def test_the_page_on_checks_lists_every_check() -> None:
    used = set(re.findall(r'id="(jobs\.[EW]\d+)"', read("jobs/checks.py")))
    listed = re.findall(r"^\| `(jobs\.[EW]\d+)` \|", read("docs/checks.md"), re.MULTILINE)
    assert set(listed) == used
    assert len(listed) == len(used)


def transitions() -> list[tuple[str, str, str]]:
    """Return (verb, from, to) of every transition, in the order of the statuses."""
    order = list(JobStatus)
    return [
        (verb, source.value, transition.target.value)
        for verb, transition in TRANSITIONS.items()
        for source in sorted(transition.sources, key=order.index)
    ]


def test_the_diagram_of_states_draws_every_transition_and_no_other() -> None:
    drawn = re.findall(r"^ +(\w+) --> (\w+) ?: (\w+)$", read("docs/states.md"), re.MULTILINE)
    inner = [(source, target, verb) for verb, source, target in transitions()]
    assert sorted(drawn) == sorted(inner), "docs/states.md should have:\n" + "\n".join(
        f"    {source} --> {target} : {verb}" for source, target, verb in inner
    )


def test_the_table_of_states_lists_every_transition_and_no_other() -> None:
    rows = [
        f"| `{verb}` | {', '.join(source for v, source, _ in transitions() if v == verb)} "
        f"| {transition.target.value} |"
        for verb, transition in TRANSITIONS.items()
    ]
    table = re.findall(r"^(\| `\w+` \| [\w, ]+ \| \w+ \|)", read("docs/states.md"), re.MULTILINE)
    assert table == rows, "docs/states.md should have:\n" + "\n".join(rows)


def test_the_states_page_explains_every_status() -> None:
    explained = re.findall(r"^- \*\*(\w+)\*\*", read("docs/states.md"), re.MULTILINE)
    assert explained == [str(status.label) for status in JobStatus]


def test_every_command_in_the_readme_exists() -> None:
    readme = read("README.md")
    named = set(re.findall(r"manage\.py (\w+)", readme))
    builtin = {"migrate", "createsuperuser", "changepassword", "collectstatic", "check"}
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")} - {"__init__", "flush"}
    assert named - builtin <= ours
    assert {"runworker", "retry", "cancel", "execute", "dispatch"} <= named
    targets = set(re.findall(r"`?make ([a-z-]+)", readme))
    assert targets <= set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/decisions/*.md"]
)
def test_every_link_between_documents_leads_somewhere(page: str) -> None:
    for document in ROOT.glob(page):
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_page_on_architecture_stays_short() -> None:
    assert read("docs/architecture.md").count("\n") <= 100


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300, f"{path} is longer than 300 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 40, f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_every_default_of_a_setting_fits_its_own_type() -> None:
    for name, kind in TYPES.items():
        default = getattr(Settings, name)
        assert msgspec.convert(default, kind) == default, name
