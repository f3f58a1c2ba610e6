"""The documentation site: what its reference lists is what there is, its links lead somewhere, its front page runs."""

from __future__ import annotations

import importlib
import pkgutil
import re
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry

import dddkit
import dddkit.exceptions
from dddkit.stories.durable.backlog import Backlog
from dddkit.stories.durable.prometheus import RunMetrics
from dddkit.stories.durable.status import RunStatus
from tests.house.pages import ROOT, Reader, blocks, text_of

API = "docs/reference/api"
EXCEPTIONS = "docs/reference/exceptions.md"
METRICS = "docs/reference/metrics.md"
FRONT = "docs/index.md"

# Modules that users import from, beside the packages: what counts with a library of its own.
MODULES = {"dddkit.exceptions", "dddkit.sqlalchemy.prometheus", "dddkit.stories.durable.prometheus"}
PACKAGES = {
    module.name
    for module in pkgutil.walk_packages(dddkit.__path__, "dddkit.")
    if module.ispkg and not re.search(r"\._|^dddkit\.cli", module.name)
}
PUBLIC = sorted(PACKAGES | MODULES)


# -- The reference of the API


class Place(NamedTuple):
    """Where a module's name is: documented on its page, or a link to where it is."""

    module: str
    name: str
    is_link: bool


def places() -> list[Place]:
    found: list[Place] = []
    for page in sorted((ROOT / API).glob("*.md")):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if opened := re.match(r"\.\. module:: ([\w.]+)", line):
                module = opened[1]
            elif documented := re.match(r"\.\. (?:auto\w+|data):: (\w+)$", line):
                found.append(Place(module, documented[1], is_link=False))
            elif link := re.match(r"- :\w+:`~([\w.]+)`$", line):
                found.append(Place(module, link[1], is_link=True))
    return found


def public(name: str) -> ModuleType:
    return importlib.import_module(name)


def resolve(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(public(module), attribute)


@pytest.mark.parametrize("module", PUBLIC)
def test_the_reference_lists_what_a_module_exports(module: str) -> None:
    listed = [place.name.rpartition(".")[2] for place in places() if place.module == module]
    assert sorted(listed) == sorted(public(module).__all__)


def test_nothing_is_documented_twice_and_a_link_leads_to_the_same_object() -> None:
    documented = [f"{place.module}.{place.name}" for place in places() if not place.is_link]
    assert len({id(resolve(name)) for name in documented}) == len(documented)
    links = [place for place in places() if place.is_link]
    for place in links:
        assert place.name in documented
        assert getattr(public(place.module), place.name.rpartition(".")[2]) is resolve(place.name)
    assert links


def test_the_names_of_0_5_are_still_there() -> None:
    names = text_of("docs/_extensions/names_of_0_5.txt").split()
    old = [name for name in names if name.rpartition(".")[0] in PUBLIC]
    assert [name for name in old if not hasattr(public(name.rpartition(".")[0]), name.rpartition(".")[2])] == []
    assert len(old) > 20


def test_the_snippet_for_intersphinx_names_the_address_of_the_site() -> None:
    (block,) = blocks(f"{API}/index.md")
    configuration: dict[str, Any] = {}
    exec(block.text, configuration)
    address, inventory = configuration["intersphinx_mapping"]["dddkit"]
    assert f'html_baseurl = "{address}"' in text_of("docs/conf.py")
    assert inventory is None


def test_the_site_has_an_inventory_of_all_public_names() -> None:
    inventory = ROOT / "docs" / "_build" / "html" / "objects.inv"
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob(f"{API}/*.md")]
    if not inventory.exists() or inventory.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        pytest.skip("`make docs` has not built the site of these sources; in CI it comes before the tests")
    head, _, compressed = inventory.read_bytes().partition(b"zlib.\n")
    assert head.startswith(b"# Sphinx inventory version 2\n# Project: dddkit\n")
    kinds = dict(line.split(" ", 2)[:2] for line in zlib.decompress(compressed).decode().splitlines())
    exported = {f"{module}.{name}" for module in PUBLIC for name in public(module).__all__}
    assert exported - kinds.keys() == set()
    # Users' Sphinx finds classes also by the module that has them, which is what their signatures name.
    broker = public("dddkit.dataclasses").EventBroker
    assert kinds[f"{broker.__module__}.EventBroker"] == "py:class"
    assert kinds["dddkit.dataclasses.EventBroker.apublish"] == "py:method"
    assert kinds["dddkit.stories.StoryExecutionContext.steps"] == "py:property"
    assert kinds["dddkit.exceptions.ConcurrencyError"] == "py:exception"
    assert kinds["dddkit.stories.dbos.settings"] == "py:function"


