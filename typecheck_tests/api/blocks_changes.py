"""What checkers say about the changes handler. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from typing_extensions import assert_type

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, Entity


@dataclass(kw_only=True)
class Basket(Aggregate):
    basket_id: int

    @dataclass(frozen=True, kw_only=True)
    class AddedItem(AggregateEvent):
        item: str


class BasketChanges(NamedTuple):
    added: list[str]


class OtherChanges(NamedTuple):
    removed: list[str]


class BasketChangesHandler(ChangesHandler[Basket, BasketChanges]):
    result_type = BasketChanges

    def _clear_state(self) -> None:
        self.added: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Basket) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Basket.AddedItem, aggregate: Basket) -> None:
        self.added.append(event.item)


def save(handler: BasketChangesHandler, basket: Basket) -> None:
    assert_type(handler(basket), BasketChanges)
    with handler as changes_of:
        assert_type(changes_of, BasketChangesHandler)
        assert_type(changes_of(basket).added, list[str])
    handler(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Wrong(ChangesHandler[Basket, BasketChanges]):
    result_type = OtherChanges  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def _clear_state(self) -> None:
        self.added: list[str] = []

    def handle_changes(self, event: object, aggregate: Basket) -> None: ...


class NoTuple(  # type: ignore[dddkit-changes-result]
    ChangesHandler[Basket, dict[str, str]]  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
):
    def handle_changes(self, event: object, aggregate: Basket) -> None: ...


class NoAggregate(  # type: ignore[dddkit-changes-result]
    ChangesHandler[Entity, BasketChanges]  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
):
    pass
