"""`dddkit check`: what it finds, in which project, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import mypy.version
import pytest

from tests.cli.running import Run, run

STEP = 'src/shop/checkout.py:6:5: error: Checkout: I.chrge names no step; did you mean "charge"?  [dddkit-unknown-step]'
CALL = 'scripts/day/main.py:9:5: error: Value of type "Coroutine[Any, Any, None]" must be used  [unused-coroutine]'
HINT = "scripts/day/main.py:9:5: note: Are you missing an await?"


def codes_of(ran: Run) -> list[str]:
    assert ran.err == ""
    found: list[dict[str, Any]] = json.loads(ran.out)
    return [diagnostic["code"] for diagnostic in found]


def test_it_reports_rules_and_stories_that_nobody_awaits_and_nothing_else_of_mypy(project: Path) -> None:
    printed = f"{CALL}\n{HINT}\n{STEP}\nFound 2 problems in 2 files (checked 3 files)\n"
    assert run("check", folder=project) == Run(1, printed, "")


@pytest.mark.slow
def test_a_warm_run_says_the_same_as_a_cold_one(project: Path) -> None:
    assert run("check", folder=project) == run("check", "--no-cache", folder=project)


def test_where_nothing_is_found_it_ends_with_0(project: Path) -> None:
    (project / "fine.py").write_text("import shop\n")
    assert run("check", "fine.py", folder=project) == Run(0, "Nothing found in 1 file\n", "")


def test_from_a_subfolder_it_checks_that_and_finds_the_modules_of_the_project(project: Path) -> None:
    ran = run("check", folder=project / "scripts" / "day")
    shown = f"{CALL}\n{HINT}\n../../{STEP}\n".replace("scripts/day/", "")
    assert ran == Run(1, f"{shown}Found 2 problems in 2 files (checked 1 file)\n", "")


def test_paths_are_those_of_the_folder_it_is_called_in(project: Path) -> None:
    ran = run("check", "../src", folder=project / "scripts")
    assert ran.out == f"../{STEP}\nFound 1 problem in 1 file (checked 1 file)\n"


def test_the_python_of_the_project_is_a_path_of_the_folder_it_is_called_in(project: Path) -> None:
    python = os.path.relpath(sys.executable, project / "scripts")
    ran = run("check", "../src", "--python", python, folder=project / "scripts")
    assert ran == Run(1, f"../{STEP}\nFound 1 problem in 1 file (checked 1 file)\n", "")


def test_the_cache_is_beside_the_configuration_and_not_for_version_control(project: Path) -> None:
    run("check", folder=project / "scripts")
    assert [path.parent for path in project.rglob(".dddkit_cache")] == [project]
    assert "*" in (project / ".dddkit_cache" / ".gitignore").read_text().splitlines()


@pytest.mark.slow
def test_without_a_cache_none_is_written(tmp_path: Path) -> None:
    (tmp_path / "empty.py").touch()
    assert run("check", "--no-cache", folder=tmp_path).code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"empty.py"}


@pytest.mark.parametrize("folder", ["build/lib/shop", "made"], ids=["built", "ignored by git"])
def test_what_was_made_of_the_source_is_not_checked_again(folder: str, project: Path) -> None:
    (project / ".gitignore").write_text("/made/\n")
    (project / folder).mkdir(parents=True)
    (project / folder / "broken.py").write_text("def (\n")
    assert run("check", folder=project).out.endswith(" (checked 3 files)\n")


# --- the configuration of mypy --------------------------------------------------------------------------------------

INI = "[mypy]\nmypy_path = src\nexplicit_package_bases = True\ndisable_error_code = dddkit-unknown-step\n"
TOML = """
[tool.mypy]
mypy_path = "src"
explicit_package_bases = true
disable_error_code = ["dddkit-unknown-step"]
"""


@pytest.mark.parametrize(
    ("name", "text"), [("mypy.ini", INI), (".mypy.ini", INI), ("setup.cfg", INI), ("pyproject.toml", TOML)]
)
@pytest.mark.parametrize("folder", [".", "scripts"], ids=["here", "above"])
@pytest.mark.slow
def test_a_configuration_holds(name: str, text: str, folder: str, project: Path) -> None:
    (project / name).write_text(text)
    assert codes_of(run("check", "--format", "json", folder=project / folder)) == ["unused-coroutine"]


@pytest.mark.parametrize("plugin", ["dddkit_mypy", "dddkit_mypy:plugin", "pydantic.mypy, dddkit_mypy"])
@pytest.mark.slow
def test_a_plugin_that_is_configured_already_reports_once(plugin: str, project: Path) -> None:
    (project / "mypy.ini").write_text(INI.replace("disable_error_code", "enable_error_code") + f"plugins = {plugin}\n")
    codes = codes_of(run("check", "--format", "json", folder=project))
    assert codes == ["unused-coroutine", "dddkit-unknown-step"]


@pytest.mark.slow
def test_without_paths_it_checks_the_files_that_the_configuration_names(project: Path) -> None:
    (project / "mypy.ini").write_text(INI + "files = scripts/night\n")
    assert run("check", folder=project).out == "Nothing found in 1 file\n"


@pytest.mark.slow
def test_an_opt_in_rule_can_be_enabled(project: Path) -> None:
    story = (project / "src" / "shop" / "checkout.py").read_text().replace("    I.chrge\n", "")
    (project / "refund.py").write_text(story)
    codes = codes_of(run("check", "refund.py", "--format", "json", "--enable", "dddkit-unlisted-step", folder=project))
    assert codes == ["dddkit-unlisted-step"]


@pytest.mark.slow
def test_bodies_without_annotations_are_checked_where_nothing_is_configured(project: Path) -> None:
    (project / "untyped.py").write_text(
        "from shop.checkout import Checkout\n\nasync def main():\n    Checkout()(Checkout.State(order_id=1))\n"
    )
    assert codes_of(run("check", "untyped.py", "--format", "json", folder=project))[-1] == "unused-coroutine"


@pytest.mark.slow
def test_a_call_of_run_until_that_nobody_awaits_is_reported(project: Path) -> None:
    (project / "test_it.py").write_text(
        "from dddkit.testing import run_until\nfrom shop.checkout import Checkout\n\n"
        'run_until(Checkout(), Checkout.State(order_id=1), "charge")\n'
    )
    assert "test_it.py:4:1: error: " in run("check", "test_it.py", folder=project).out


# --- what it cannot do ----------------------------------------------------------------------------------------------


def refused(*arguments: str, folder: Path) -> str:
    ran = run("check", *arguments, folder=folder)
    assert (ran.code, ran.out) == (2, "")
    return ran.err.removeprefix("dddkit: ").removesuffix("\n")


def test_a_path_that_does_not_exist_is_named(project: Path) -> None:
    assert refused("src", "srx", folder=project) == "srx does not exist"


def test_a_program_that_is_no_python_is_named(project: Path) -> None:
    program = project / "python"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    said = f"{program} does not say where its packages are; name a Python with --python"
    assert refused("--python", "./python", folder=project) == said


def test_a_folder_without_python_is_named(project: Path) -> None:
    (project / "notes").mkdir()
    assert refused("notes", folder=project) == "There are no .py[i] files in directory 'notes'"


def test_a_syntax_error_is_shown_with_its_place(project: Path) -> None:
    (project / "broken.py").write_text("def charge(:\n    ...\n")
    first = refused(folder=project).splitlines()[:2]
    assert first[0] == "mypy cannot check the code:"
    assert first[1].startswith("  broken.py:1: ")


@pytest.mark.slow
def test_a_module_that_is_there_twice_is_shown_with_both_places(project: Path) -> None:
    (project / "mypy.ini").write_text("[mypy]\nmypy_path = src\n")
    text = refused("scripts", folder=project)
    assert "scripts/night/main.py" in text
    assert "scripts/day/main.py" in text


def test_a_plugin_that_is_missing_is_named_with_the_configuration(project: Path) -> None:
    (project / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy, no_such_plugin\n")
    text = refused(folder=project)
    assert text == (
        'mypy cannot check the code:\n  mypy.ini:2: Error importing plugin "no_such_plugin": '
        "No module named 'no_such_plugin'"
    )


def test_a_configuration_that_cannot_be_read_is_no_missing_one(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.mypy\n")
    assert refused(folder=project).startswith("mypy cannot read its configuration: pyproject.toml: ")


@pytest.mark.slow
def test_an_option_that_mypy_does_not_know_is_said_and_the_rest_is_checked(project: Path) -> None:
    (project / "mypy.ini").write_text(INI + "no_such_option = 1\n")
    ran = run("check", folder=project)
    assert ran.code == 1
    assert ran.err == "dddkit: mypy.ini: [mypy]: Unrecognized option: no_such_option = 1\n"


def test_a_rule_that_does_not_exist_is_named_with_the_nearest(project: Path) -> None:
    text = refused("--enable", "dddkit-unlisted-steps", folder=project)
    assert text == "there is no rule dddkit-unlisted-steps; did you mean dddkit-unlisted-step?"


@pytest.mark.slow
def test_the_code_of_all_rules_enables_none_and_says_so(project: Path) -> None:
    text = refused("--enable", "dddkit", folder=project)
    assert text.startswith("dddkit switches no rule on; name each of the opt-in rules: dddkit-repeated-step, ")


def test_code_that_imports_a_kit_which_mypy_does_not_see_is_not_clean(project: Path) -> None:
    (project / "mypy.ini").write_text(f"{INI}\n[mypy-dddkit.*]\nfollow_imports = skip\n")
    assert refused(folder=project).startswith(f"mypy does not find dddkit.stories for {sys.executable}; ")


def test_without_mypy_it_says_how_to_install_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mypy", None)
    assert "pip install 'dddkit[mypy]'" in refused(folder=project)


def test_a_mypy_that_is_too_old_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mypy.version, "__version__", "1.18.2")
    assert refused(folder=project).startswith("mypy 1.18.2 is too old, mypy 1.19 or newer is needed: pip install ")


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_extra_the_command_says_how_to_install_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    ran = run("check", folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'dddkit[cli]'" in ran.err


@pytest.mark.parametrize("command", ["check", "draw"])
def test_a_command_that_needs_both_extras_names_both_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.setitem(sys.modules, "mypy", None)
    ran = run(command, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(": pip install 'dddkit[cli,mypy]', or: pip install typer mypy\n")
