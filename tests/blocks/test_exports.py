"""Both flavours export the same names from the public import paths."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit import exceptions, stories
from dddkit.exceptions import (
    ChangesResultError,
    ConcurrencyError,
    DDDKitError,
    DuplicateRunError,
    ExecutorInUseError,
    MissingDependencyError,
    RunCancelledError,
    RunNotFoundError,
    RunStatusError,
    SignalTimeoutError,
    StepFailedError,
    StoryChangedError,
    StoryNotRecordableError,
    UnhandledEventError,
)
from dddkit.stories import I
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours

NAMES = [
    "Aggregate",
    "AggregateEvent",
    "ChangesHandler",
    "DomainEvent",
    "Entity",
    "EventBroker",
    "Identity",
    "InMemoryRepository",
    "Repository",
    "Subscription",
    "SyncInMemoryRepository",
    "SyncRepository",
    "ValueObject",
    "evolve",
]


@in_both_flavours
def test_a_flavour_exports_the_building_blocks(flavour: type[Flavour]) -> None:
    exported: Any = flavour.blocks
    assert exported.__all__ == NAMES
    assert all(hasattr(flavour.blocks, name) for name in NAMES)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("aggregates", ["Aggregate", "AggregateEvent", "Entity", "ValueObject"]),
        ("events", ["AggregateEvent", "DomainEvent", "EventBroker", "Subscription"]),
        ("changes_handler", ["ChangesHandler"]),
        ("repositories", ["Repository", "SyncRepository", "InMemoryRepository", "SyncInMemoryRepository"]),
        ("evolution", ["evolve"]),
    ],
)
@in_both_flavours
def test_the_submodules_are_contract_too(flavour: type[Flavour], module: str, names: list[str]) -> None:
    imported = importlib.import_module(f"{flavour.blocks.__name__}.{module}")
    for name in names:
        assert getattr(imported, name) is getattr(flavour.blocks, name)


def test_what_has_no_flavour_exists_once() -> None:
    once = [name for name in NAMES if getattr(dddkit.dataclasses, name) is getattr(dddkit.pydantic, name)]
    assert once == [
        "ChangesHandler",
        "EventBroker",
        "Identity",
        "InMemoryRepository",
        "Repository",
        "Subscription",
        "SyncInMemoryRepository",
        "SyncRepository",
    ]


@in_both_flavours
def test_fd7_what_subscribe_returns_can_be_annotated(flavour: type[Flavour]) -> None:
    exported: Any = flavour.blocks
    events = importlib.import_module(f"{exported.__name__}.events")
    broker = exported.EventBroker(unhandled="ignore")
    assert type(broker.subscribe(flavour.Placed, print)) is exported.Subscription is events.Subscription
    assert broker(flavour.Basket.Created()) is events.FINISHED


def test_fd7_what_inject_hooks_and_a_sync_story_return_can_be_annotated_and_compared() -> None:
    class Sale(stories.Story):
        I.pay

        def pay(self, state: object) -> None: ...

    with stories.inject_hooks(Sale, []) as registration:
        assert type(registration) is stories.HookRegistration
    assert type(Sale.register_hook("before", print)) is stories.HookRegistration
    assert Sale()(object()) is stories.FINISHED
    assert {"FINISHED", "HookRegistration"} <= set(stories.__all__)


# What dddkit 0.5.0 defined or exported, by module. People import it, so it stays.
OF_0_5_0 = {
    "dddkit.exceptions": ["DDDKitError", "MissingDependencyError"],
    **{
        f"dddkit.{flavour}{module}": names
        for flavour in ("dataclasses", "pydantic")
        for module, names in {
            "": [
                "Aggregate",
                "AggregateEvent",
                "ChangesHandler",
                "DomainEvent",
                "Entity",
                "EventBroker",
                "Repository",
                "ValueObject",
            ],
            ".aggregates": ["Aggregate", "AggregateEvent", "Entity", "ValueObject"],
            ".changes_handler": ["ChangesHandler"],
            ".events": ["DomainEvent", "EventBroker"],
            ".repositories": ["Repository"],
        }.items()
    },
    "dddkit.stories": [
        "ExecutionTimeTracker",
        "I",
        "LoggingHook",
        "StatusTracker",
        "StepExecutionInfo",
        "Story",
        "StoryExecutionContext",
        "inject_hooks",
    ],
    "dddkit.stories.story": ["StepExecutionInfo", "Steps", "Story", "StoryExecutionContext"],
    "dddkit.stories.hooks": ["ExecutionTimeTracker", "LoggingHook", "StatusTracker", "StepStatus", "inject_hooks"],
    "dddkit.stories.prometheus": ["PrometheusMetricsHook"],
    "dddkit.stories.prometheus.hook": ["PrometheusMetricsHook"],
    "dddkit.stories.aioprometheus": ["PrometheusMetricsHook"],
    "dddkit.stories.aioprometheus.hook": ["PrometheusMetricsHook"],
}
# Left out: its type variables and aliases (A, Callback, ET, HandlerEvent, HooksName, NameMethod, Predicate, Result, ST,
# T, T_ID_contra), and what it used itself (DefaultDict, HOOKS_NAMES, logger, uuid_factory).


each_module = pytest.mark.parametrize("module", OF_0_5_0)


def import_old(module: str) -> Any:
    """Import the module; skip the test where the library that it is an adapter for is not installed."""
    if "aioprometheus" in module:
        pytest.importorskip("aioprometheus")
    return importlib.import_module(module)


@each_module
def test_fd6_what_0_5_0_exported_can_be_imported_from_where_it_was(module: str) -> None:
    imported = import_old(module)
    assert [name for name in OF_0_5_0[module] if not hasattr(imported, name)] == []
    assert set(OF_0_5_0[module]) <= set(imported.__all__)  # type checkers accept the import too


@each_module
def test_fd6_a_name_means_the_same_from_wherever_it_is_imported(module: str) -> None:
    imported, package = import_old(module), importlib.import_module(module.rpartition(".")[0])
    for name in OF_0_5_0[module]:
        assert getattr(package, name, getattr(imported, name)) is getattr(imported, name)


@pytest.mark.skipif(sys.platform == "emscripten", reason="no processes there")
@each_module
def test_fd6_each_module_can_be_the_first_one_imported(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def test_fd6_steps_makes_a_list_of_steps() -> None:
    steps: Any = importlib.import_module("dddkit.stories.story").Steps()
    steps.pay
    assert steps.__steps__ == ["pay"]


@pytest.mark.parametrize(
    "module", ["dddkit.pydantic", *(f"dddkit.pydantic.{name}" for name in ("aggregates", "events", "repositories"))]
)
def test_without_pydantic_its_flavour_says_what_to_install(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pydantic"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("dddkit.pydantic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(MissingDependencyError) as missing:
        importlib.import_module(module)
    error = missing.value
    assert isinstance(error, DDDKitError)
    assert isinstance(error, ImportError)
    assert (error.package, error.install_package, error.extra) == ("pydantic", "pydantic", "pydantic")
    assert "pip install 'dddkit[pydantic]'" in str(error)
    assert "pip install pydantic" in str(error)
    assert importlib.import_module("dddkit.dataclasses").Aggregate is dddkit.dataclasses.Aggregate


def test_a_pydantic_that_is_there_but_broken_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pydantic.py").write_text("import a_module_nobody_has\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pydantic"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("dddkit.pydantic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="a_module_nobody_has") as error:
        importlib.import_module("dddkit.pydantic")
    assert not isinstance(error.value, MissingDependencyError)


@pytest.mark.skipif(sys.platform == "emscripten", reason="no processes there")
def test_importing_the_blocks_loads_nothing_that_only_some_runs_need() -> None:
    heavy = ["asyncio", "concurrent.futures", "logging", "zoneinfo", "pydantic"]
    heavy += ["typing_extensions"] * (sys.version_info >= (3, 11))  # this Python has the names in `typing`
    check = f"import sys, dddkit.dataclasses; print(*[name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (UnhandledEventError("event", "aggregate"), {"event": "event", "aggregate": "aggregate"}),
        (UnhandledEventError("event"), {"event": "event", "aggregate": None}),
        (ConcurrencyError("aggregate", 1, None), {"aggregate": "aggregate", "expected": 1, "found": None}),
        (ChangesResultError(Dataclasses.Basket, "total"), {"handler": Dataclasses.Basket, "field": "total"}),
        (
            MissingDependencyError("yaml", "pyyaml", "config"),
            {"package": "yaml", "install_package": "pyyaml", "extra": "config"},
        ),
        (ExecutorInUseError("one"), {"executor_id": "one"}),
        (DuplicateRunError("sale", "o-1", "other"), {"story": "sale", "run_id": "o-1", "other": "other"}),
        (RunNotFoundError("sale", "o-1"), {"story": "sale", "run_id": "o-1", "other": None}),
        (RunStatusError("sale", "o-1", "failed", "no"), {"run_id": "o-1", "status": "failed", "problem": "no"}),
        (StoryChangedError("sale", "o-1", "gone", "pay"), {"run_id": "o-1", "problem": "gone", "step": "pay"}),
        (RunCancelledError("sale", "o-1", ["pay"]), {"story": "sale", "run_id": "o-1", "undone": ("pay",)}),
        (
            SignalTimeoutError("sale", "ask", "approval", 60.0),
            {"step": "ask", "signal": "approval", "seconds": 60.0, "errno": None, "filename": None},
        ),
        (
            StoryNotRecordableError("Sale", "Sale.State", [("a.b", "is no field")], "pay"),
            {"story": "Sale", "state": "Sale.State", "problems": (("a.b", "is no field"),), "step": "pay"},
        ),
        (StepFailedError("Sale", "pay", "shop.Declined", "no"), {"error_class": "shop.Declined", "text": "no"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_exceptions_keep_their_subject_and_survive_pickling(error: DDDKitError, attributes: dict[str, Any]) -> None:
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert type(one) is type(error)
        assert {name: getattr(one, name) for name in attributes} == attributes
        assert str(one) == str(error)


def test_every_exception_of_the_kit_is_one_kind() -> None:
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), DDDKitError)
