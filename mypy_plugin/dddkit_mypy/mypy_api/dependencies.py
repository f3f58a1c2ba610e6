"""What a diagnostic depends on, so that mypy checks its target again when that changes, imported there or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mypy.checker import TypeChecker
from mypy.indirection import TypeIndirectionVisitor
from mypy.nodes import MypyFile, TypeInfo
from mypy.options import Options
from mypy.server.trigger import make_trigger, make_wildcard_trigger
from mypy.types import Type

from dddkit_mypy.mypy_api.analysis import AnalysisScope
from dddkit_mypy.mypy_api.classes import is_never_edited
from dddkit_mypy.mypy_api.metadata import METADATA, private_name


class Dependencies:
    """The dependencies of the target that mypy is analysing or checking.

    An ordinary run knows only dependencies between modules. The daemon knows triggers, which are names of classes,
    members and modules; it checks the target again when one of them fires.
    """

    __slots__ = ("_in_daemon", "_module_refs", "_own", "_target", "_tree")

    def __init__(
        self,
        tree: MypyFile,
        module_refs: set[str],
        options: Options,
        target: Callable[[], str],
        own: TypeInfo | None = None,
    ) -> None:
        self._tree = tree
        self._own = own
        self._module_refs = module_refs
        self._in_daemon = options.fine_grained_incremental or options.cache_fine_grained
        self._target = target

    def add_modules_of(self, classes: Iterable[TypeInfo]) -> None:
        """Depend on the modules of classes, in ordinary runs."""
        self._module_refs.update([info.module_name for info in classes])

    def add_types(self, classes: Iterable[TypeInfo], types: Iterable[Type], modules: Iterable[str] = ()) -> None:
        """Depend on classes, and in ordinary runs on the modules of types, and on other modules."""
        used = set(classes)
        self.add_modules_of(used)
        self._module_refs.update(modules_of(types), modules)
        if self._in_daemon:
            for info in used:
                self._add_triggers(make_trigger(info.fullname), make_wildcard_trigger(info.fullname))

    def add_declarations(self, classes: Iterable[TypeInfo]) -> None:
        """Depend on everything that classes declare, members that the plugin generates included.

        The class under analysis does not depend on itself.
        """
        edited = [info for info in classes if info is not self._own and not is_never_edited(info)]
        self.add_modules_of(edited)
        if self._in_daemon:
            # Names with two underscores are not part of the wildcard before mypy 2.
            names = ("__call__", "__init__", private_name(METADATA))
            for info in edited:
                self._add_triggers(
                    make_wildcard_trigger(info.fullname), *[make_trigger(f"{info.fullname}.{name}") for name in names]
                )

    def add_member(self, info: TypeInfo, name: str) -> None:
        """Depend on a member of a class, in the daemon: it may become another one."""
        if self._in_daemon:
            self._add_triggers(make_trigger(f"{info.fullname}.{name}"))

    def add_metadata(self, classes: Iterable[TypeInfo]) -> None:
        """Depend on our metadata of classes, in the daemon."""
        if self._in_daemon:
            self._add_triggers(*[make_trigger(f"{info.fullname}.{private_name(METADATA)}") for info in classes])

    def add_names_in(self, module: MypyFile) -> None:
        """Depend on the names in a module, in the daemon."""
        if self._in_daemon:
            self._add_triggers(make_wildcard_trigger(module.fullname))

    def _add_triggers(self, *triggers: str) -> None:
        target = self._target()
        for trigger in triggers:
            if "@" in trigger:
                # A class in a function changes with the function alone, or with its bases, which are dependencies
                # themselves. The daemon makes the constructor of each dataclass in a module anew whenever it checks any
                # target of the module again, which fires the triggers of the class: a function that depended on its own
                # class would be checked without end.
                continue
            self._tree.plugin_deps.setdefault(trigger, set()).add(target)


def modules_of(types: Iterable[Type]) -> set[str]:
    """Return the modules of the classes in types."""
    return TypeIndirectionVisitor().find_modules(types)


def dependencies_of(api: object) -> Dependencies:
    """Return the dependencies of what mypy is working on, behind a scope of the analysis or the checker."""
    if isinstance(api, AnalysisScope):
        return Dependencies(api.tree, api.tree.module_refs, api.options, lambda: api.target, api.info)
    assert isinstance(api, TypeChecker)
    return Dependencies(api.tree, api.module_refs, api.options, api.tscope.current_target)
