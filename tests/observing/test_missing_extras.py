"""Without its extra, a subpackage raises an error that says what to install."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

from dddkit.exceptions import DDDKitError, MissingDependencyError

OBSERVERS = [
    ("prometheus", "prometheus_client", "prometheus-client"),
    ("aioprometheus", "aioprometheus", "aioprometheus"),
    ("opentelemetry", "opentelemetry", "opentelemetry-api"),
]


def without(package: str, name: str, patch: pytest.MonkeyPatch) -> None:
    """Make `name` unavailable and the observer unimported, so that its next import fails."""
    gone = f"dddkit.stories.{package}"
    for module in [module for module in sys.modules if f"{module}.".startswith((f"{gone}.", f"{name}."))]:
        patch.delitem(sys.modules, module)
    patch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(("extra", "package", "install_package"), OBSERVERS)
@pytest.mark.parametrize("module", ["", ".hook"])
def test_a_missing_extra_is_named_with_both_ways_to_get_it(
    extra: str, package: str, install_package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(extra, package, monkeypatch)
    with pytest.raises(MissingDependencyError) as missing:
        importlib.import_module(f"dddkit.stories.{extra}{module}")
    error = missing.value
    assert isinstance(error, DDDKitError)
    assert isinstance(error, ImportError)
    assert (error.package, error.install_package, error.extra) == (package, install_package, extra)
    assert f"pip install 'dddkit[{extra}]'" in str(error)
    assert f"pip install {install_package}" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_another_package_in_opentelemetrys_name_space_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without("opentelemetry", "opentelemetry.context", monkeypatch)
    with pytest.raises(MissingDependencyError):
        importlib.import_module("dddkit.stories.opentelemetry")


@pytest.mark.parametrize(
    ("extra", "inner"),
    [
        ("prometheus", "prometheus_client.metrics"),
        ("aioprometheus", "orjson"),
        ("opentelemetry", "opentelemetry.trace"),
    ],
)
def test_an_extra_that_is_there_but_broken_says_so_itself(
    extra: str, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = next(package for name, package, _ in OBSERVERS if name == extra)
    pytest.importorskip("opentelemetry.context" if package == "opentelemetry" else package, reason="needs the library")
    if package != "opentelemetry":
        for module in [module for module in sys.modules if module.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, module)
    without(extra, inner, monkeypatch)
    with pytest.raises(ModuleNotFoundError, match=inner) as broken:
        importlib.import_module(f"dddkit.stories.{extra}")
    assert not isinstance(broken.value, MissingDependencyError)
