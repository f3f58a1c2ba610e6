"""The kit's locks: taken again by the thread that has one, free in a forked child, gone with their owner."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from weakref import ref

import pytest

from dddkit._locks import new_lock

needs_threads = pytest.mark.skipif(sys.platform == "emscripten", reason="no threads, and so no processes, here")
needs_fork = pytest.mark.skipif(
    sys.platform == "emscripten" or not hasattr(os, "fork"), reason="this system does not fork"
)
# Python warns since there is a thread: what happens then is what is tested.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def child(work: Callable[[], object]) -> int:
    """Run the work in a forked child; return its exit code, which is not 0 where it fails or never ends."""
    pid = os.fork()
    if pid == 0:
        try:
            threading.Timer(10, os._exit, [2]).start()
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def held_by_another_thread(lock: threading.RLock) -> Generator[None]:
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            enough.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def take(lock: threading.RLock) -> None:
    with lock, lock:
        pass


@needs_threads
def test_fr2_the_thread_that_has_a_lock_takes_it_again_and_others_wait() -> None:
    lock = new_lock()
    with lock, lock:
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert results == [False]


@forks
@needs_fork
def test_fr2_fs8_a_lock_held_by_a_thread_is_free_in_the_child() -> None:
    lock, other = new_lock(), new_lock()
    with held_by_another_thread(lock), held_by_another_thread(other):
        assert [child(lambda: take(lock)), child(lambda: take(other))] == [0, 0]
        assert not lock.acquire(blocking=False)


@needs_fork
def test_fr2_fs8_a_thread_that_forks_in_the_locked_region_leaves_it_in_the_child_too() -> None:
    lock = new_lock()

    def leave_and_take() -> None:
        lock.release()
        thread = threading.Thread(target=take, args=[lock])
        thread.start()
        thread.join()

    with lock:
        assert child(leave_and_take) == 0


def test_fs8_a_lock_dies_with_its_owner() -> None:
    lock = new_lock()
    dead = ref(lock)
    del lock
    assert dead() is None
