"""Statements that every unit executes, compiled once for each engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, ref

from sqlalchemy import Connection, CursorResult, Dialect, TypeDecorator

__all__ = ["Prepared"]


class _Plan(NamedTuple):
    """How to execute a statement on a dialect."""

    text: str
    arguments: Callable[[dict[str, Any]], Any] | None
    """Puts the values in their places; None where the driver takes them by name."""
    processors: tuple[tuple[str, Callable[[Any], Any]], ...]
    """What makes values of a column's type those of the driver."""


class Prepared:
    """A statement with bound parameters, of which not even the cached form has to be looked up.

    That look-up takes longer than all that a unit does for one aggregate. Its rows are those of the driver: the
    statement selects only what drivers return as it is.
    """

    __slots__ = ("_last", "_plans", "_statement")

    def __init__(self, statement: Any) -> None:  # Any: it may be written for one database, and each has its class
        self._statement: Final = statement
        self._plans: Final[WeakKeyDictionary[Dialect, _Plan | None]] = WeakKeyDictionary()
        self._last: tuple[Callable[[], Dialect | None], _Plan | None] = (lambda: None), None
        """The plan of the dialect that was the last one: most programs have one."""

    def _plan(self, dialect: Dialect) -> _Plan | None:
        if dialect not in self._plans:
            self._plans[dialect] = _plan_of(self._statement, dialect)
        plan = self._plans[dialect]
        self._last = ref(dialect), plan
        return plan

    def execute(self, connection: Connection, values: dict[str, Any]) -> CursorResult[Any]:
        """Execute the statement with these values, by the names of its parameters."""
        dialect = connection.dialect
        known, plan = self._last
        if known() is not dialect:
            plan = self._plan(dialect)
        if plan is None or "schema_translate_map" in connection.get_execution_options():  # another text for each tenant
            return connection.execute(self._statement, values)
        text, arguments, processors = plan
        if processors:
            values = {**values, **{name: process(values[name]) for name, process in processors}}
        return connection.exec_driver_sql(text, values if arguments is None else arguments(values))


def _plan_of(statement: Any, dialect: Dialect) -> _Plan | None:
    """Return the plan; None where SQLAlchemy has to do more at each execution."""
    compiled = statement.compile(dialect=dialect)
    if compiled.escaped_bind_names or compiled.post_compile_params or compiled.literal_execute_params:
        return None
    types = {name: parameter.type.dialect_impl(dialect) for name, parameter in compiled.binds.items()}
    if any(isinstance(type_, TypeDecorator) for type_ in types.values()):  # its processors would keep the dialect alive
        return None
    made = {name: type_.bind_processor(dialect) for name, type_ in types.items()}
    processors = tuple((name, process) for name, process in made.items() if process is not None)
    if not compiled.positional:
        return _Plan(compiled.string, None, processors)
    return _Plan(compiled.string, _in_places(compiled.positiontup), processors)


def _in_places(names: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)
