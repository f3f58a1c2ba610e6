"""Which hook asks which rules; contains no rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from mypy.nodes import TypeInfo
from mypy.options import Options
from mypy.plugin import (
    AttributeContext,
    ClassDefContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Instance, NoneType, Type

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._calls import Calls, Result
from dddkit_mypy._guard import Guard, is_reported
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnAttribute, OnCall, OnClass, OnSignature, Rule
from dddkit_mypy._steps import STEPS
from dddkit_mypy._stories import is_story
from dddkit_mypy.rules import RULES

# Modules that a user's cannot stand in for; mypy analyses the classes of some of them a dozen times.
_NEVER_OURS: Final = ("builtins.", "typing.", "typing_extensions.", "_typeshed.", "types.", "collections.", "abc.")


class _Asked(NamedTuple):
    """The checks that want to be asked about a class."""

    analysed: list[OnAnalysed]
    checked: list[OnClass]


class _Hooks(dict[str, Any]):
    """The hooks for names; that there is none is remembered for those that mean nothing to us.

    mypy asks for each name as often as it occurs in the program, and nearly none of them is ours. A look-up in a
    dictionary costs a third of a call of a method written in Python that begins with a comparison.
    """

    def __init__(self, may_be_ours: Callable[[str], bool], find: Callable[[str], Callable[[Any], Any] | None]) -> None:
        super().__init__()
        self._may_be_ours = may_be_ours
        self._find = find

    def __missing__(self, fullname: str) -> Callable[[Any], Any] | None:
        if self._may_be_ours(fullname):
            return self._find(fullname)  # asked again each time, since classes may change
        self.remember(fullname, None)
        return None

    def remember(self, fullname: str, hook: Callable[[Any], Any] | None) -> None:
        """Answer this from now on, or look for it again when too much has been remembered."""
        if len(self) == _MOST_NAMES:
            self.clear()
        self[fullname] = hook


_MOST_NAMES: Final = 20_000


class DDDKitPlugin(Plugin):
    """What mypy talks to."""

    rules: tuple[Rule, ...] = RULES

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        checks = [check for rule in self.rules for check in rule.checks]
        self._classes: Final = [check for check in checks if isinstance(check, OnClass)]
        self._analysed: Final = [check for check in checks if isinstance(check, OnAnalysed)]
        self._attributes: Final[dict[str, list[OnAttribute]]] = {}
        self._calls: Final[dict[str, list[OnCall]]] = {"__call__": []}
        self._signatures: Final[dict[str, list[OnSignature]]] = {}
        for check in checks:
            if isinstance(check, OnAttribute):
                self._attributes.setdefault(check.owner, []).append(check)
            elif isinstance(check, OnCall):
                self._calls.setdefault(check.name, []).append(check)
            elif isinstance(check, OnSignature):
                self._signatures.setdefault(check.name, []).append(check)
        self._attribute_hooks: Final[dict[str, Callable[[AttributeContext], Type]]] = {}
        owners = tuple([f"{owner}." for owner in self._attributes])
        methods = (".__init_subclass__", *[f".{name}" for name in self._calls])
        signatures = tuple([f".{name}" for name in self._signatures])
        self._method_hooks: Final = _Hooks(lambda name: name.endswith(methods), self._method_hook)
        self._signature_hooks: Final = _Hooks(lambda name: name.endswith(signatures), self._signature_hook)
        attribute_hooks = _Hooks(lambda name: name.startswith(owners), self._attribute_hook)
        for method, hooks in (
            ("get_method_hook", self._method_hooks),
            ("get_method_signature_hook", self._signature_hooks),
            ("get_attribute_hook", attribute_hooks),
        ):
            setattr(self, method, hooks.__getitem__)
        waiting = [check.bases for check in self._classes] + [check.bases for check in self._analysed]
        self._bases: Final = frozenset({names.STORY, *(base for bases in waiting for base in bases)})
        self._asked: Final[dict[tuple[str, ...], _Asked]] = {}
        self._story_calls: Final = Calls()
        self._story_signatures: Final = [
            check for check in self._signatures.get("__call__", ()) if names.STORY in check.bases
        ]

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, Any]:
        """What makes a cache stale: mypy itself looks at our entry module alone."""
        from dddkit_mypy import __version__

        return {"dddkit_mypy": __version__, "codes": [rule.code.code for rule in self.rules]}

    # --- classes ------------------------------------------------------------------------------------------------

    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Wait for the classes that derive from ours to be analysed; no other hook could do it beside pydantic's."""
        if fullname.startswith(_NEVER_OURS):
            return None
        info = self._class(fullname)
        if info is None or self._bases.isdisjoint([base.fullname for base in info.mro[1:]]):
            return None
        return self._await_analysis

    def _await_analysis(self, ctx: ClassDefContext) -> None:
        info = ctx.cls.info
        place = mypy_api.place_of(ctx)
        if place.is_for_daemon:
            mypy_api.forget_made_up(ctx.cls)
        if self._asked_about(info).analysed:
            mypy_api.when_analysed(place, 0, self._note, info)
        if is_story(info):
            self._story_calls.expect(info, place)
            mypy_api.when_analysed(place, 1, self._make, info)
        else:
            mypy_api.when_analysed(place, 2, self._check_unseen, info)

    def _expect_calls(self, info: TypeInfo, result: Result) -> None:
        """Have ready what mypy asks for at each call of a plain story."""
        fullname = f"{info.fullname}.__call__"
        if not self._calls["__call__"]:
            self._method_hooks.remember(fullname, _gives_none if result is Result.NONE else _gives_coroutine)
        self._signature_hooks.remember(fullname, _signature_hook(self._story_signatures, fullname))

    def _note(self, info: TypeInfo, place: mypy_api.Place) -> None:
        for check in self._asked_about(info).analysed:
            with Guard(place, info.defn, info.name):
                place.depend_on(info, check.note(info, place))

    def _make(self, info: TypeInfo, place: mypy_api.Place) -> None:
        with Guard(place, info.defn, info.name):
            self._story_calls.make(info)
            result = self._story_calls.settled_result(info)
            if result is not None:
                self._expect_calls(info, result)
                return
            place.depend_on(info, info.mro)
        if mypy_api.has_own_metaclass(info):
            mypy_api.check_after_body(info)

    def _check_unseen(self, info: TypeInfo, place: mypy_api.Place) -> None:
        """Check a class after whose body mypy will not ask us, now that all others are analysed."""
        with Guard(place, info.defn, info.name):
            place.depend_on(info, info.mro)
        if mypy_api.has_own_metaclass(info):
            self._check_class(ClassContext(info, place, None, place.tree, {}))

    def _class_checked(self, ctx: MethodContext) -> Type:
        checker = mypy_api.checker_of(ctx.api)
        classes = checker.tscope.classes
        if classes and self._story_calls.is_settled(classes[-1]):
            return ctx.default_return_type
        info = mypy_api.class_just_checked(ctx)
        if info is not None:
            shared: dict[str, Any] = {}
            if is_story(info):
                with Guard(checker, ctx.context, info.name):
                    self._story_calls.complete(info, checker.named_generic_type)
                if self._story_calls.are_plain(info):
                    shared[STEPS] = []
            self._check_class(ClassContext(info, checker, checker, checker.tree, shared))
        return ctx.default_return_type

    def _check_class(self, ctx: ClassContext) -> None:
        for check in self._asked_about(ctx.info).checked:
            try:
                check.check(ctx)
            except Exception as error:
                if not is_reported(error, ctx.api, ctx.info.defn, ctx.info.name):
                    raise

    def _asked_about(self, info: TypeInfo) -> _Asked:
        """The checks for children of the bases a class has; they are none for the bases themselves."""
        bases = tuple([base.fullname for base in info.mro[1:] if base.fullname in self._bases])
        asked = self._asked.get(bases)
        if asked is None:
            asked = self._asked[bases] = _Asked(
                [check for check in self._analysed if not set(bases).isdisjoint(check.bases)],
                [check for check in self._classes if not set(bases).isdisjoint(check.bases)],
            )
        return asked

    # --- calls --------------------------------------------------------------------------------------------------

    def _method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Check classes, in the call of `__init_subclass__` that mypy makes up after the body of each; and calls."""
        owner, _, name = fullname.rpartition(".")
        if name == "__init_subclass__":
            self._method_hooks.remember(fullname, self._class_checked)
            return self._class_checked
        checks = self._calls.get(name)
        info = None if checks is None else self._class(owner)
        if checks is None or info is None:
            return None
        asked = [check for check in checks if any(info.has_base(base) for base in check.bases)]
        is_call = name == "__call__" and info.has_base(names.STORY)
        if not asked and not is_call:
            return None

        def hook(ctx: MethodContext) -> Type:
            for check in asked:
                with Guard(ctx.api, ctx.context, fullname):
                    check.check(ctx)
            if is_call:
                with Guard(ctx.api, ctx.context, fullname):
                    return self._result(ctx, info)
            return ctx.default_return_type

        return hook

    def _result(self, ctx: MethodContext, info: TypeInfo) -> Type:
        """What calling a story gives, also where that happens before mypy has inferred the types of its steps."""
        checker = mypy_api.checker_of(ctx.api)
        result = self._story_calls.complete(info, checker.named_generic_type)
        if result is None:
            return mypy_api.generated_result(info) or ctx.default_return_type
        if result is Result.PENDING:
            mypy_api.try_again_later(checker, "__call__", ctx.context)
        return result.type(checker.named_generic_type)

    def _signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Let rules say what a method expects."""
        owner, _, name = fullname.rpartition(".")
        checks = self._signatures.get(name)
        info = None if checks is None else self._class(owner)
        if checks is None or info is None:
            return None
        asked = [check for check in checks if any(info.has_base(base) for base in check.bases)]
        return _signature_hook(asked, fullname) if asked else None

    # --- attributes ---------------------------------------------------------------------------------------------

    def _attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Check the attributes that no class declares."""
        owner, _, name = fullname.rpartition(".")
        checks = self._attributes.get(owner)
        if checks is None:
            return None
        hook = self._attribute_hooks.get(fullname)
        if hook is None:
            hook = self._attribute_hooks[fullname] = _attribute_hook(name, checks)
        return hook

    def _class(self, fullname: str) -> TypeInfo | None:
        symbol = self.lookup_fully_qualified(fullname)
        return symbol.node if symbol is not None and isinstance(symbol.node, TypeInfo) else None


def _signature_hook(checks: list[OnSignature], fullname: str) -> Callable[[MethodSigContext], FunctionLike]:
    def hook(ctx: MethodSigContext) -> FunctionLike:
        signature: FunctionLike = ctx.default_signature
        for check in checks:
            try:
                signature = check.check(ctx)
            except Exception as error:
                if not is_reported(error, ctx.api, ctx.context, fullname):
                    raise
        return signature

    return hook


def _gives_none(_: MethodContext) -> Type:
    return NoneType()


def _gives_coroutine(ctx: MethodContext) -> Type:
    return Result.COROUTINE.type(mypy_api.checker_of(ctx.api).named_generic_type)


def _attribute_hook(name: str, checks: list[OnAttribute]) -> Callable[[AttributeContext], Type]:
    def hook(ctx: AttributeContext) -> Type:
        if isinstance(ctx.type, Instance) and ctx.type.type.get(name) is not None:
            return ctx.default_attr_type  # declared after all
        for check in checks:
            try:
                check.check(ctx, name)
            except Exception as error:
                if not is_reported(error, ctx.api, ctx.context, name):
                    raise
        return ctx.default_attr_type

    return hook
