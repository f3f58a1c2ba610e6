"""Upcasters: what makes the JSON of the next version out of that of an older one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from difflib import get_close_matches
from types import FunctionType
from typing import Any, TypeAlias

from dddkit._awaitables import is_async
from dddkit._callables import display_name, function_takes, kind_of
from dddkit.exceptions import MessageRejectedError, UnknownMessageError
from dddkit.messages._attributes import is_json_object

__all__ = ["Upcaster", "Upcasters"]

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the JSON of an event, as `json.loads` has it, and returns that of its next version."""


class Upcasters:
    """The upcasters of a catalog, by the name of the message and the version that they lead to."""

    def __init__(self) -> None:
        self._functions: dict[tuple[str, int], Upcaster] = {}

    def add(self, name: str, to: int, function: Upcaster) -> None:
        """Add one.

        Raises:
            TypeError: it cannot be called with the JSON alone, or is async.
            ValueError: there is another one to this version.
        """
        if not callable(function):
            raise TypeError(f"an upcaster takes the JSON of an event and returns JSON, and this is {kind_of(function)}")
        if is_async(function):
            raise TypeError(
                f"{display_name(function)} is async; an upcaster is called while a message is read: write def"
            )
        if isinstance(function, FunctionType) and not function_takes(function, 1):
            raise TypeError(
                f"{display_name(function)} is called with the JSON of the event alone; "
                f"write def {function.__name__}(data: dict[str, Any]) -> dict[str, Any]"
            )
        if (present := self._functions.setdefault((name, to), function)) is not function:
            raise ValueError(f"{display_name(present)} leads to version {to} of {name!r} already; keep one of the two")

    def apply(self, data: dict[str, Any], name: str, version: int, newest: int) -> dict[str, Any]:
        """Return the JSON of the newest version; the data stays as it is.

        Raises:
            UnknownMessageError: nothing leads to one of the versions.
            MessageRejectedError: an upcaster raises, or returns no JSON object.
        """
        of = f"{name}.v{version}"
        steps = [self._functions.get((name, to)) for to in range(version + 1, newest + 1)]
        if None in steps:
            raise UnknownMessageError(f"{of}: {_nothing_leads(name, version + 1 + steps.index(None))}", of, newest)
        try:
            data = deepcopy(data)
        except RecursionError:
            raise MessageRejectedError("its data is nested too deeply", of) from None
        for to, step in enumerate(filter(None, steps), version + 1):
            try:
                made: object = step(data)
            except Exception as error:
                raised = f"its upcaster to version {to}, {display_name(step)}, raised {type(error).__qualname__}"
                raise MessageRejectedError(raised, of) from error
            if not is_json_object(made):
                returned = f"its upcaster to version {to}, {display_name(step)}, returned {kind_of(made)}"
                raise MessageRejectedError(f"{returned}; return the JSON object", of)
            data = made
        return data

    def problems(self, versions: dict[str, int]) -> Iterable[str]:
        """Return what is wrong with them, for these names and their newest versions."""
        for name, newest in versions.items():
            for version in range(2, newest + 1):
                if (name, version) not in self._functions:
                    yield f"{name}: {_nothing_leads(name, version)}"
        for (name, to), function in self._functions.items():
            if name not in versions:
                near = get_close_matches(name, versions, 1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                yield f"{name}: {display_name(function)} leads to version {to}, and no event has this name{hint}"
            elif to > versions[name]:
                yield (
                    f"{name}: {display_name(function)} leads to version {to}, and the newest is {versions[name]}; "
                    f"raise the version of the event to {to}"
                )


def _nothing_leads(name: str, version: int) -> str:
    return f'nothing leads to version {version}; write @catalog.upcast("{name}", to={version})'
