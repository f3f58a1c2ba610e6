"""What `dddkit.messages` exports; its exceptions; what it says where pydantic is missing."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

import dddkit.exceptions
import dddkit.messages
from dddkit.exceptions import MissingDependencyError
from dddkit.messages import MessageRejectedError, UnknownMessageError, UnnamedEventError
from tests.blocks.flavours import Dataclasses


def test_the_exceptions_are_those_of_the_kit() -> None:
    for name in ("MessageRejectedError", "UnknownMessageError", "UnnamedEventError"):
        assert name in dddkit.messages.__all__
        assert getattr(dddkit.messages, name) is getattr(dddkit.exceptions, name)


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (UnnamedEventError([Dataclasses.Placed]), {"event_classes": (Dataclasses.Placed,), "named_base": None}),
        (UnnamedEventError((Dataclasses.Placed,), object), {"named_base": object}),
        (UnknownMessageError("text", "t.v2", 1), {"message_type": "t.v2", "known_version": 1}),
        (MessageRejectedError("too large", "t.v1"), {"message_type": "t.v1", "problems": ()}),
        (
            MessageRejectedError("it does not fit", None, [("data.a", "missing")]),
            {"problems": (("data.a", "missing"),)},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_exceptions_keep_their_subject_and_survive_pickling(
    error: Exception, attributes: dict[str, object]
) -> None:
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert type(one) is type(error)
        assert {name: getattr(one, name) for name in attributes} == attributes
        assert str(one) == str(error)


def test_events_without_names_are_listed_with_what_to_write_for_the_first() -> None:
    error = UnnamedEventError([Dataclasses.Basket.ItemAdded, Dataclasses.Basket.Created])
    assert str(error) == (
        "Dataclasses.Basket.ItemAdded, Dataclasses.Basket.Created have no name in the catalog; for each of them write "
        'catalog.add(Dataclasses.Basket.ItemAdded, "dataclasses.basket.item_added"), '
        "or catalog.private(Dataclasses.Basket.ItemAdded) if it stays in the process"
    )


def test_a_publisher_rejects_a_message_with_its_type() -> None:
    assert str(MessageRejectedError("larger than 1 MB", "order.placed.v1")) == "order.placed.v1: larger than 1 MB"


@pytest.mark.parametrize("module", ["", ".catalog", ".message"])
def test_without_pydantic_the_import_says_what_to_install(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith(("dddkit.messages.", "pydantic."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(MissingDependencyError) as missing:
        importlib.import_module(f"dddkit.messages{module}")
    assert (missing.value.package, missing.value.extra) == ("pydantic", "pydantic")
    assert "pip install 'dddkit[pydantic]'" in str(missing.value)
