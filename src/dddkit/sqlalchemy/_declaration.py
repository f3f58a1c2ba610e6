"""What a unit class declares as a repository, whatever its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast, get_args, get_origin

from dddkit._callables import kind_of
from dddkit._core.recording import Recording

if TYPE_CHECKING:
    from dddkit.sqlalchemy.outbox import Outbox

__all__ = ["Declaration", "runtime_class"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")


class Declaration(ABC, Generic[AggregateT, IdT]):
    """Stands in the body of a unit class; the attribute of a unit is the repository (`__get__`, typed by each kind)."""

    _example: str
    """How it is written, for messages."""
    _may_lack_identity = False
    """Whether the class may get the attribute with its identity later, from a mapping."""

    def __set__(self, unit: object, value: object) -> None:
        raise AttributeError(f"{type(unit).__qualname__}: a repository is declared in the class, and not assigned")

    @abstractmethod
    def _declare(self, unit: str, name: str) -> object:
        """Find out what is stored, when a unit class is defined.

        Raises:
            TypeError: the class cannot be stored.
        """

    @abstractmethod
    def _check(self, unit: str, outbox: Outbox | None) -> None:
        """Raise what is missing when the first unit is made: the rest of the module has run by then."""

    @abstractmethod
    def _publishing(self) -> Sequence[type]:
        """Return the aggregates whose own events are published, so that those they declare need names."""

    def _not_declared(self) -> TypeError:
        return TypeError(f"{type(self).__name__} belongs into the body of a unit class, as in `{self._example}`")

    def _parameters(self, where: str) -> tuple[type[AggregateT], object]:
        """Return the aggregate and the identity that stand in the brackets.

        Raises:
            TypeError: nothing stands there, or no aggregate.
        """
        kind, example = type(self).__name__, self._example.partition(" = ")[2]
        parameters: tuple[Any, ...] = get_args(getattr(self, "__orig_class__", None))
        if len(parameters) != 2:
            raise TypeError(f"{where}: say what it stores, as in {where.rpartition('.')[2]} = {example}")
        aggregate: Any = parameters[0]
        if isinstance(generic := get_origin(aggregate), type):
            raise TypeError(
                f"{where}: {generic.__qualname__}[...] is no class of its own at run time; derive one that annotates "
                f"its fields again, as in `class My{generic.__name__}({generic.__name__}[...])`, and store that"
            )
        if not isinstance(aggregate, type) or not issubclass(cast("type[Any]", aggregate), Recording):
            raise TypeError(f"{where}: {kind} stores aggregates, and {kind_of(parameters[0])} is none")
        if len(getattr(aggregate, "__identity__", ())) != 1 and not self._may_lack_identity:
            raise TypeError(
                f"{where}: {aggregate.__qualname__} has no identity; annotate the field that is it as Identity[...]"
            )
        return cast("type[AggregateT]", aggregate), parameters[1]


def runtime_class(identity: object) -> Any:
    """Return what an identity is at run time: that of a NewType, of Identity[...], of `type OrderId = int`."""
    found: Any = identity
    while True:
        if get_origin(found) is Annotated:  # Identity[...]
            found = get_args(found)[0]
        elif hasattr(found, "__supertype__"):  # a NewType
            found = found.__supertype__
        elif hasattr(found, "__value__"):  # type OrderId = int
            found = found.__value__
        else:
            return found
