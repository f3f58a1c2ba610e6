"""The code blocks of a page, and a reader that follows its instructions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

CHECKERS = ("mypy", "pyright")

# What makes a tool print otherwise than a reader sees it: that it runs in CI, the width of a terminal, colours.
NOT_A_READERS = ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "COLUMNS", "FORCE_COLOR", "MYPY_FORCE_COLOR", "PY_COLORS")


class Block(NamedTuple):
    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file name, if the block is a whole file: its first line is a comment with the name."""
        named = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return named[1] if named else None

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """The commands of a console block, each with its expected output."""
        for entered in re.findall(r"^\$ .*\n(?:(?!\$ ).*\n)*", self.text, re.MULTILINE):
            command, _, printed = entered.removeprefix("$ ").partition("\n")
            yield command, printed


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text = text_of(page)
    return [
        Block(match[1], match[2], text[: match.start()].count("\n") + 1)
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def chapters(page: str) -> dict[str, list[Block]]:
    """Return the blocks by the title of their chapter."""
    titles = [
        (line, title.removeprefix("## "))
        for line, title in enumerate(text_of(page).splitlines(), 1)
        if title.startswith("## ")
    ]
    found: dict[str, list[Block]] = {}
    for block in blocks(page):
        title = next((title for line, title in reversed(titles) if line < block.line), "")
        found.setdefault(title, []).append(block)
    return found


def links(page: str) -> set[str]:
    """Return the files that a page links to; code has calls that look like links."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\]\(([^)h#][^)#]*)(?:#[^)]*)?\)", prose))


def without_times(printed: str) -> str:
    """Leave out how long tests have taken, as pytest says it."""
    return re.sub(r" in \d+\.\d+s", "", printed)


class Reader:
    """Writes the files of a page to a directory and runs its commands there."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._environment = environment or {}
        self._tables: dict[str, str] = {}

    def take(self, block: Block) -> None:
        """Write the file, or add the tables of a TOML block to pyproject.toml; tables of the same name are replaced."""
        if block.file is not None:
            path = self.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        else:
            assert block.language == "toml", block
            self.configure(block.text)

    def take_files(self, page: str) -> None:
        """Write all Python files of a page; of one that a later chapter changes, the last."""
        for block in blocks(page):
            if block.language == "python":
                self.take(block)

    def configure(self, toml: str) -> None:
        self._tables |= {table.partition("\n")[0]: table for table in re.split(r"^(?=\[)", toml, flags=re.MULTILINE)}
        (self.directory / "pyproject.toml").write_text("\n".join(self._tables.values()), encoding="utf-8")

    def enter(self, command: str) -> tuple[str, int]:
        """Run a command with the programs of this environment and without network access.

        Returns:
            Its output and its exit status.
        """
        away = "http://127.0.0.1:9"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_A_READERS},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PRE_COMMIT_HOME": str(self.directory.with_name(f"{self.directory.name}-hooks")),
            "PYTHONUTF8": "1",
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), away),
            **self._environment,
        }
        run = subprocess.run(
            command,
            shell=True,
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return run.stdout, run.returncode

    def check(self, checker: str) -> tuple[str, int]:
        """Have one of the CHECKERS look at the files as strictly as it can, mypy with the plugin; return as `enter`."""
        if checker == "mypy":
            (self.directory / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\n", encoding="utf-8")
            return self.enter("mypy --strict --config-file mypy.ini .")
        configuration = '{"include": ["."], "typeCheckingMode": "strict"}'
        (self.directory / "strict.json").write_text(configuration, encoding="utf-8")
        return self.enter(f"pyright -p strict.json --pythonpath '{sys.executable}'")
