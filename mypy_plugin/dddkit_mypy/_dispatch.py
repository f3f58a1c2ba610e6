"""What the hooks of mypy do: they call the checks that `_index.py` finds, and give stories a `__call__`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from mypy.errorcodes import ErrorCode
from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, ClassDefContext, FunctionContext, MethodContext, MethodSigContext
from mypy.types import FunctionLike, Instance, Type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._guard import Guard, is_reported
from dddkit_mypy._index import Index
from dddkit_mypy._marks import may_compensate
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnAttribute, OnCall, OnClass, OnConstruction, OnSignature
from dddkit_mypy.stories.call_type import CallTypes, Result, anything_if_others_are_async, type_as_callback
from dddkit_mypy.stories.compensations import store_of_mixin
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.steps import KNOWN_STORY
from dddkit_mypy.stories.suspects import rules_to_ask


class Dispatch:
    """The work of the plugin."""

    def __init__(self, index: Index, bases: frozenset[str], options: mypy_api.Options) -> None:
        self._index: Final = index
        self._bases: Final = bases
        """Those that the checks for classes ask for."""
        self._is_for_daemon: Final = mypy_api.is_for_daemon(options)
        self._analysed: Final[dict[frozenset[str], list[OnAnalysed]]] = {}
        self._classes: Final[dict[frozenset[str], tuple[list[str], list[tuple[str, ErrorCode]]]]] = {}
        """The names of the rules that are on by default; those of the others, with the code that must be enabled."""
        self._checks: Final[dict[tuple[str, frozenset[str]], list[Callable[[ClassContext], None]]]] = {}
        self._prepared: Final[dict[TypeInfo, frozenset[str]]] = {}
        """The classes of this run that derive from ours, with the bases that checks ask for. None in the daemon."""
        self._on_call: Final[dict[tuple[str, ...], list[OnCall]]] = {}
        self._on_signature: Final[dict[tuple[str, ...], list[OnSignature]]] = {}
        self._of_analysis: Final[dict[Any, Any]] = {}
        self._of_check: Final[dict[Any, Any]] = {}
        self._call_types: Final = CallTypes()

    # --- classes under analysis ---------------------------------------------------------------------------------

    def prepare(self, ctx: ClassDefContext) -> None:
        """Prepare work on a class that derives from ours."""
        scope = mypy_api.analysis_scope_of(ctx)
        if self._is_for_daemon:
            mypy_api.remove_added_statements(ctx.cls)
        else:
            self._prepared[scope.info] = self._bases_of(scope.info)
        if self._analysed_for(scope.info):
            mypy_api.run_when_analysed(scope, 0, self._store)
        if is_story(scope.info):
            self._call_types.expect(scope)
            mypy_api.run_when_analysed(scope, 1, self._generate_call)
        else:
            if may_compensate(ctx.cls):
                mypy_api.run_when_analysed(scope, 0, self._store_compensations)
            mypy_api.run_when_analysed(scope, 2, self._check_without_hook)

    def prepare_mixin(self, ctx: ClassDefContext) -> None:
        """Prepare work on a class that may declare compensations, and that no check asks for."""
        mypy_api.run_when_analysed(mypy_api.analysis_scope_of(ctx), 0, self._store_compensations)

    def prepare_state(self, ctx: ClassDefContext) -> None:
        """Prepare work on a State with a field whose annotation mypy may shorten."""
        mypy_api.run_when_analysed(mypy_api.analysis_scope_of(ctx), 0, self._store_unseen_fields)

    def _store_unseen_fields(self, scope: mypy_api.AnalysisScope) -> None:
        from dddkit_mypy.blocks.written_fields import store_unseen_fields

        with Guard(scope, scope.info.defn, scope.info.name):
            store_unseen_fields(scope)

    def _store_compensations(self, scope: mypy_api.AnalysisScope) -> None:
        if not scope.info.has_base(names.STORY):
            with Guard(scope, scope.info.defn, scope.info.name):
                store_of_mixin(scope)

    def _store(self, scope: mypy_api.AnalysisScope) -> None:
        info = scope.info
        for check in self._analysed_for(info):
            with Guard(scope, info.defn, info.name):
                mypy_api.dependencies_of(scope).add_declarations(check.store(scope))

    def _generate_call(self, scope: mypy_api.AnalysisScope) -> None:
        info = scope.info
        try:
            self._call_types.generate(info)
        except Exception as error:
            if not is_reported(error, scope, info.defn, info.name):
                raise
        if info in self._call_types.correct:
            return
        if mypy_api.has_own_metaclass(info):
            mypy_api.add_init_subclass_call(info)

    def _check_without_hook(self, scope: mypy_api.AnalysisScope) -> None:
        """Check a class now, if mypy will call no hook after its body; all other classes have been analysed."""
        info = scope.info
        with Guard(scope, info.defn, info.name):
            mypy_api.dependencies_of(scope).add_declarations(info.mro)
        if mypy_api.has_own_metaclass(info):
            of_run = {} if self._is_for_daemon else self._of_analysis
            self._check_class(ClassContext(info, scope, None, scope.tree, {}, of_run), self._bases_of(info))

    # --- classes whose bodies have been checked -----------------------------------------------------------------

    def check_after_body(self, ctx: MethodContext) -> Type:
        """Check a class, in the hook on `__init_subclass__`."""
        checker = mypy_api.checker_of(ctx.api)
        classes = checker.tscope.classes
        if classes and not self._is_for_daemon and checker.tscope.function is None:
            last = classes[-1]  # the class itself, but for a call in the source, which counts for nothing
            if last in self._call_types.correct or not self._bases_of(last):
                return ctx.default_return_type
        info = mypy_api.class_just_checked(ctx)
        if info is None:
            return ctx.default_return_type
        bases = self._bases_of(info)
        if bases:
            of_run = {} if self._is_for_daemon else self._of_check
            context = ClassContext(info, checker, checker, checker.tree, {}, of_run)
            self._check_class(context, bases, self._rules_for_story(context, bases) if names.STORY in bases else None)
        return ctx.default_return_type

    def _rules_for_story(self, ctx: ClassContext, bases: frozenset[str]) -> Collection[str] | None:
        """Complete the type of calling a story; return the rules that may have something to say; None for all."""
        story = ctx.shared[KNOWN_STORY] = self._call_types.known_of(ctx.info)
        try:
            if ctx.checker is not None and (story is None or mypy_api.metadata_of(ctx.info)["pending"]):
                self._call_types.complete(ctx.info, ctx.checker.named_generic_type)
            return None if story is None or len(bases) > 1 else rules_to_ask(ctx, story)
        except Exception as error:
            if not is_reported(error, ctx.api, ctx.info.defn, ctx.info.name):
                raise
            return None

    def _check_class(self, ctx: ClassContext, bases: frozenset[str], asked: Collection[str] | None = None) -> None:
        """Call the rules about a class: of those that are on by default, those that are asked."""
        rules, opt_in = self._rules_for(bases)
        if asked is not None:
            rules = [name for name in rules if name in asked] if asked else []
        enabled = ctx.api.options.enabled_error_codes
        if enabled:
            rules = rules + [name for name, code in opt_in if code in enabled]
        for name in rules:
            for check in self._checks_of(name, bases):
                try:
                    check(ctx)
                except Exception as error:
                    if not is_reported(error, ctx.api, ctx.info.defn, ctx.info.name):
                        raise

    def _bases_of(self, info: TypeInfo) -> frozenset[str]:
        """Return the bases of a class that checks ask for; a base itself has no checks of its own."""
        return self._prepared.get(info) or self._bases.intersection([base.fullname for base in info.mro[1:]])

    def _analysed_for(self, info: TypeInfo) -> list[OnAnalysed]:
        bases = self._bases_of(info)
        found = self._analysed.get(bases)
        if found is None:
            rules = self._index.rules(self._index.analysed, bases)
            checks = [check for rule in rules for check in rule.checks if isinstance(check, OnAnalysed)]
            found = self._analysed[bases] = [check for check in checks if not bases.isdisjoint(check.bases)]
        return found

    def _rules_for(self, bases: frozenset[str]) -> tuple[list[str], list[tuple[str, ErrorCode]]]:
        """Return the rules about classes that derive from these bases, and those that are off, with their codes."""
        found = self._classes.get(bases)
        if found is None:
            index = self._index
            rules = index.names(index.classes, bases)
            opt_in = [(name, index.opt_in[name]) for name in rules if name in index.opt_in]
            found = self._classes[bases] = ([name for name in rules if name not in index.opt_in], opt_in)
        return found

    def _checks_of(self, name: str, bases: frozenset[str]) -> list[Callable[[ClassContext], None]]:
        """Return the checks of a rule for classes that derive from these bases."""
        found = self._checks.get((name, bases))
        if found is None:
            checks = [check for check in self._index.rule_named(name).checks if isinstance(check, OnClass)]
            found = self._checks[name, bases] = [check.check for check in checks if not bases.isdisjoint(check.bases)]
        return found

    # --- calls and attributes -----------------------------------------------------------------------------------

    def hook_on_call(
        self, info: TypeInfo, fullname: str, bases: Sequence[str], is_story: bool
    ) -> Callable[[MethodContext], Type]:
        """Return the hook on a call of a method; of some bases of its class, rules are asked there."""
        name = fullname.rpartition(".")[2]
        asked = (name, *bases)
        checks = self._on_call.get(asked)
        if checks is None:
            checks = self._on_call[asked] = [
                check
                for rule in self._index.rules(self._index.calls.get(name, {}), bases)
                for check in rule.checks
                if isinstance(check, OnCall) and check.name == name and not set(bases).isdisjoint(check.bases)
            ]

        def hook(ctx: MethodContext) -> Type:
            for check in checks:
                with Guard(ctx.api, ctx.context, fullname):
                    check.check(ctx)
            if is_story:
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

    def hook_on_signature(self, fullname: str, bases: Sequence[str]) -> Callable[[MethodSigContext], FunctionLike]:
        """Return the hook by which rules change the signature of a method."""
        name = fullname.rpartition(".")[2]
        asked = (name, *bases)
        checks = self._on_signature.get(asked)
        if checks is None:
            checks = self._on_signature[asked] = [
                check
                for rule in self._index.rules(self._index.signatures[name], bases)
                for check in rule.checks
                if isinstance(check, OnSignature) and check.name == name and not set(bases).isdisjoint(check.bases)
            ]

        def hook(ctx: MethodSigContext) -> FunctionLike:
            signature: FunctionLike = ctx.default_signature
            for check in checks:
                with Guard(ctx.api, ctx.context, fullname):
                    signature = check.check(ctx)
            return signature

        return hook

    def hook_on_attribute(self, owner: str, name: str) -> Callable[[AttributeContext], Type]:
        """Return the hook on an attribute that no class declares."""
        rules = self._index.rules(self._index.attributes, [owner])
        checks = [
            check for rule in rules for check in rule.checks if isinstance(check, OnAttribute) and check.owner == owner
        ]

        def hook(ctx: AttributeContext) -> Type:
            if isinstance(ctx.type, Instance) and ctx.type.type.get(name) is not None:
                return ctx.default_attr_type  # a class declares it
            for check in checks:
                with Guard(ctx.api, ctx.context, name):
                    check.check(ctx, name)
            return ctx.default_attr_type

        return hook

    def hook_on_callback(self, fullname: str) -> Callable[[AttributeContext], Type]:
        """Return the hook on the generated `__call__` of a story."""

        def hook(ctx: AttributeContext) -> Type:
            with Guard(ctx.api, ctx.context, fullname):
                return type_as_callback(ctx)
            return ctx.default_attr_type

        return hook

    def hook_on_construction(self, info: TypeInfo, bases: Sequence[str]) -> Callable[[FunctionContext], Type]:
        """Return the hook on a call of a class."""
        rules = self._index.rules(self._index.constructions, bases)
        checks = [
            check
            for rule in rules
            for check in rule.checks
            if isinstance(check, OnConstruction) and check.base in bases
        ]

        def hook(ctx: FunctionContext) -> Type:
            for check in checks:
                with Guard(ctx.api, ctx.context, info.name):
                    check.check(ctx, info)
            return ctx.default_return_type

        return hook
