"""The errors of units of work, and of an installation without what they need."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

from dddkit.exceptions import (
    ConcurrencyError,
    DDDKitError,
    MissingDependencyError,
    UncommittedChangesError,
    UnitClosedError,
    UnitError,
)
from tests.blocks.flavours import Dataclasses


@pytest.mark.parametrize(
    "error",
    [
        UnitError("ShopUnit", "is wrong"),
        UnitClosedError("ShopUnit", "has ended"),
        UncommittedChangesError("ShopUnit", [Dataclasses.Basket(basket_id=1)], ["the noted key 'a'"]),
        ConcurrencyError(None, None, None),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: DDDKitError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("package", ["sqlalchemy", "pydantic"])
def test_a_missing_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ("dddkit.sqlalchemy.", f"{package}.")
    for module in [module for module in sys.modules if f"{module}.".startswith(gone)]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError) as missing:
        importlib.import_module("dddkit.sqlalchemy")
    assert (missing.value.package, missing.value.extra) == (package, "sqlalchemy")
