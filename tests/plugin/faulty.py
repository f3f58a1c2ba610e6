"""Two plugins that show the dispatch from outside: the rules of one report each call, the rules of the other fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from mypy.plugin import AttributeContext, MethodContext, MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike

from dddkit_mypy._codes import new_code
from dddkit_mypy._index import Index
from dddkit_mypy._plugin import DDDKitPlugin
from dddkit_mypy._rule import Check, ClassContext, OnAttribute, OnCall, OnClass, OnSignature, Rule

CALLED: Final = new_code("dddkit-called", "Report each call of a rule")
OPT_IN: Final = new_code("dddkit-called-opt-in", "Report it when it is enabled", opt_in=True)


def _class(ctx: ClassContext) -> None:
    when = "after analysis" if ctx.checker is None else "after its body"
    ctx.report(f"class {ctx.info.name}, {when}", ctx.info.defn, CALLED)
    ctx.report("opt-in", ctx.info.defn, OPT_IN)


def _attribute(ctx: AttributeContext, name: str) -> None:
    ctx.api.fail(f"attribute {name}", ctx.context, code=CALLED)


def _call(ctx: MethodContext) -> None:
    ctx.api.fail(f"call with {len(ctx.args)} parameters", ctx.context, code=CALLED)


def _signature(ctx: MethodSigContext) -> FunctionLike:
    old, number = ctx.default_signature, ctx.api.named_generic_type("builtins.int", [])
    return CallableType([number], old.arg_kinds, old.arg_names, old.ret_type, old.fallback, old.name, old.definition)


def _fail(_: object, *__: object) -> NoReturn:
    raise ValueError("planned")


def _index(
    on_class: OnClass, on_attribute: OnAttribute, on_calls: Sequence[OnCall], on_signatures: Sequence[OnSignature]
) -> Index:
    checks: tuple[Check, ...] = (on_class, on_attribute, *on_calls, *on_signatures)
    return Index(
        ["only"],
        lambda _: Rule(CALLED, "", "", "", checks),
        classes={key: ["only"] for key in on_class.bases},
        analysed={},
        attributes={on_attribute.owner: ["only"]},
        constructions={},
        calls=_tables(on_calls),
        signatures=_tables(on_signatures),
        opt_in={},
    )


def _tables(checks: Sequence[OnCall | OnSignature]) -> dict[str, dict[str, list[str]]]:
    tables: dict[str, dict[str, list[str]]] = {}
    for check in checks:
        tables.setdefault(check.name, {}).update({key: ["only"] for key in check.bases})
    return tables


class CalledPlugin(DDDKitPlugin):
    index = _index(
        OnClass(("building.Block", "building.Model"), _class),
        OnAttribute("building.Open", _attribute),
        [OnCall(("building.Block",), "add_event", _call), OnCall(("building.Open",), "add_event", _fail)],
        [OnSignature(("building.Block",), "expect", _signature), OnSignature(("building.Open",), "expect", _fail)],
    )


class FaultyPlugin(DDDKitPlugin):
    index = _index(
        OnClass(("building.Block", "building.Model"), _fail),
        OnAttribute("building.Open", _fail),
        [OnCall(("building.Block",), "add_event", _fail)],
        [OnSignature(("building.Block",), "expect", _fail)],
    )


def called(version: str) -> type[Plugin]:
    return CalledPlugin


def faulty(version: str) -> type[Plugin]:
    return FaultyPlugin
