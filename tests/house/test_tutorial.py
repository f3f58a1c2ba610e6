"""The tutorial works: a reader who follows its pages, one after the other, has what they show."""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.house.pages import CHECKERS, ROOT, Block, Reader, blocks, links, text_of, without_times

PAGES = [f"docs/tutorial/{path.name}" for path in sorted((ROOT / "docs/tutorial").glob("*.md"))]
STORED = 5  # pages before the first one that stores something: their commands leave nothing to later ones
SERVICE = "python -m ferry.web"  # does not end, so the reader starts it in a terminal of its own
PORT = "8000"
ENVIRONMENT = re.compile(r"python -m venv \.venv|\. \.venv/bin/activate")

every_page = pytest.mark.parametrize("page", PAGES)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
@pytest.mark.parametrize("part", [PAGES[:STORED], PAGES[STORED:]], ids=["in memory", "stored"])
def test_a_reader_who_follows_the_pages_sees_what_they_show(part: list[str], tmp_path: Path) -> None:
    follower = Follower(tmp_path, free_port())
    for page in PAGES[: PAGES.index(part[0])]:
        take_files(follower.reader, page)
    with follower.terminals:
        for page in part:
            for block in blocks(page):
                follower.follow(page, block)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_project_at_the_end(checker: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for page in PAGES:
        take_files(reader, page)
    printed, status = reader.check(checker)
    assert status == 0, printed


def test_the_changes_of_each_page_fit_the_files_of_the_pages_before_it(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for page in PAGES:
        take_files(reader, page)
        for path in tmp_path.rglob("*.py"):
            ast.parse(path.read_text(encoding="utf-8"), filename=f"{page}: {path.name}")


@every_page
def test_every_block_of_a_page_is_followed(page: str) -> None:
    assert {block.language for block in blocks(page)} <= {"python", "toml", "diff", "console"}
    assert [block.line for block in blocks(page) if block.language != "console" and block.file is None] == []
    assert text_of(page).count("```") == 2 * len(blocks(page))


@every_page
def test_what_a_page_installs_is_an_extra_of_the_package(page: str) -> None:
    metadata = text_of("pyproject.toml")
    for extra in re.findall(r"^\$ pip install 'dddkit\[(\w+)\]'", text_of(page), re.MULTILINE):
        assert re.search(rf"^{extra} = \[", metadata, re.MULTILINE), extra


@every_page
def test_a_page_says_what_was_learnt_and_leads_to_the_next_one(page: str) -> None:
    ending = text_of(page).partition("\n## What you have learnt\n")[2]
    assert ending
    following = PAGES[PAGES.index(page) + 1 :]
    assert not following or f"]({Path(following[0]).name})" in ending


@every_page
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    for link in links(page):
        assert (ROOT / page).parent.joinpath(link).exists(), link


class Follower:
    """Does what the pages say, in the order in which they say it, and compares what is printed."""

    def __init__(self, folder: Path, port: int) -> None:
        environment = {
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",  # what is killed writes nothing any more, so nothing may wait to be written
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a reader has none
            "no_proxy": "127.0.0.1",
        }
        self.reader = Reader(folder, environment)
        self._port = port
        self.terminals = ExitStack()

    def follow(self, page: str, block: Block) -> None:
        if block.language != "console":
            take(self.reader, block, {f"port={PORT}": f"port={self._port}"})
            return
        for command, expected in block.commands:
            printed = self._enter(command, expected)
            if printed is not None:
                assert (page, command, as_quoted(printed)) == (page, command, as_quoted(expected))

    def _enter(self, command: str, expected: str) -> str | None:
        if ENVIRONMENT.fullmatch(command) or command.startswith("pip install "):
            return None  # done already, from this repository
        if command == SERVICE:
            self.terminals.enter_context(serving(self.reader.directory, self._port))
            return None
        command = command.replace(f"localhost:{PORT}", f"127.0.0.1:{self._port}")
        until = time.monotonic() + 60
        while True:
            printed, _ = self.reader.enter(f"timeout 60 sh -c {shlex.quote(command)}")
            # The service works in the background: what it has not done yet, it is asked for again.
            if "curl " not in command or printed == expected or time.monotonic() > until:
                return printed
            time.sleep(0.1)


def take_files(reader: Reader, page: str) -> None:
    """Write all files of a page, and make the changes that it shows."""
    for block in blocks(page):
        if block.language != "console":
            take(reader, block)


def take(reader: Reader, block: Block, replaced: dict[str, str] | None = None) -> None:
    """Write the file of a block, or make the changes that it shows."""
    assert block.file is not None, block
    path = reader.directory / block.file
    age = path.stat().st_mtime if path.exists() else 0
    text = changed(path.read_text(encoding="utf-8"), block) if block.language == "diff" else block.text
    for old, new in (replaced or {}).items():
        text = text.replace(old, new)
    reader.take(Block("python", text, block.line))
    if age:  # Python and mypy take a file of the same size and second for unchanged; no reader types that fast
        os.utime(path, (age + 2, age + 2))


def changed(text: str, block: Block) -> str:
    """Return the text of a file after the changes of a block: its parts are apart by lines with @@."""
    lines = block.text.splitlines()[1:]
    for part in _parts(lines):
        old = "".join(f"{line[1:]}\n" for line in part if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in part if not line.startswith("-"))
        assert text.count(old) == 1, f"{block.file} has this {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def _parts(lines: Iterable[str]) -> Generator[list[str]]:
    part: list[str] = []
    for line in lines:
        if line == "@@":
            yield part
            part = []
        else:
            part.append(line)
    yield part


def as_quoted(printed: str) -> str:
    """Leave out what is another each time."""
    printed = re.sub(r" of [\w.-]+, which is not running", " of a worker, which is not running", without_times(printed))
    return re.sub(r"\(version \d+\)", "(version ...)", printed)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int) -> Generator[None]:
    """Start the service of the last page, and end it as Ctrl-C does."""
    command = [sys.executable, *SERVICE.split()[1:]]
    with (
        (folder / "web.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as service,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/metrics")
            yield
        finally:
            service.send_signal(signal.SIGINT)


def wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=10):
                return
        except (URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
