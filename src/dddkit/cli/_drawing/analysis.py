"""What mypy has found of a project, and the class that a user has named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mypy.nodes import Expression, MypyFile, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Instance, Type, TypeVarType, get_proper_type

from dddkit.cli._failure import CommandError
from dddkit.cli._mypy import Project, build, keep_trees
from dddkit.cli._wording import did_you_mean
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.declaration import is_story, steps_of

_PAIR: Final = 2
"""The parts of MODULE:NAME."""
_MOST_NAMES: Final = 20


@dataclass(frozen=True)
class Analysis:
    """One run of mypy over a project."""

    files: Mapping[str, MypyFile]
    """All modules that mypy knows, by name."""
    own: Mapping[str, MypyFile]
    """Those that can be seen in a drawing, with their statements."""
    types: Mapping[Expression, Type]
    """The types of the expressions in these."""
    options: mypy_api.Options

    def type_of(self, expression: Expression) -> Type | None:
        """Return the type of an expression; of a type variable, its bound. None where it is unknown."""
        found = get_proper_type(self.types.get(expression))
        return found.upper_bound if isinstance(found, TypeVarType) else found

    def text_of(self, type_: Type) -> str:
        """Return a type as messages show it."""
        return mypy_api.format_type(type_, self.options).strip('"')

    def named_type(self, name: str, arguments: list[Type]) -> Instance:
        """Return the type of the objects of a class in one of the modules."""
        module, _, class_ = name.rpartition(".")
        node = self.files[module].names[class_].node
        assert isinstance(node, TypeInfo)
        return Instance(node, arguments)

    def classes(self) -> Iterator[TypeInfo]:
        """Yield the classes of the own modules, in the order of their names and lines."""
        for name in sorted(self.own):
            yield from sorted(mypy_api.classes_in_module(self.own[name]), key=lambda info: info.defn.line)

    def drawn(self, place: str) -> list[TypeInfo]:
        """Return what `MODULE[:NAME]` stands for: one class, or all stories and aggregates of a module or a package.

        Raises:
            CommandError: there is no such class, it is neither a story nor an aggregate, or there is nothing to draw.
        """
        module, _, name = place.partition(":")
        inside = [info for info in self.classes() if f"{info.module_name}.".startswith(f"{module}.")]
        drawable = [info for info in inside if is_drawable(info)]
        if name:
            found = self._named(module, name, drawable)
            if is_story(found) and not has_steps(found):
                raise CommandError(f"{place} lists no steps, so there is nothing to draw; name a story that does")
            return [found]
        if not drawable:
            raise CommandError(f"{module} has no story and no aggregate; name another module")
        return drawable

    def _named(self, module: str, name: str, drawable: Sequence[TypeInfo]) -> TypeInfo:
        node: SymbolNode | None = self.files.get(module)  # a namespace package has none
        for part in name.split("."):
            symbol = node.names.get(part) if isinstance(node, (TypeInfo, MypyFile)) else None
            if symbol is None:
                raise CommandError(f"{module} has no {name}{_way_out(module, name, drawable)}")
            node = symbol.node
        info = _class_of(node)
        if info is None or not (is_story(info) or info.has_base(names.RECORDING)):
            raise CommandError(f"{module}:{name} is neither a story nor an aggregate{_way_out(module, name, drawable)}")
        return info


def _way_out(module: str, name: str, drawable: Sequence[TypeInfo]) -> str:
    """Return what to draw instead: the class that is called most like this, or all, but no more than can be read."""
    places: dict[str, str] = {}
    for info in drawable:
        other = mypy_api.qualified_name(info)
        places.setdefault(other, other if info.module_name == module else f"{info.module_name}:{other}")
    if question := did_you_mean(name, places, places):
        return question
    more = f", or one of {len(places) - _MOST_NAMES} others" if len(places) > _MOST_NAMES else ""
    return f"; draw {', '.join([*places.values()][:_MOST_NAMES])}{more}" if places else ""


def _class_of(node: SymbolNode | None) -> TypeInfo | None:
    """Return a class, or the class of the object that a variable holds."""
    if isinstance(node, TypeInfo):
        return node
    type_: Type | None = None
    if isinstance(node, TypeAlias):
        type_ = node.target
    elif isinstance(node, Var):
        type_ = node.type
    found = get_proper_type(type_)
    return found.type if isinstance(found, Instance) else None


def is_drawable(info: TypeInfo) -> bool:
    """Whether a class is a story that has steps, or an aggregate."""
    return (is_story(info) and has_steps(info)) or info.has_base(names.RECORDING)


def has_steps(info: TypeInfo) -> bool:
    """Whether a story lists steps, or inherits them."""
    return steps_of(info) is not None


def analysed(project: Project, on_file: Callable[[str], None]) -> Analysis:
    """Have mypy check a project; return what it has found.

    Raises:
        CommandError: mypy cannot check the code.
    """
    keep_trees(project)
    result = build(project, on_file).result
    own = {source.module: result.files[source.module] for source in project.sources if source.module in result.files}
    return Analysis(result.files, own, result.types, project.options)


def module_of(place: str) -> str:
    """Return the module of `MODULE[:NAME]`.

    Raises:
        CommandError: it is written in another way.
    """
    parts = place.split(":")
    if len(parts) > _PAIR or not all(parts):
        raise CommandError(f"{place} is no class; write it as in shop.checkout:Checkout")
    return parts[0]
