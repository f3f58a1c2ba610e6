"""The lock file: one owner on the machine, across objects, threads, processes, forks and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import ref

import pytest

from dddkit._file_lock import FileLock

# Python warns where threads are running: what happens then is what is tested.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
needs_processes = pytest.mark.skipif(
    sys.platform == "emscripten" or not hasattr(os, "fork"), reason="this system does not fork"
)
needs_locked_files = pytest.mark.skipif(sys.platform == "emscripten", reason="a lock of a file holds nobody off here")
needs_threads = pytest.mark.skipif(sys.platform == "emscripten", reason="no threads here")

HOLDER = """
import sys
from dddkit._file_lock import FileLock
lock = FileLock(sys.argv[1])
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@contextmanager
def process(path: Path) -> Generator[subprocess.Popen[str]]:
    """Run a process that has taken the lock, or tried to; the first line that it prints says which."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def said(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


@needs_locked_files
def test_one_of_two_objects_of_a_process_has_the_lock(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert (first.held, second.acquire(), second.held) == (True, False, False)
    first.release()
    assert second.acquire()
    second.release()


def test_an_object_that_has_the_lock_does_not_get_it_again(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as lock:
        assert lock.acquire()
        assert not lock.acquire()
        assert lock.held


@needs_locked_files
def test_releasing_what_is_not_held_does_nothing(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert other.acquire()
    lock.release()
    assert (other.held, lock.acquire()) == (True, False)
    other.release()


def test_a_block_releases_the_lock_after_an_exception(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with suppress(ZeroDivisionError), lock:
        assert lock.acquire()
        raise ZeroDivisionError
    assert not lock.held
    with FileLock(tmp_path / "lock") as other:
        assert other.acquire()


def test_the_file_stays(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as lock:
        assert lock.acquire()
        inode = (tmp_path / "lock").stat().st_ino
    assert (tmp_path / "lock").stat().st_ino == inode


def test_a_path_is_taken_from_the_folder_that_was_current_when_the_lock_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    lock = FileLock("lock")
    monkeypatch.chdir(tmp_path / "other")
    with lock:
        assert lock.acquire()
    assert (tmp_path / "lock").exists()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing" / "lock").acquire()


@needs_threads
def test_one_of_many_threads_gets_the_lock(tmp_path: Path) -> None:
    locks = [FileLock(tmp_path / "lock") for _ in range(4)]
    start, got = threading.Barrier(16), list[bool]()

    def race(lock: FileLock) -> None:
        start.wait()
        got.append(lock.acquire())

    threads = [threading.Thread(target=race, args=(lock,)) for lock in locks * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 15 + [True]
    for lock in locks:
        lock.release()


@needs_processes
def test_another_process_gets_the_lock_when_its_owner_is_killed(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with process(tmp_path / "lock") as owner:
        assert said(owner) == "True"
        assert not lock.acquire()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert lock.acquire()
    with process(tmp_path / "lock") as late:
        assert said(late) == "False"
    lock.release()


@needs_processes
@forks
def test_a_forked_child_does_not_have_the_lock(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.acquire()
    pid = os.fork()
    if pid == 0:
        try:
            right = not lock.held and not lock.acquire() and not other.acquire()
            lock.release()  # the parent's is not touched
            os._exit(0 if right and not other.acquire() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert lock.held
    assert not other.acquire()
    lock.release()


@needs_processes
@forks
def test_a_child_that_outlives_the_owner_does_not_have_its_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from dddkit._file_lock import FileLock\n"
        "lock = FileLock(sys.argv[1])\n"
        "assert lock.acquire()\n"
        "if os.fork() == 0:\n"
        "    print('forked', flush=True)\n"
        "    sys.stdin.read()\n"  # as long as the test holds the pipe
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert said(owner) == "forked"
        owner.wait()
        with FileLock(tmp_path / "lock") as lock:
            assert lock.acquire()


@needs_threads
@needs_processes
def test_a_fork_in_the_middle_of_acquiring_leaves_no_lock_in_the_child(tmp_path: Path) -> None:
    program = (
        "import fcntl, os, sys, threading, time\n"
        "from dddkit._file_lock import FileLock\n"
        "flock = fcntl.flock\n"
        "fcntl.flock = lambda *args: (flock(*args), time.sleep(0.001))\n"  # a slow one, so that forks hit it
        "lock = FileLock(sys.argv[1])\n"
        "def work():\n"
        "    while lock.acquire():\n"
        "        lock.release()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "for _ in range(40):\n"
        "    time.sleep(0.0007)\n"
        "    if os.fork() == 0:\n"
        "        sys.stdin.read()\n"  # as long as the test holds the pipe
        "        os._exit(0)\n"
        "print('forked', flush=True)\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert said(owner) == "forked"
        owner.wait()
        deadline = time.monotonic() + 10
        with FileLock(tmp_path / "lock") as lock:
            while not lock.acquire():  # a child has to run before it has closed what it got
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_a_lock_that_nobody_refers_to_is_released(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    gone = ref(lock)
    with pytest.warns(ResourceWarning):
        del lock
    assert gone() is None
    with FileLock(tmp_path / "lock") as other:
        assert other.acquire()


@needs_locked_files
def test_a_file_that_goes_with_its_lock_is_locked_by_one_at_a_time(tmp_path: Path) -> None:
    owners, most, taken = [0], [0], [0]

    def take_and_remove() -> None:
        left = 100
        while left:
            lock = FileLock(tmp_path / "lock")
            if lock.acquire():
                left -= 1
                owners[0] += 1
                most[0] = max(most[0], owners[0])
                taken[0] += 1
                time.sleep(0)
                owners[0] -= 1
                lock.release(remove=True)

    threads = [threading.Thread(target=take_and_remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert taken == [400]
    assert not (tmp_path / "lock").exists()


@needs_processes
def test_who_has_opened_a_file_before_its_owner_removed_it_does_not_lock_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, waiting = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert owner.acquire()
    opened = os.open

    def open_then_remove(path: str, flags: int, mode: int = 0o777) -> int:
        found = opened(path, flags, mode)
        owner.release(remove=True)
        return found

    monkeypatch.setattr(os, "open", open_then_remove)
    assert waiting.acquire()
    monkeypatch.undo()
    assert waiting.is_current()
    with FileLock(tmp_path / "lock") as other:
        assert not other.acquire()
    os.remove(tmp_path / "lock")
    assert (waiting.held, waiting.is_current()) == (True, False)
    waiting.release()
