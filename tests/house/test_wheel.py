"""The built package, installed into empty environments."""

from __future__ import annotations

import email
import email.message
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STORY = """
from dddkit.stories import I, Story, StoryState, variable

class Greet(Story):
    I.greet

    class State(StoryState):
        name: str
        greeting: str = variable()

    def greet(self, state: State) -> None:
        state.greeting = f"hello {state.name}"

state = Greet.State(name="Ada")
Greet()(state)
assert state.greeting == "hello Ada"
"""

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to build and install with")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    # The installed package must not find modules in the source tree or in the environment of the tests.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs the wheel with an extra (or none) in a new environment; it returns its Python."""

    def make(extra: str) -> Path:
        folder = tmp_path_factory.mktemp(f"environment-{extra or 'bare'}")
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin" / "python"
        wanted = f"dddkit[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
        installed = run(
            *(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check"),
            *("-c", ROOT / "constraints.txt", wanted),
            cwd=folder,
        )
        assert installed.returncode == 0, installed.stderr
        return python

    return make


@pytest.fixture(scope="session")
def bare(environment: Callable[[str], Path]) -> Path:
    return environment("")


def test_the_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"dddkit/py.typed", "dddkit_mypy/py.typed"} <= set(names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"dddkit", "dddkit_mypy"}
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert not [name for name in names if name.endswith((".pyc", ".toml", ".yml"))]


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_code_of_the_readme_is_the_same_where_the_package_is_shown(wheel: Path) -> None:
    blocks = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    written = blocks.findall((ROOT / "README.md").read_text())
    assert written
    assert blocks.findall(str(metadata_of(wheel).get_payload())) == written


def test_the_links_of_the_readme_are_absolute_where_the_package_is_shown(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    prose = re.sub(r"^```.*?^```$", "", str(metadata.get_payload()), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    own = f"https://github.com/mom1/dddkit/blob/v{metadata['Version']}/"
    assert {f"{own}docs/rules.md", f"{own}LICENSE"} <= set(links)
    assert [link for link in links if not link.startswith("https://")] == []
    assert dict(line.split(", ") for line in metadata.get_all("Project-URL", [])).keys() == {
        "Changelog",
        "Documentation",
        "Issues",
        "Source",
    }


@pytest.mark.slow
def test_the_source_distribution_holds_the_documentation(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    pages = {str(page.relative_to(ROOT)) for page in [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]}
    assert pages <= names
    assert {"LICENSE", "pyproject.toml", "src/dddkit/py.typed", "mypy_plugin/dddkit_mypy/py.typed"} <= names


def test_without_extras_only_typing_extensions_comes_along(bare: Path) -> None:
    listed = run(sys.executable, "-m", "pip", "--python", bare, "list", "--format=freeze", cwd=bare.parent)
    wanted = {"dddkit", "typing_extensions"} | ({"exceptiongroup"} if sys.version_info < (3, 11) else set())
    assert {line.partition("=")[0] for line in listed.stdout.splitlines()} == wanted


@pytest.mark.parametrize("module", ["dddkit", "dddkit.dataclasses", "dddkit.stories", "dddkit.exceptions"])
def test_the_core_imports_without_extras(bare: Path, module: str) -> None:
    imported = run(bare, "-W", "error", "-c", f"import {module}", cwd=bare.parent)
    assert (imported.returncode, imported.stderr) == (0, "")


def test_a_story_runs_without_extras(bare: Path) -> None:
    ran = run(bare, "-W", "error", "-c", STORY, cwd=bare.parent)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "extra", "package"),
    [
        ("dddkit.pydantic", "pydantic", "pydantic"),
        ("dddkit.pydantic.aggregates", "pydantic", "pydantic"),
        ("dddkit.stories.prometheus", "prometheus", "prometheus-client"),
        ("dddkit.stories.aioprometheus", "aioprometheus", "aioprometheus"),
        ("dddkit.stories.opentelemetry", "opentelemetry", "opentelemetry-api"),
        ("dddkit.faststream", "faststream", "faststream"),
        ("dddkit.stories.dbos", "dbos", "dbos"),
    ],
)
def test_a_missing_extra_is_named_with_both_ways_to_get_it(bare: Path, module: str, extra: str, package: str) -> None:
    refused = run(bare, "-c", f"import {module}", cwd=bare.parent)
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("dddkit.exceptions.MissingDependencyError: ")
    assert f"pip install 'dddkit[{extra}]'" in last
    assert f"pip install {package}" in last


@pytest.mark.slow
def test_with_the_extra_the_pydantic_flavour_works(environment: Callable[[str], Path]) -> None:
    python = environment("pydantic")
    program = """
from dddkit.pydantic import Aggregate, AggregateEvent

class Basket(Aggregate):
    id: int
    class Emptied(AggregateEvent): ...

basket = Basket(id=1)
basket.add_event(Basket.Emptied())
assert len(basket.pull_events()) == 1
"""
    ran = run(python, "-W", "error", "-c", program, cwd=python.parent)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("extra", "hook"),
    [
        ("prometheus", "PrometheusMetricsHook"),
        ("aioprometheus", "PrometheusMetricsHook"),
        ("opentelemetry", "TracingHook"),
    ],
)
@pytest.mark.slow
def test_with_its_extra_each_observer_works(environment: Callable[[str], Path], extra: str, hook: str) -> None:
    python = environment(extra)
    program = f"""
from dddkit.stories import Story, inject_hooks
from dddkit.stories.{extra} import {hook}

inject_hooks(Story, [{hook}()])
{STORY}
"""
    ran = run(python, "-W", "error", "-c", program, cwd=python.parent)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.slow
def test_with_the_extra_mypy_runs_the_plugin(environment: Callable[[str], Path], tmp_path: Path) -> None:
    python = environment("mypy")
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\nstrict = True\n", encoding="utf-8")
    (tmp_path / "right.py").write_text(STORY, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(STORY.replace("I.greet", "I.greeet"), encoding="utf-8")
    assert run(python, "-m", "mypy", "right.py", cwd=tmp_path).stdout == "Success: no issues found in 1 source file\n"
    assert "[dddkit-unknown-step]" in run(python, "-m", "mypy", "wrong.py", cwd=tmp_path).stdout


def test_without_its_extra_the_command_says_how_to_install_it(bare: Path) -> None:
    refused = run(bare.with_name("dddkit"), "check", cwd=bare.parent)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pip install 'dddkit[cli,mypy]', or: pip install typer mypy\n" in refused.stderr
    refused = run(bare.with_name("dddkit"), "events", cwd=bare.parent)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pip install 'dddkit[cli]', or: pip install typer\n" in refused.stderr


@pytest.mark.slow
def test_with_its_extra_the_command_runs_and_names_the_extra_for_checks(
    environment: Callable[[str], Path], tmp_path: Path
) -> None:
    python = environment("cli")
    (tmp_path / "wrong.py").write_text(STORY.replace("I.greet", "I.greeet"), encoding="utf-8")
    refused = run(python.with_name("dddkit"), "check", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pip install 'dddkit[mypy]'" in refused.stderr


@pytest.mark.slow
def test_with_both_extras_the_command_checks(environment: Callable[[str], Path], tmp_path: Path) -> None:
    python = environment("cli,mypy")
    (tmp_path / "wrong.py").write_text(STORY.replace("I.greet", "I.greeet"), encoding="utf-8")
    checked = run(python.with_name("dddkit"), "check", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (1, "")
    assert "[dddkit-unknown-step]" in checked.stdout