# -- The pages about exceptions and metrics


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the tables whose first column has this heading."""
    found: list[list[str]] = []
    for table in re.findall(r"(?:^\|.*\n)+", text_of(page), re.MULTILINE):
        lines = [[cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
        if lines[0][0] == heading:
            found += lines[2:]
    return found


def test_the_page_of_exceptions_says_when_each_is_raised() -> None:
    listed = [row[0] for row in rows(EXCEPTIONS, "exception")]
    assert sorted(listed) == sorted({*dddkit.exceptions.__all__} - {"DDDKitError"})


def test_the_tree_of_exceptions_shows_their_bases() -> None:
    (tree,) = blocks(EXCEPTIONS)
    shown: dict[str, set[str]] = {}
    above: list[str] = []
    for line in tree.text.splitlines():
        parts = re.fullmatch(r"( *)(\w+)(?: \((\w+)\))?", line)
        assert parts is not None, line
        indent, name, other = parts.groups()
        above[len(indent) // 4 :] = [name]
        shown[name] = {*above[-2:-1]} | ({other} if other else set())
    shown["DDDKitError"] = {"Exception"}
    assert shown == {
        name: {base.__name__ for base in getattr(dddkit.exceptions, name).__bases__}
        for name in dddkit.exceptions.__all__
    }


def test_the_page_of_metrics_lists_what_is_registered() -> None:
    registry = CollectorRegistry()
    for hook in ("dddkit.stories.prometheus.PrometheusMetricsHook", "dddkit.sqlalchemy.prometheus.OutboxMetrics"):
        _new(hook, registry)
    RunMetrics(registry)
    # Labels without any series are nowhere else than in the collectors.
    collectors: list[Any] = list(vars(registry)["_collector_to_names"])
    registered = {each._name: (each._type, each._labelnames) for each in collectors}
    listed = {
        name: (kind, () if labels == "none" else tuple(re.findall(r"\w+", labels)))
        for name, kind, labels, _ in rows(METRICS, "metric")
    }
    assert listed == registered


def test_the_page_of_metrics_lists_the_statuses_of_runs() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry).set([Backlog("checkout", dict.fromkeys(RunStatus, 1), 0.0)])
    shown = {
        sample.labels["status"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "dddkit_durable_runs"
    }
    tables = [row[0] for row in rows(METRICS, "status")]
    assert {"completed", "failed", "refused", "cancelled"} | shown == {*tables}


def _new(name: str, registry: CollectorRegistry) -> None:
    hook: Any = resolve(name)
    hook(registry=registry)


# -- Links

PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "FAULTS.md"]
    if "_build" not in page.parts
)


def prose(text: str) -> str:
    """Leave out code, which has calls that look like links, and comments that look like headings."""
    return re.sub(r"`[^`\n]+`", "code", re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = next(n for n in range(100) if (f"{anchor}-{n}" if n else anchor) not in found)
        found.add(f"{anchor}-{number}" if number else anchor)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: str) -> None:
    dead: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(page))):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


# -- The front page


def test_the_front_page_prints_what_it_shows(tmp_path: Path) -> None:
    program, shown = (block for block in blocks(FRONT) if block.language in ("python", "text"))
    (tmp_path / "page.py").write_text(program.text, encoding="utf-8")
    assert Reader(tmp_path).enter("python -W error page.py") == (shown.text, 0)
    (tmp_path / "misspelt.py").write_text(program.text.replace("I.add_item", "I.ad_item"), encoding="utf-8")
    printed, status = Reader(tmp_path).enter("python misspelt.py")
    assert "StoryDefinitionError: AddItem: I.ad_item names no step" in printed
    assert status == 1


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_find_nothing_on_the_front_page(checker: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(blocks(FRONT)[0].text, encoding="utf-8")
    printed, status = Reader(tmp_path).check(checker)
    assert status == 0, printed
