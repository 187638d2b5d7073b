"""The files in `deploy/`, held together with the code they speak of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
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


@pytest.fixture
def pod() -> dict[str, Any]:
    """What the manifest says of each pod, as Kubernetes reads it."""
    loaded: dict[str, Any] = yaml.safe_load(MANIFEST)
    return loaded["spec"]["template"]  # type: ignore[no-any-return]


def test_the_deployment_selects_its_own_pods(pod: dict[str, Any]) -> None:
    selected = yaml.safe_load(MANIFEST)["spec"]["selector"]["matchLabels"]
    assert selected.items() <= pod["metadata"]["labels"].items()


def test_the_environment_of_the_container_is_text(pod: dict[str, Any]) -> None:
    """Kubernetes refuses a manifest whose variables are numbers."""
    (worker,) = pod["spec"]["containers"]
    assert all(isinstance(one["value"], str) for one in worker["env"])


def test_the_probes_ask_for_the_worker_in_this_container(pod: dict[str, Any]) -> None:
    (worker,) = pod["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert worker[probe]["exec"]["command"][2:] == ["jobhealth", "worker", "--here"]
        assert worker[probe]["periodSeconds"] <= 60


def test_the_manifest_uses_no_key_that_kubernetes_does_not_know(pod: dict[str, Any]) -> None:
    (worker,) = pod["spec"]["containers"]
    assert set(pod["spec"]) == {"terminationGracePeriodSeconds", "containers"}
    known = {"name", "image", "command", "env", "envFrom", "resources"}
    assert set(worker) == known | {"startupProbe", "livenessProbe"}
    for probe in ("startupProbe", "livenessProbe"):
        assert set(worker[probe]) == {"exec", "periodSeconds", "timeoutSeconds", "failureThreshold"}
