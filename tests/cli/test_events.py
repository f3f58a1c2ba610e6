"""`dddkit events`: locking, checking and listing the events of a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from tests.cli.running import Run, run

MESSAGES: Final = """\
from dataclasses import dataclass

from dddkit.dataclasses import DomainEvent
from dddkit.messages import EventCatalog


@dataclass(frozen=True, kw_only=True)
class Placed(DomainEvent):
    total: int


@dataclass(frozen=True, kw_only=True)
class Cancelled(DomainEvent):
    reason: str


catalog = EventCatalog("/shop")
catalog.add(Placed, "order.placed")
catalog.add(Cancelled, "order.cancelled")
"""


@pytest.fixture
def module() -> str:
    """The name of a module, of its own for each test: Python keeps what it has imported."""
    return f"messages_{uuid4().hex}"


@pytest.fixture
def project(tmp_path: Path, module: str) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / f"{module}.py").write_text(MESSAGES)
    return tmp_path


def edit(project: Path, module: str, old: str, new: str) -> str:
    """Change the events, in a module with another name; return that."""
    path = project / "src" / f"{module}.py"
    changed = path.with_name(f"{module}_changed.py")
    changed.write_text(path.read_text().replace(old, new))
    return changed.stem


def test_what_is_locked_is_satisfied(project: Path, module: str) -> None:
    locked = run("events", "lock", f"{module}:catalog", folder=project)
    assert locked == Run(0, "", f"dddkit: events.lock.json holds the events of {module}:catalog; commit it\n")
    assert run("events", "check", f"{module}:catalog", folder=project) == Run(0, "", "")


def test_a_change_is_found_and_one_that_breaks_is_not_locked(project: Path, module: str) -> None:
    run("events", "lock", module, folder=project)
    changed = edit(project, module, "total: int", "total: str")
    checked = run("events", "check", changed, folder=project)
    assert checked.code == 1
    assert "order.placed.v1: data.total " in checked.out
    before = (project / "events.lock.json").read_text()
    assert run("events", "lock", changed, folder=project) == checked
    assert (project / "events.lock.json").read_text() == before


def test_what_is_not_locked_yet_is_said_with_the_command(project: Path, module: str) -> None:
    ran = run("events", "check", f"{module}:catalog", "--file", "shop.lock.json", folder=project)
    command = f"dddkit events lock {module}:catalog --file shop.lock.json"
    assert ran == Run(1, f"shop.lock.json does not exist; run {command}, and commit the file\n", "")


def test_the_events_are_listed_by_name(project: Path, module: str) -> None:
    ran = run("events", "list", module, folder=project / "src" / "shop")
    assert ran == Run(0, f"order.cancelled.v1  {module}.Cancelled\norder.placed.v1     {module}.Placed\n", "")


def refused(place: str, folder: Path, *arguments: str) -> str:
    ran = run("events", "check", place, *arguments, folder=folder)
    assert (ran.code, ran.out) == (2, "")
    return ran.err.removeprefix("dddkit: ").removesuffix("\n")


def test_a_module_that_does_not_exist_is_named_with_the_project(project: Path) -> None:
    said = refused("no_such_shop.messages:catalog", project / "src" / "shop")
    assert said == f"there is no module no_such_shop in {project} or in this environment"


def test_a_name_that_does_not_exist_is_named_with_the_nearest(project: Path, module: str) -> None:
    assert refused(f"{module}:catlog", project) == f"{module} has no catlog; did you mean catalog?"


def test_what_is_no_catalog_is_named(project: Path, module: str) -> None:
    assert refused(f"{module}:Placed", project) == f"{module}:Placed is no EventCatalog, but the class Placed"


def test_a_module_with_several_catalogs_needs_a_name(project: Path, module: str) -> None:
    several = edit(
        project, module, 'catalog = EventCatalog("/shop")', 'catalog = EventCatalog("/shop")\nother = catalog'
    )
    assert refused(several, project) == f"{several} has several EventCatalogs; write {several}:catalog"


def test_what_is_no_module_is_named_with_an_example(tmp_path: Path) -> None:
    said = refused("src/messages.py", tmp_path)
    assert said == "src/messages.py is no module; write it as in shop.messages:catalog"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise RuntimeError('no database')", "RuntimeError: no database"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit", "SystemExit"),
    ],
    ids=["an error", "a missing package", "an exit"],
)
def test_a_module_that_fails_while_it_is_imported_is_shown_with_the_line(
    line: str, error: str, project: Path, module: str
) -> None:
    failing = edit(project, module, "catalog = EventCatalog", f"{line}\ncatalog = EventCatalog")
    path = project / "src" / f"{failing}.py"
    assert refused(failing, project) == f"{failing} fails while it is imported ({path}, line 17): {error}"


def test_a_module_with_a_syntax_error_is_shown_with_the_line(project: Path, module: str) -> None:
    failing = edit(project, module, "total: int", "total: (")
    said = refused(failing, project)
    assert said.startswith(f"{failing} fails while it is imported: SyntaxError: ")
    assert said.endswith(f"({failing}.py, line 9)")


def test_a_lock_file_that_cannot_be_read_is_named(project: Path, module: str) -> None:
    (project / "events.lock.json").write_text("{")
    assert refused(module, project).startswith("events.lock.json is no JSON (line 1); ")


def test_after_a_merge_the_command_to_run_is_named_and_no_function(project: Path, module: str) -> None:
    (project / "events.lock.json").write_text("<<<<<<< HEAD\n")
    said = refused(module, project)
    assert said.endswith(f"take one side of the merge conflict, and run dddkit events lock {module}")
