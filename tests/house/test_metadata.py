"""The project's metadata is the same in every file that repeats it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.house.pages import blocks, links, text_of

ROOT = Path(__file__).parents[2]


def test_both_packages_have_the_version_of_the_distribution() -> None:
    import dddkit
    import dddkit_mypy

    assert dddkit.__version__ == dddkit_mypy.__version__ == version("dddkit")


def test_constraints_pin_every_development_tool() -> None:
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    groups = metadata[metadata.index("[dependency-groups]") :].partition("\n\n")[0]
    tools = set(re.findall(r'"([\w-]+)(?:\[[\w,-]+\])?"', groups)) - {"test", "lint", "checkers"}
    pinned = re.findall(
        r"^([\w-]+)==[\w.]+(?:;|$)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {tool.lower() for tool in tools} <= {name.lower() for name in pinned}


REPOSITORY = "https://github.com/mom1/dddkit"
SITE = "https://mom1.github.io/dddkit"


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml", "Makefile", ".pre-commit-config.yaml"])
def test_the_only_addresses_in_a_configuration_are_the_repository_and_the_site_of_the_project(name: str) -> None:
    addresses = re.findall(r"\w+://[\w./-]+", (ROOT / name).read_text(encoding="utf-8"))
    assert [address for address in addresses if not re.match(rf"({REPOSITORY}|{SITE})(/|$)", address)] == []


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_no_page_has_marks_of_a_merge() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests" / "FAULTS.md"]
    marks = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)
    assert [page.name for page in pages if marks.search(page.read_text(encoding="utf-8"))] == []


def test_importing_the_kit_imports_no_optional_package() -> None:
    program = (
        "import sys, dddkit.dataclasses, dddkit.stories; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'pydantic', 'prometheus_client', 'aioprometheus', 'opentelemetry', 'mypy', 'dddkit_mypy', 'asyncio', "
        "'attr'}))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == "[]\n"


def test_the_ids_in_test_names_are_those_of_the_table_of_faults() -> None:
    """Of functions, of cases in YAML, and of the modules of the corpus."""
    table = (ROOT / "tests" / "FAULTS.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([A-Z]+\d+) \|", table, re.MULTILINE)
    ids = r"((?:f?[a-z]\d+_)+)"
    texts = {
        rf"def test_{ids}": [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("typecheck_tests/**/test_*.py")],
        rf"- case: {ids}": [*ROOT.glob("typecheck_tests/rules/*.yml")],
    }
    found = [
        several
        for pattern, paths in texts.items()
        for path in paths
        for several in re.findall(pattern, path.read_text("utf-8"))
    ]
    for path in ROOT.glob("typecheck_tests/corpus/**/*.py"):
        found += re.findall(rf"^{ids}", path.name)
    tested = {id_.upper() for several in found for id_ in several.split("_") if id_}
    assert len(listed) == len(set(listed))
    assert tested == set(listed)


def test_the_changelog_begins_with_this_version_and_its_date_where_nothing_is_unreleased() -> None:
    import dddkit

    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    newest = next(title for title in titles if title != "[Unreleased]")
    assert re.fullmatch(rf"\[{re.escape(dddkit.__version__)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_the_page_about_stability_names_the_versions_of_the_metadata() -> None:
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    pythons = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', metadata)
    assert f"| {pythons[0]} to {pythons[-1]}, CPython |" in page
    rows = {
        "mypy": "mypy",
        "pydantic": "pydantic",
        "SQLAlchemy": "sqlalchemy[asyncio]",
        "DBOS": "dbos",
        "FastStream": "faststream",
    }
    for title, package in rows.items():
        bounds = re.search(rf'"{re.escape(package)}>=([\d.]+)(?:,<([\d.]+))?"', metadata)
        (row,) = re.findall(rf"^\| {title}\b[^|]*\| ([^|]*) \|", page, re.MULTILINE)
        assert bounds is not None
        assert row.startswith(bounds[1])
        assert bounds[2] is None or title == "FastStream" or row.endswith(f"below {bounds[2]}")
    observers = ("prometheus-client", "aioprometheus", "opentelemetry-api")
    oldest = [bound for package in observers for bound in re.findall(rf'"{package}>=([\d.]+)"', metadata)]
    assert f"| {', '.join(observers)} | {', '.join(oldest)}, and newer |" in page


def test_the_commands_and_files_that_releasing_names_are_there() -> None:
    commands = [command for block in blocks("RELEASING.md") for command, _ in block.commands]
    targets = {target for command in commands for target in re.findall(r"^make ([\w-]+)", command)}
    assert len(targets) > 8
    assert targets <= set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    assert [link for link in links("RELEASING.md") if not (ROOT / link).exists()] == []
