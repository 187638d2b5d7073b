"""What the remains of a worker are found by, whatever they have left behind."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from jobs.worker.processes import LINUX, birth_mark, children, is_gone, is_zombie
from jobs.worker.remains import Owner, end_orphans, end_remains, put_mark

from ..waiting import wait_until

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not LINUX, reason="marks are limits that only Linux has"),
]
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="namespaces of processes want root, and util-linux",
)

CARRIES = """
import sys
from jobs.worker.remains import put_mark
assert put_mark(int(sys.argv[1]))
print(flush=True)
sys.stdin.read()
"""
LEAVES_A_DAEMON = """
import os, sys
from jobs.worker.remains import put_mark
assert put_mark(int(sys.argv[1]))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.closerange(0, 64)
        os.execve("/bin/sleep", ["sleep", "60"], {})
    os._exit(0)
os.wait()
"""
CONTAINS = """
import os, sys
from jobs.worker.remains import put_mark
assert put_mark(int(sys.argv[1]))
os.execvp("unshare", ["unshare", "--pid", "--fork", "sh", "-c", "echo; exec cat"])
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes that are gone, with all of their own, when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.communicate()


def python(start: Start, program: str, supervisor: int) -> tuple[subprocess.Popen[str], str]:
    """Run a program that marks itself as the supervisor's; returns it, and its first line."""
    process = start(sys.executable, "-c", program, str(supervisor))
    assert process.stdout is not None
    return process, process.stdout.readline()


def supervisor_of(process: subprocess.Popen[str]) -> Owner:
    birth = birth_mark(process.pid)
    assert birth is not None
    return Owner(process.pid, birth)


@pytest.fixture
def supervisor(start: Start) -> subprocess.Popen[str]:
    return start("cat")


def test_who_carries_the_mark_of_a_supervisor_is_ended(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CARRIES, supervisor.pid)
    assert end_remains(supervisor_of(supervisor))
    assert carrier.wait() == -9
    assert supervisor.poll() is None


def test_a_daemon_that_has_closed_and_emptied_everything_is_ended(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    process, line = python(start, LEAVES_A_DAEMON, supervisor.pid)
    process.wait()
    mark = birth_mark(int(line))
    assert mark is not None
    assert end_remains(supervisor_of(supervisor))
    assert is_gone(int(line), mark)


def test_another_life_of_the_same_pid_has_another_mark(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CARRIES, supervisor.pid)
    pid, birth = supervisor_of(supervisor)
    assert end_remains(Owner(pid, birth + 1))
    assert carrier.poll() is None


def test_a_mark_names_its_supervisor() -> None:
    for supervisor in (Owner(1, 0.0), Owner(2**22 - 1, 2.0**40 - 1)):
        assert Owner.of_mark(supervisor.mark()) == supervisor


def test_what_supervisors_that_are_gone_have_left_is_ended(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CARRIES, supervisor.pid)
    supervisor.kill()  # Not waited for: one that is a zombie counts as gone.
    wait_until(lambda: is_gone(*supervisor_of(supervisor)))
    end_orphans()  # Or somebody else's worker on this machine has been quicker.
    assert carrier.wait() == -9


def test_what_has_ended_already_is_not_ended_again(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CARRIES, supervisor.pid)
    supervisor.kill()
    carrier.kill()
    wait_until(lambda: is_zombie(carrier.pid) and is_zombie(supervisor.pid))
    assert carrier.pid not in end_orphans()


def test_what_belongs_to_a_supervisor_that_lives_is_no_orphan(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CARRIES, supervisor.pid)
    end_orphans()
    assert carrier.poll() is None


@needs_namespaces
def test_what_a_job_has_put_into_a_container_is_ended_with_it(
    start: Start, supervisor: subprocess.Popen[str]
) -> None:
    carrier, _ = python(start, CONTAINS, supervisor.pid)
    (inner,) = children(carrier.pid)
    mark = birth_mark(inner)
    assert mark is not None
    assert end_remains(supervisor_of(supervisor))
    assert is_gone(inner, mark)


@needs_namespaces
def test_a_mark_from_inside_a_container_means_nothing_outside(start: Start) -> None:
    """Its supervisor's pid is another process's here, or nobody's."""
    inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    container = start(*inside, sys.executable, "-c", CARRIES, "1")
    assert container.stdout is not None
    container.stdout.readline()
    end_orphans()
    assert container.poll() is None


def test_a_limit_that_somebody_means_is_left_alone() -> None:
    program = (
        "import os, resource as r; from jobs.worker.remains import put_mark\n"
        "r.setrlimit(r.RLIMIT_RTTIME, (1000, r.RLIM_INFINITY))\n"
        "print(put_mark(os.getppid()), r.getrlimit(r.RLIMIT_RTTIME)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "False 1000\n", ran.stderr


def test_a_supervisor_that_is_gone_leaves_no_mark() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not put_mark(gone.pid)
    assert resource.getrlimit(resource.RLIMIT_RTTIME)[0] == resource.RLIM_INFINITY


def test_a_process_whose_parent_does_not_ask_for_its_end_is_gone() -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    mark = birth_mark(process.pid)
    assert mark is not None
    assert not is_gone(process.pid, mark)
    process.kill()
    wait_until(lambda: is_gone(process.pid, mark), message="a zombie counts as gone")
    process.communicate()
