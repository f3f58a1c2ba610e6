"""Classes that are not frozen, although their base is."""

from __future__ import annotations

from typing import Final, NamedTuple

from mypy.errorcodes import ErrorCode
from mypy.nodes import ARG_STAR2, CallExpr, Context, Expression, NameExpr, RefExpr, TypeInfo

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext
from dddkit_mypy.blocks.decorators import name_of, text_of
from dddkit_mypy.blocks.model_config import Reader, Setting, truth_of


class Thaw(NamedTuple):
    """The decorator or configuration that makes a class not frozen, although its base is."""

    node: Context
    advice: str


def report_thaw(ctx: ClassContext, kind: str, code: ErrorCode) -> None:
    """Report a class that is not frozen, although its base is; `kind` says in the message what the class is."""
    info = ctx.info
    reader = Reader(ctx.tree)
    thaw = _thaw_of_dataclass(info, reader) if info.has_base(names.FROZEN) else _thaw_of_model(info, reader)
    if thaw is not None:
        ctx.report(f"{info.name} is {kind}, but not frozen; {thaw.advice}", thaw.node, code)


def _thaw_of_dataclass(info: TypeInfo, reader: Reader) -> Thaw | None:
    """Return the decorator that makes the class not frozen; None where it is frozen, or cannot be known to be not."""
    decorators = mypy_api.making_dataclasses(info.defn)
    if _is_frozen(info) is not False or len(decorators) != 1:
        return None
    if any(_is_frozen(base) is False for base in info.mro[1:] if base.has_base(names.FROZEN)):
        return None  # reported there
    decorator = decorators[0]
    given: dict[str | None, Expression] = {}
    if isinstance(decorator, CallExpr):
        given = dict(zip(decorator.arg_names, decorator.args, strict=True))
        if ARG_STAR2 in decorator.arg_kinds or "on_setattr" in given:
            return None  # computed; attrs may freeze it by a hook
    if "frozen" in given:
        if truth_of(given["frozen"]) is not False:
            return None
    elif "attrs" not in info.metadata and name_of(decorator) not in _DATACLASS:
        return None  # a decorator of the user, which may freeze it itself
    elif "config" in given:
        setting = reader.of(given["config"])
        if setting is not None and setting.value is not False:
            return None
    return Thaw(decorator, _freezing(decorator))


def _freezing(decorator: Expression) -> str:
    """Return how to write a decorator that freezes: with what it has been given, where that is simple."""
    written = ["frozen=True"]
    for name, value in zip(decorator.arg_names, decorator.args, strict=True) if isinstance(decorator, CallExpr) else ():
        if name != "frozen":
            if name is None or not isinstance(value, NameExpr):
                return f"give @{text_of(decorator)} frozen=True"
            written.append(f"{name}={value.name}")
    return f"write @{text_of(decorator)}({', '.join(written)})"


_DATACLASS: Final = ("dataclasses.dataclass", "pydantic.dataclasses.dataclass")


def _is_frozen(info: TypeInfo) -> bool | None:
    """Whether a dataclass, or a class of attrs, is frozen for mypy; None for any other class."""
    for maker in ("dataclass", "attrs"):
        if maker in info.metadata:
            return bool(info.metadata[maker]["frozen"])
    return None


def _thaw_of_model(info: TypeInfo, reader: Reader) -> Thaw | None:
    setting = reader.effective(info)
    if setting is None or setting.value is not False:
        return None
    for base in info.mro[1:]:
        if any(base.has_base(name) for name in names.FROZEN_MODELS):
            inherited = reader.effective(base)
            if inherited is not None and inherited.value is False:
                return None  # reported there
    return Thaw(setting.node or _base_in_source(info, setting), _advice(setting))


def _advice(setting: Setting) -> str:
    if setting.base is not None:
        base = setting.base.name
        return f"its base {base} says frozen=False: write model_config = ConfigDict(frozen=True) in its body"
    return f"leave frozen=False out of {setting.constant}" if setting.constant else "leave out frozen=False"


def _base_in_source(info: TypeInfo, setting: Setting) -> Context:
    """Return the base that thaws a class, where its class statement names it."""
    for expression in info.defn.base_type_exprs:
        if isinstance(expression, RefExpr) and expression.node is setting.base:
            return expression
    return info.defn
