"""Every code block of the README works as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.pages import ROOT, Block, Reader, blocks, links, text_of

PAGE = "README.md"
BLOCKS = blocks(PAGE)


def test_the_python_blocks_print_what_the_blocks_after_them_say(tmp_path: Path) -> None:
    # All blocks form one program. It runs in a new process, because it injects hooks and configures logging.
    mark = "#-- end of block --#"
    program, expected = "", list[str]()
    for block, following in zip(BLOCKS, [*BLOCKS[1:], Block("", "", 0)], strict=True):
        if block.language == "python" and block.file is None:
            program += "\n" * (block.line - program.count("\n")) + block.text + f"print({mark!r})\n"
            expected.append(following.text if following.language == "text" else "")
    path = tmp_path / "readme.py"
    path.write_text(program, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", str(path)], capture_output=True, encoding="utf-8", check=False
    )
    assert run.stderr == ""
    shown = [re.sub(r"\A\n", "", part) for part in run.stdout.split(mark)]
    assert [shorten(part) for part in shown[:-1]] == expected


def shorten(printed: str) -> str:
    return re.sub(r"(?<=\(most recent call last\):\n)(  .*\n)+", "  ...\n", printed)


def test_mypy_says_what_the_readme_quotes(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    index = next(i for i, block in enumerate(BLOCKS) if block.file)
    for block in BLOCKS:
        if block.language == "toml":
            reader.take(block)
    reader.take(BLOCKS[index])
    ((command, expected),) = BLOCKS[index + 1].commands
    assert command == f"mypy {BLOCKS[index].file}"
    assert reader.enter(command) == (expected, 1)


def test_what_mypy_reports_there_is_refused_at_run_time_as_well(tmp_path: Path) -> None:
    (source,) = (block for block in BLOCKS if block.file)
    path = tmp_path / "signup.py"
    path.write_text(source.text, encoding="utf-8")
    run = subprocess.run([sys.executable, str(path)], capture_output=True, encoding="utf-8", check=False)
    assert 'StoryDefinitionError: SignUp: I.chek_address names no step; did you mean "check_address"?' in run.stderr


def test_every_command_of_the_readme_exists() -> None:
    makefile, metadata = text_of("Makefile"), text_of("pyproject.toml")
    for block in BLOCKS:
        for entered, _ in block.commands if block.language == "console" else ():
            command = re.sub(r" +#.*", "", entered)
            if target := re.fullmatch(r"make ([\w-]+)", command):
                assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), command
            elif extra := re.fullmatch(r"pip install (?:dddkit|'dddkit\[(\w+)\]')", command):
                assert extra[1] is None or re.search(rf"^{extra[1]} = \[", metadata, re.MULTILINE), command
            else:
                assert command.startswith("mypy "), command


def test_no_block_is_left_out_of_these_tests() -> None:
    assert {block.language for block in BLOCKS} == {"python", "text", "toml", "console"}
    assert text_of(PAGE).count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_readme_names_is_there(link: str) -> None:
    assert (ROOT / link).exists()
