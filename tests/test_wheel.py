"""What is published: the wheel, installed beside a project of ten lines."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROJECT = """
SECRET_KEY = "for this test only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = [f"django.contrib.{name}" for name in
    ("auth", "contenttypes", "sessions", "messages", "staticfiles")] + ["jobs"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": ["django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
USE_TZ = True
STATIC_URL = "/static/"
LOGIN_URL = "jobs:login"
"""

URLS = """
from django.contrib.staticfiles.views import serve
from django.urls import include, path
urlpatterns = [
    path("work/", include("jobs.urls")),
    path("static/<path:path>", serve, {"insecure": True}),
]
"""

VISIT = """
import re
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
import jobs
assert "site-packages" in jobs.__file__, jobs.__file__
call_command("migrate", verbosity=0)
client = Client()
answer = client.get("/work/")
assert answer.status_code == 302 and answer.url.startswith("/work/login/"), answer
assert client.get(answer.url).status_code == 200
client.force_login(User.objects.create_superuser("admin"))
page = client.get("/work/")
assert page.status_code == 200, page
files = set(re.findall(r'(?:href|src)="(/static/[^"?]+)', page.content.decode()))
assert {file.rpartition(".")[2] for file in files} >= {"css", "js"}, files
for file in files:
    answer = client.get(file)
    assert answer.status_code == 200 and b"".join(answer), file
print("visited", len(files), "files")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree as it is."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=100)
    return next(target.glob("django_jobsystem-*.whl"))


def test_the_wheel_has_the_package_its_templates_and_static_files_and_nothing_else(
    wheel: Path,
) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"jobs"}
    for needed in (
        "jobs/py.typed",
        "jobs/templates/jobs/login.html",
        "jobs/migrations/0001_initial.py",
    ):
        assert needed in names
    assert any(name.startswith("jobs/static/jobs/") and name.endswith(".css") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_an_installed_wheel_serves_its_pages_and_static_files(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, timeout=100)
    (tmp_path / "settings.py").write_text(PROJECT)
    (tmp_path / "urls.py").write_text(URLS)
    # PYTHONPATH goes before the checkout, which an editable install has put on the path.
    visited = subprocess.run(
        [sys.executable, "-c", VISIT],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{site}:{tmp_path}", "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert visited.returncode == 0, visited.stderr
    assert "visited" in visited.stdout
