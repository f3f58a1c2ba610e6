"""Two plugins for the tests of the dispatch: the rules of one report each call, those of the other raise."""

from __future__ import annotations

from typing import Final, NoReturn

from mypy.plugin import AttributeContext, MethodContext, MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike

from dddkit_mypy._plugin import DDDKitPlugin
from dddkit_mypy._rule import (
    Check,
    ClassContext,
    OnAttribute,
    OnCall,
    OnClass,
    OnSignature,
    Rule,
    new_code,
)

ASKED: Final = new_code("dddkit-asked", "Report each time a rule is asked")
OPT_IN: Final = new_code("dddkit-asked-opt-in", "Report it when it has been switched on", opt_in=True)


def _class(ctx: ClassContext) -> None:
    when = "after analysis" if ctx.checker is None else "after its body"
    ctx.report(f"class {ctx.info.name}, {when}", ctx.info.defn, ASKED)
    ctx.report("opt-in", ctx.info.defn, OPT_IN)


def _attribute(ctx: AttributeContext, name: str) -> None:
    ctx.api.fail(f"attribute {name}", ctx.context, code=ASKED)


def _call(ctx: MethodContext) -> None:
    ctx.api.fail(f"call with {len(ctx.args)} parameters", ctx.context, code=ASKED)


def _signature(ctx: MethodSigContext) -> FunctionLike:
    old, number = ctx.default_signature, ctx.api.named_generic_type("builtins.int", [])
    return CallableType([number], old.arg_kinds, old.arg_names, old.ret_type, old.fallback, old.name, old.definition)


def _fail(_: object, *__: object) -> NoReturn:
    raise ValueError("planned")


def _rule(*checks: Check) -> Rule:
    return Rule(ASKED, "", "", "", "", checks)


class AskedPlugin(DDDKitPlugin):
    rules = (
        _rule(
            OnClass(("building.Block", "building.Model"), _class),
            OnAttribute("building.Open", _attribute),
            OnCall(("building.Block",), "add_event", _call),
            OnSignature(("building.Block",), "expect", _signature),
        ),
    )


class FaultyPlugin(DDDKitPlugin):
    rules = (
        _rule(
            OnClass(("building.Block", "building.Model"), _fail),
            OnAttribute("building.Open", _fail),
            OnCall(("building.Block",), "add_event", _fail),
            OnSignature(("building.Block",), "expect", _fail),
        ),
    )


def asked(version: str) -> type[Plugin]:
    return AskedPlugin


def faulty(version: str) -> type[Plugin]:
    return FaultyPlugin
