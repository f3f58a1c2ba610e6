"""The hooks of mypy: one comparison of names rejects most of what they are asked, and the rest is dispatched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

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
from mypy.types import FunctionLike, Type

from dddkit_mypy import _names as names
from dddkit_mypy._codes import CATALOGUE
from dddkit_mypy._index import INDEX, Index
from dddkit_mypy._marks import may_compensate, may_hide_types

if TYPE_CHECKING:
    from dddkit_mypy._dispatch import Dispatch
    from dddkit_mypy.mypy_api import Options

_SMALLEST: Final = 3
"""The length of the MRO of a class that derives from one of ours."""


class DDDKitPlugin(Plugin):
    """The plugin that mypy calls."""

    # mypy looks a hook up for every type of a program. Without a __dict__ to look into, a plugin costs a run without a
    # cache 0.2 per cent of the instructions less.
    __slots__ = (
        "_attribute_prefixes",
        "_bases",
        "_dispatch",
        "_is_for_daemon",
        "_method_suffixes",
        "_no_construction",
        "_of_typeshed",
        "_of_user",
        "_seen",
        "_signature_suffixes",
    )

    index: Index = INDEX

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        index = self.index
        self._dispatch: Dispatch | None = None
        # mypy calls the hooks below for every method call and attribute of a program.
        self._attribute_prefixes: Final = tuple(f"{owner}." for owner in index.attributes)
        self._method_suffixes: Final = (".__init_subclass__", ".__call__", *(f".{name}" for name in index.calls))
        self._signature_suffixes: Final = tuple(f".{name}" for name in index.signatures)
        self._bases: Final = frozenset({names.STORY, *index.classes, *index.analysed})
        self._of_typeshed: Final = {"builtins", "typing", "_typeshed", "types", "typing_extensions"}
        """Modules that come with mypy, whose classes every cold run analyses: none of them can be ours."""
        self._of_user: Final[set[str]] = set()
        self._seen: Final[set[str]] = set()
        """Classes of the user: mypy analyses them again when it has found what the first analysis lacked."""
        self._no_construction: Final[set[str]] = set()
        """What is called, and is no class that rules are asked about."""
        self._is_for_daemon: Final = options.fine_grained_incremental or options.cache_fine_grained
        """Whether nothing may be kept, as everything may be edited."""

    def _new_dispatch(self) -> Dispatch:
        """Return what does the work; a run that needs nothing of it does not import it."""
        from dddkit_mypy._dispatch import Dispatch

        self._dispatch = Dispatch(self.index, self._bases, self.options)
        return self._dispatch

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, Any]:
        """Return what makes mypy's cache invalid when it changes: mypy itself checks our entry module only."""
        from dddkit_mypy import __version__

        return {"dddkit_mypy": __version__, "codes": [code.code for code in CATALOGUE]}

    # --- classes ------------------------------------------------------------------------------------------------

    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Prepare work on each class that derives from ours; only this hook works together with pydantic's plugin."""
        owner = fullname.rpartition(".")[0]
        if owner in self._of_typeshed or fullname in self._seen:
            return None
        info = self._class(fullname)
        if info is None or (info.module_name not in self._of_user and self._comes_with_mypy(info, owner)):
            return None
        if not self._is_for_daemon:
            self._seen.add(fullname)
        if len(info.mro) >= _SMALLEST:
            bases = [base.fullname for base in info.mro[1:]]
            if not self._bases.isdisjoint(bases):
                return (self._dispatch or self._new_dispatch()).prepare
            if names.STORY_STATE in bases and may_hide_types(info.defn):
                return (self._dispatch or self._new_dispatch()).prepare_state
        return (self._dispatch or self._new_dispatch()).prepare_mixin if may_compensate(info.defn) else None

    def _comes_with_mypy(self, info: TypeInfo, owner: str) -> bool:
        module = None if self._modules is None else self._modules.get(info.module_name)
        comes_with_mypy = module is not None and module.is_typeshed_file(self.options)
        if not self._is_for_daemon:  # which sees new modules, that may have the same name
            (self._of_typeshed if comes_with_mypy else self._of_user).add(owner)
        return comes_with_mypy

    # --- calls --------------------------------------------------------------------------------------------------

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return the hook on a call; the one on `__init_subclass__` checks a class, as mypy calls it after the body."""
        if not fullname.endswith(self._method_suffixes):
            return None
        if fullname.endswith(".__init_subclass__"):
            return (self._dispatch or self._new_dispatch()).check_after_body
        owner, _, name = fullname.rpartition(".")
        info = self._class(owner)
        if info is None:
            return None
        is_call = name == "__call__" and info.has_base(names.STORY)
        bases = [base for base in self.index.calls.get(name, ()) if info.has_base(base)]
        return (
            (self._dispatch or self._new_dispatch()).hook_on_call(info, fullname, bases, is_call)
            if bases or is_call
            else None
        )

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return the hook by which rules change the signature of a method."""
        if not fullname.endswith(self._signature_suffixes):
            return None
        owner, _, name = fullname.rpartition(".")
        info = self._class(owner)
        if info is None:
            return None
        bases = [base for base in self.index.signatures[name] if info.has_base(base)]
        return (self._dispatch or self._new_dispatch()).hook_on_signature(fullname, bases) if bases else None

    # --- attributes ---------------------------------------------------------------------------------------------

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return the hook on an attribute that no class declares, or on the generated `__call__` of a story."""
        if fullname.startswith(self._attribute_prefixes):
            owner, _, name = fullname.rpartition(".")
            return (
                (self._dispatch or self._new_dispatch()).hook_on_attribute(owner, name)
                if owner in self.index.attributes
                else None
            )
        if fullname.endswith(".__call__"):
            info = self._class(fullname.removesuffix(".__call__"))
            if info is not None and info.fullname != names.STORY and info.has_base(names.STORY):
                return (self._dispatch or self._new_dispatch()).hook_on_callback(fullname)
        return None

    # --- constructions ------------------------------------------------------------------------------------------

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return the hook on a call of a class."""
        if fullname in self._no_construction:
            return None
        info = self._class(fullname)
        bases = [] if info is None else [base for base in self.index.constructions if info.has_base(base)]
        if info is None or not bases:
            if not self._is_for_daemon:
                self._no_construction.add(fullname)
            return None
        return (self._dispatch or self._new_dispatch()).hook_on_construction(info, bases)

    def _class(self, fullname: str) -> TypeInfo | None:
        symbol = self.lookup_fully_qualified(fullname)
        return symbol.node if symbol is not None and isinstance(symbol.node, TypeInfo) else None
