"""The files in `deploy/`, held together with the code they speak of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from jobs.conf import PREFIX, TYPES, Settings
from jobs.worker.supervisor import LAST_TRY

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNIT, PROCFILE, MANIFEST = (
    (DEPLOY / name).read_text(encoding="utf-8")
    for name in ("jobs.service", "Procfile", "kubernetes.yaml")
)
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def setting_of(unit: str, name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return str(found)


def number_in(manifest: str, pattern: str) -> float:
    found = re.search(pattern, manifest)
    assert found is not None, pattern
    return float(found[1])


@pytest.mark.parametrize("text", [UNIT, PROCFILE, MANIFEST, PAGE])
def test_every_setting_and_command_that_is_named_exists(text: str) -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert named <= set(TYPES)
    commands = re.findall(r'manage\.py"?,? "?(\w+)', text)
    assert set(commands) <= set(get_commands())


def test_the_commands_of_the_manifest_are_understood() -> None:
    commands = re.findall(r'\["python", "manage\.py", (.*)\]', MANIFEST)
    assert len(commands) == 3
    for command in commands:
        name, *arguments = re.findall(r'"([^"]+)"', command)
        load_command_class("jobs", name).create_parser("manage.py", name).parse_args(arguments)


def test_systemd_waits_for_longer_than_a_worker_drains() -> None:
    needed = Settings.DRAIN_TIMEOUT + Settings.KILL_GRACE + LAST_TRY
    assert float(setting_of(UNIT, "TimeoutStopSec")) > needed


def test_kubernetes_waits_for_longer_than_a_worker_drains() -> None:
    env = r"name: BACKGROUND_JOB_{}\n +value: \"([\d.]+)\""
    drain = number_in(MANIFEST, env.format("DRAIN_TIMEOUT"))
    grace = number_in(MANIFEST, env.format("KILL_GRACE"))
    period = number_in(MANIFEST, r"terminationGracePeriodSeconds: (\d+)")
    assert period > drain + grace + LAST_TRY


def test_jobs_within_their_limit_fit_into_the_container() -> None:
    limit = number_in(MANIFEST, r"MEMORY_LIMIT\n +value: \"(\d+)\"")
    jobs = number_in(MANIFEST, r'"--concurrency", "(\d+)"')
    room = number_in(MANIFEST, r"limits:\n +memory: (\d+)Gi") * 2**30
    assert limit * jobs < room


def test_the_unit_keeps_what_supervision_stands_on() -> None:
    for name, value in {"KillMode": "mixed", "OOMPolicy": "continue", "Type": "notify"}.items():
        assert setting_of(UNIT, name) == value
        assert f"`{name}={value}`" in PAGE
    assert float(setting_of(UNIT, "WatchdogSec")) > 2 * Settings.LEASE


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    unit = tmp_path / "jobs.service"
    # Its program and its user exist where it is deployed; here they are others.
    text = UNIT.replace("/srv/app/.venv/bin/python", sys.executable).replace("=app", "=root")
    unit.write_text(text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert str(unit) not in ran.stderr


def test_the_manifest_is_plain_yaml() -> None:
    for number, line in enumerate(MANIFEST.splitlines(), 1):
        content = line.lstrip(" ")
        assert "\t" not in line, number
        assert (len(line) - len(content)) % 2 == 0, f"line {number} is indented by an odd number"
        assert re.match(r"(#|- )|[\w/.-]+:( |$)", content), f"line {number}: {line}"


def test_the_manifest_parses() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed here")
    worker = yaml.safe_load(MANIFEST)["spec"]["template"]["spec"]["containers"][0]
    assert worker["livenessProbe"]["exec"]["command"][2:] == ["jobhealth", "worker", "--here"]
