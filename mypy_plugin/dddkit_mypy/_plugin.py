"""Which hook of mypy calls which rules, as tables; no rule is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from mypy.nodes import TypeInfo
from mypy.plugin import (
    AttributeContext,
    ClassDefContext,
    FunctionContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Instance, Type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._guard import Guard, is_reported
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnAttribute, OnCall, OnClass, OnConstruction, OnSignature, Rule
from dddkit_mypy.rules import RULES
from dddkit_mypy.stories.call_type import CallTypes, Result, anything_if_others_are_async, type_as_callback
from dddkit_mypy.stories.compensations import may_declare, store_of_mixin
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.steps import SIMPLE_STEPS


class _Checks(NamedTuple):
    """The checks for a class."""

    analysed: list[OnAnalysed]
    checked: list[tuple[Rule, OnClass]]
    """Each with its rule: an opt-in rule that is not enabled is not called."""


_SMALLEST: Final = 3
"""The length of the MRO of a class that derives from one of ours."""
_NEVER_OURS: Final = ("builtins.", "typing.", "_typeshed.", "types.", "typing_extensions.")
"""How the names of the classes begin that every run of mypy analyses."""


class DDDKitPlugin(Plugin):
    """The plugin that mypy calls."""

    rules: tuple[Rule, ...] = RULES

    def __init__(self, options: mypy_api.Options) -> None:
        super().__init__(options)
        checks = [check for rule in self.rules for check in rule.checks]
        self._classes: Final = [
            (rule, check) for rule in self.rules for check in rule.checks if isinstance(check, OnClass)
        ]
        self._analysed: Final = [check for check in checks if isinstance(check, OnAnalysed)]
        self._attributes: Final[dict[str, list[OnAttribute]]] = {}
        self._constructions: Final = [check for check in checks if isinstance(check, OnConstruction)]
        self._calls: Final[dict[str, list[OnCall]]] = {"__call__": []}
        self._signatures: Final[dict[str, list[OnSignature]]] = {}
        for check in checks:
            if isinstance(check, OnAttribute):
                self._attributes.setdefault(check.owner, []).append(check)
            elif isinstance(check, OnCall):
                self._calls.setdefault(check.name, []).append(check)
            elif isinstance(check, OnSignature):
                self._signatures.setdefault(check.name, []).append(check)
        # mypy calls the hooks below for every method call and attribute of a program; one comparison rejects most.
        self._attribute_prefixes: Final = tuple(f"{owner}." for owner in self._attributes)
        self._method_suffixes: Final = (".__init_subclass__", *(f".{name}" for name in self._calls))
        self._signature_suffixes: Final = tuple(f".{name}" for name in self._signatures)
        bases_of_checks = [check.bases for check in checks if isinstance(check, (OnClass, OnAnalysed))]
        self._bases: Final = frozenset({names.STORY, *(base for bases in bases_of_checks for base in bases)})
        self._checks: Final[dict[frozenset[str], _Checks]] = {}
        self._prepared: Final[set[TypeInfo]] = set()
        """Not in the daemon. mypy analyses a class again when it has found what the first analysis lacked."""
        self._of_analysis: Final[dict[Any, Any]] = {}
        self._of_check: Final[dict[Any, Any]] = {}
        self._call_types: Final = CallTypes()

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, Any]:
        """Return what makes mypy's cache invalid when it changes: mypy itself checks our entry module only."""
        from dddkit_mypy import __version__

        return {"dddkit_mypy": __version__, "codes": [rule.code.code for rule in self.rules]}

    # --- classes ------------------------------------------------------------------------------------------------

    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Prepare work on each class that derives from ours; only this hook works together with pydantic's plugin."""
        if fullname.startswith(_NEVER_OURS):
            return None
        info = self._class(fullname)
        if info is None:
            return None
        if len(info.mro) < _SMALLEST or info in self._prepared or not self._bases_of(info):
            return self._prepare_mixin if may_declare(info.defn) else None
        return self._prepare

    def _prepare_mixin(self, ctx: ClassDefContext) -> None:
        mypy_api.run_when_analysed(mypy_api.analysis_scope_of(ctx), 0, self._store_compensations)

    def _store_compensations(self, scope: mypy_api.AnalysisScope) -> None:
        if not scope.info.has_base(names.STORY):
            with Guard(scope, scope.info.defn, scope.info.name):
                store_of_mixin(scope)

    def _prepare(self, ctx: ClassDefContext) -> None:
        scope = mypy_api.analysis_scope_of(ctx)
        if scope.is_for_daemon:
            mypy_api.remove_added_statements(ctx.cls)
        else:
            self._prepared.add(scope.info)
        if self._checks_for(scope.info).analysed:
            mypy_api.run_when_analysed(scope, 0, self._store)
        if is_story(scope.info):
            self._call_types.expect(scope)
            mypy_api.run_when_analysed(scope, 1, self._generate_call)
        else:
            mypy_api.run_when_analysed(scope, 2, self._check_without_hook)

    def _store(self, scope: mypy_api.AnalysisScope) -> None:
        info = scope.info
        for check in self._checks_for(info).analysed:
            with Guard(scope, info.defn, info.name):
                mypy_api.dependencies_of(scope).add_declarations(check.store(scope))

    def _generate_call(self, scope: mypy_api.AnalysisScope) -> None:
        info = scope.info
        with Guard(scope, info.defn, info.name):
            self._call_types.generate(info)
            if self._call_types.is_correct(info):
                return
            mypy_api.dependencies_of(scope).add_declarations(info.mro)
        if mypy_api.has_own_metaclass(info):
            mypy_api.add_init_subclass_call(info)

    def _check_without_hook(self, scope: mypy_api.AnalysisScope) -> None:
        """Check a class now, if mypy will call no hook after its body; all other classes have been analysed."""
        info = scope.info
        with Guard(scope, info.defn, info.name):
            mypy_api.dependencies_of(scope).add_declarations(info.mro)
        if mypy_api.has_own_metaclass(info):
            of_run = {} if scope.is_for_daemon else self._of_analysis
            self._check_class(ClassContext(info, scope, None, scope.tree, {}, of_run))

    def _check_after_body(self, ctx: MethodContext) -> Type:
        checker = mypy_api.checker_of(ctx.api)
        classes = checker.tscope.classes
        if classes and self._call_types.is_correct(classes[-1]):
            return ctx.default_return_type
        info = mypy_api.class_just_checked(ctx)
        if info is None:
            return ctx.default_return_type
        bases = self._bases_of(info)
        if bases:
            shared: dict[str, Any] = {}
            if names.STORY in bases:
                shared[SIMPLE_STEPS] = self._call_types.simple_steps_of(info)
                with Guard(checker, ctx.context, info.name):
                    self._call_types.complete(info, checker.named_generic_type)
            of_run = {} if mypy_api.is_for_daemon(checker.options) else self._of_check
            self._check_class(ClassContext(info, checker, checker, checker.tree, shared, of_run))
        return ctx.default_return_type

    def _check_class(self, ctx: ClassContext) -> None:
        enabled = ctx.api.options.enabled_error_codes
        for rule, check in self._checks_for(ctx.info).checked:
            if rule.code.default_enabled or rule.code in enabled:
                try:
                    check.check(ctx)
                except Exception as error:
                    if not is_reported(error, ctx.api, ctx.info.defn, ctx.info.name):
                        raise

    def _checks_for(self, info: TypeInfo) -> _Checks:
        """Return the checks for classes that derive from the bases of a class."""
        bases = self._bases_of(info)
        found = self._checks.get(bases)
        if found is None:
            found = self._checks[bases] = _Checks(
                [check for check in self._analysed if not bases.isdisjoint(check.bases)],
                [(rule, check) for rule, check in self._classes if not bases.isdisjoint(check.bases)],
            )
        return found

    def _bases_of(self, info: TypeInfo) -> frozenset[str]:
        """Return the bases of a class that checks ask for; a base itself has no checks of its own."""
        return self._bases.intersection([base.fullname for base in info.mro[1:]])

    # --- calls --------------------------------------------------------------------------------------------------

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return the hook on a call; the one on `__init_subclass__` checks a class, as mypy calls it after the body."""
        if not fullname.endswith(self._method_suffixes):
            return None
        owner, _, name = fullname.rpartition(".")
        if name == "__init_subclass__":
            return self._check_after_body
        info = self._class(owner)
        if info is None:
            return None
        checks = [check for check in self._calls[name] if any(info.has_base(base) for base in check.bases)]
        is_call = name == "__call__" and info.has_base(names.STORY)
        if not checks and not is_call:
            return None

        def hook(ctx: MethodContext) -> Type:
            for check in checks:
                with Guard(ctx.api, ctx.context, fullname):
                    check.check(ctx)
            if is_call:
                with Guard(ctx.api, ctx.context, fullname):
                    return self._result(ctx, info)
            return ctx.default_return_type

        return hook

    def _result(self, ctx: MethodContext, info: TypeInfo) -> Type:
        """Return the result of calling a story, also before mypy has inferred the types of its steps."""
        checker = mypy_api.checker_of(ctx.api)
        result = self._call_types.complete(info, checker.named_generic_type)
        if result is None:
            type_ = mypy_api.generated_call_result(info) or ctx.default_return_type
            return anything_if_others_are_async(type_, checker, ctx.context)
        if result is Result.PENDING:
            mypy_api.check_again_later(checker, "__call__", ctx.context)
        return result.type(checker.named_generic_type)

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return the hook by which rules change the signature of a method."""
        if not fullname.endswith(self._signature_suffixes):
            return None
        owner, _, name = fullname.rpartition(".")
        info = self._class(owner)
        if info is None:
            return None
        checks = [check for check in self._signatures[name] if any(info.has_base(base) for base in check.bases)]
        if not checks:
            return None

        def hook(ctx: MethodSigContext) -> FunctionLike:
            signature: FunctionLike = ctx.default_signature
            for check in checks:
                with Guard(ctx.api, ctx.context, fullname):
                    signature = check.check(ctx)
            return signature

        return hook

    # --- attributes ---------------------------------------------------------------------------------------------

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return the hook on an attribute that no class declares."""
        if not fullname.startswith(self._attribute_prefixes):
            return self._callback_hook(fullname) if fullname.endswith(".__call__") else None
        owner, _, name = fullname.rpartition(".")
        checks = self._attributes.get(owner)
        if checks is None:
            return None

        def hook(ctx: AttributeContext) -> Type:
            if isinstance(ctx.type, Instance) and ctx.type.type.get(name) is not None:
                return ctx.default_attr_type  # a class declares it
            for check in checks:
                with Guard(ctx.api, ctx.context, name):
                    check.check(ctx, name)
            return ctx.default_attr_type

        return hook

    def _callback_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return the hook on the generated `__call__` of a story."""
        info = self._class(fullname.removesuffix(".__call__"))
        if info is None or not is_story(info):
            return None

        def hook(ctx: AttributeContext) -> Type:
            with Guard(ctx.api, ctx.context, fullname):
                return type_as_callback(ctx)
            return ctx.default_attr_type

        return hook

    # --- constructions ------------------------------------------------------------------------------------------

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return the hook on a call of a class."""
        name = fullname[fullname.rfind(".") + 1 :]
        if not name[:1].isupper():  # most calls are of functions
            return None
        info = self._class(fullname)
        if info is None:
            return None
        made = info
        checks = [check for check in self._constructions if info.has_base(check.base)]
        if not checks:
            return None

        def hook(ctx: FunctionContext) -> Type:
            for check in checks:
                with Guard(ctx.api, ctx.context, name):
                    check.check(ctx, made)
            return ctx.default_return_type

        return hook

    def _class(self, fullname: str) -> TypeInfo | None:
        symbol = self.lookup_fully_qualified(fullname)
        return symbol.node if symbol is not None and isinstance(symbol.node, TypeInfo) else None
