"""`broker(event)` is right in sync code; in async code its async handlers run only if it is awaited."""

from __future__ import annotations

from typing import Final

from mypy.errorcodes import UNUSED_AWAITABLE
from mypy.nodes import CallExpr
from mypy.plugin import MethodContext
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnCall, Rule

CODE: Final = codes.UNAWAITED_PUBLISH

_DROPPED: Final = mypy_api.DroppedCalls()


def check(ctx: MethodContext) -> None:
    """Report `broker(event)` in an `async def` as a statement of its own."""
    checker = mypy_api.checker_of(ctx.api)
    function = checker.scope.current_function()
    if function is None or not function.is_coroutine or UNUSED_AWAITABLE in checker.options.enabled_error_codes:
        return
    call, result = ctx.context, get_proper_type(ctx.default_return_type)
    if not isinstance(call, CallExpr) or not isinstance(result, Instance):
        return
    if result.type.fullname != "typing.Awaitable" or _calls_by_hand(ctx.type):
        return
    if _DROPPED.contain(checker, call):
        broker = mypy_api.name_in_source(call.callee).removesuffix(".__call__") or "broker"
        event = mypy_api.name_in_source(call.args[0]) if call.args else ""
        published = f"{broker}({event or '...'})"
        checker.fail(
            f"nobody awaits {published}, so no handler runs if one is async; write await {published}, or "
            f"{broker}.publish({event or '...'}) where all handlers are sync",
            call,
            code=CODE,
        )


def _calls_by_hand(broker: Type) -> bool:
    """Whether a broker has a `__call__` of its own, which may return a task that runs by itself."""
    found = get_proper_type(broker)
    if not isinstance(found, Instance):
        return False
    return any(
        "__call__" in base.names
        for base in found.type.mro
        if base.has_base(names.EVENT_BROKER) and base.fullname != names.EVENT_BROKER
    )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Where any handler of the event is async, `broker(event)` returns a coroutine, and no handler runs before it "
        "is awaited. Sync handlers alone have run when it returns, so the missing `await` shows on the day somebody "
        "subscribes an async one. `broker.publish(event)` says that all are sync, and raises if one is not. Silent "
        "where mypy's own `unused-awaitable` is enabled."
    ),
    bad="""\
from dddkit.pydantic import DomainEvent, EventBroker


class Paid(DomainEvent):
    order_id: int


broker = EventBroker()


async def pay(order_id: int) -> None:
    broker(Paid(order_id=order_id))
""",
    good="""\
from dddkit.pydantic import DomainEvent, EventBroker


class Paid(DomainEvent):
    order_id: int


broker = EventBroker()


async def pay(order_id: int) -> None:
    await broker(Paid(order_id=order_id))
""",
    checks=(OnCall((names.EVENT_BROKER,), "__call__", check),),
)
