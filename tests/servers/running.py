"""A server while tests use it: one that all tests share, or one of a single test, which it may stop and kill."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.servers.programs import PROGRAMS

__all__ = ["OwnServer", "own_server", "shared_server"]

ROOT: Final = Path(__file__).parents[2]

Program = Literal["postgresql", "nats", "rabbitmq", "kafka", "redis"]


class OwnServer:
    """A server with one user, who may end it and start it again, with the same data at the same address."""

    def __init__(self, folder: Path, guard: subprocess.Popen[str]) -> None:
        self.home = folder / "server"
        self._folder = folder
        self._guard = guard
        self._await_ready()

    def stop(self) -> None:
        """End it as an administrator does."""
        self._ask("stop")

    def kill(self) -> None:
        """End it with -9."""
        self._ask("kill")

    def start(self) -> None:
        """Start it again; return when it answers."""
        self._ask("start")

    def port(self, name: Program) -> int:
        """Return where it listens, if not at a socket in its home."""
        return int((self.home / f"{name}.port").read_text())

    def _ask(self, what: str) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{what}\n")
        self._guard.stdin.flush()
        self._await_ready()

    def _await_ready(self) -> None:
        _await_ready(self._guard)


@contextmanager
def own_server(program: Program) -> Generator[OwnServer]:
    """Run a server for this block; it ends with this process too, however that ends. Skip where it is not installed."""
    _skip_if_missing(program)
    folder, guard = _guarded(program, "own")
    try:
        yield OwnServer(folder, guard)
    finally:
        guard.communicate(timeout=60)  # nothing more to ask for


def shared_server(program: Program, shared: Path) -> Path:
    """Return the home of a server that all workers of this run of the tests use; skip where it is not installed.

    Args:
        program: which one.
        shared: a folder that the workers share.
    """
    _skip_if_missing(program)
    home = _shared_home(program, shared)
    if isinstance(home, str):
        raise RuntimeError(home)
    return home


@cache
def _shared_home(program: Program, shared: Path) -> Path | str:
    """Return what is wrong, if it does not start: hundreds of tests would each wait a minute for it."""
    with (shared / program).open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)  # one of the workers starts it
        note.seek(0)
        folder = Path(note.read() or os.devnull)
        if not _use(folder):
            folder, guard = _guarded(program, "shared")
            try:
                _await_ready(guard)
            except RuntimeError as error:
                return str(error)
            note.truncate(0)
            note.write(str(folder))
    return folder / "server"


_KEPT: Final[list[object]] = []
"""What must not be collected before this process ends: the guards, and the locks of their users."""


def _skip_if_missing(program: Program) -> None:
    if reason := PROGRAMS[program].missing():
        pytest.skip(reason)


def _guarded(program: Program, use: Literal["shared", "own"]) -> tuple[Path, subprocess.Popen[str]]:
    folder = Path(tempfile.mkdtemp(prefix="dddkit-tests-"))
    (folder / "users").touch()
    if use == "shared":
        _use(folder)
    command = [sys.executable, "-m", "tests.servers.guard", program, str(folder), use]
    guard = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    _KEPT.append(guard)
    return folder, guard


def _await_ready(guard: subprocess.Popen[str]) -> None:
    said = guard.stdout.readline() if guard.stdout else ""
    if said != "ready\n":
        raise RuntimeError(f"the server does not start: {said}{guard.communicate()[0]}")


def _use(folder: Path) -> bool:
    """Keep the server of this folder running until this process ends; return whether it runs."""
    try:
        users = (folder / "users").open()
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # there is none, or it is being stopped
        return False
    _KEPT.append(users)
    return (folder / "users").exists()
