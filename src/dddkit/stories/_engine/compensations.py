"""`compensates`: which method undoes which step, as the body of a story declares it, or that of a mixin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from dddkit._callables import kind_of
from dddkit.exceptions import StoryDefinitionError

__all__ = [
    "COMPENSATIONS",
    "Compensation",
    "compensates",
    "compensations_of",
    "take_declared",
    "validate_compensations",
]

F = TypeVar("F", bound=Callable[..., object])

COMPENSATIONS: Final = "__compensations__"
"""Where a class keeps what its own body has declared."""


class Compensation(NamedTuple):
    """What undoes a step."""

    step: str
    method: str
    """Its name: a child may override the method."""
    even_if_failed: bool


class Declared(NamedTuple):
    """What a class body says, before it is known by which name the story lists the step."""

    step: object
    method: str
    even_if_failed: bool


def compensates(step: str | Callable[..., object], *, even_if_failed: bool = False) -> Callable[[F], F]:
    """Declare that a method undoes a step, when a run is stopped after the step has completed.

        class Checkout(Story):
            I.charge
            I.ship

            def charge(self, state: State) -> None: ...

            @compensates(charge)
            def refund(self, state: State) -> None: ...

    The last completed step is undone first. The method takes the state, as it was left; it is no step. A story with an
    async compensation is async. A child inherits it with the step. Write it above all other decorators.

    Args:
        step: the step's function, or its name: for a field, a nested story, a method that comes later.
        even_if_failed: whether to call it also when the step itself was stopped, and nobody knows what it has done.

    Raises:
        TypeError: `step` is neither a name nor a callable.
    """
    given: object = step
    if isinstance(given, Compensating):
        raise StoryDefinitionError(
            f"@compensates({given.name}) names a compensation, and no step; a compensation cannot be undone",
            step=given.name,
        )
    if not isinstance(given, (str, staticmethod, classmethod)) and not callable(given):
        raise TypeError(f"@compensates takes a step, or its name, not {kind_of(step)}: @compensates(charge)")

    return Marking(step, even_if_failed)


class Marking:
    """What `compensates` returns: the decorator of a method."""

    __slots__ = ("even_if_failed", "step")

    def __init__(self, step: object, even_if_failed: bool) -> None:
        self.step: Final = step
        self.even_if_failed: Final = even_if_failed

    def __call__(self, function: F) -> F:
        if isinstance(function, Compensating):
            raise StoryDefinitionError(f"{function.name} compensates more than one step; write a method for each")
        return cast("F", Compensating(self.step, function, self.even_if_failed))

    def __set_name__(self, owner: type, name: str) -> None:
        """Reject `@compensates` without a step: it has taken the method that it stands above for one."""
        if self.is_bare(name):  # Python below 3.12 raises a RuntimeError from it
            raise _without_step(name, owner.__name__)

    def is_bare(self, name: str) -> bool:
        """Whether `@compensates` without a step has made it: the step is the method of that name itself."""
        return isinstance(self.step, FunctionType) and name.endswith(self.step.__name__)  # a private name is mangled


class Compensating:
    """A method that `compensates` has marked, until the class statement has read it."""

    __slots__ = ("even_if_failed", "function", "step")

    def __init__(self, step: object, function: Any, even_if_failed: bool) -> None:
        self.step: Final = step
        self.function: Final = function
        self.even_if_failed: Final = even_if_failed

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", "it"))

    @property
    def __isabstractmethod__(self) -> bool:
        return bool(getattr(self.function, "__isabstractmethod__", False))

    @__isabstractmethod__.setter
    def __isabstractmethod__(self, _: object) -> None:
        raise _hidden(self.name)  # `@abstractmethod` above `@compensates`

    def __set_name__(self, owner: type, name: str) -> None:
        """Declare it in a class that is no story: the story that derives from it reads what is there."""
        declared = (*owner.__dict__.get(COMPENSATIONS, ()), Declared(self.step, name, self.even_if_failed))
        setattr(owner, COMPENSATIONS, declared)
        setattr(owner, name, self.function)

    if not TYPE_CHECKING:

        def __call__(self, *_arguments, **_keywords):
            raise _hidden(self.name)


def take_declared(story: str, namespace: dict[str, Any]) -> None:
    """Read the compensations in the body of a story, and leave plain methods there."""
    declared: list[Declared] = []
    for name, value in list(namespace.items()):
        if isinstance(value, Compensating):
            declared.append(Declared(value.step, name, value.even_if_failed))
            namespace[name] = value.function
        elif isinstance(value, Marking) and value.is_bare(name):
            raise _without_step(name, story)
        elif _hides(value):
            raise _hidden(name, story)
    if declared:
        listed: list[str] = getattr(namespace.get("I"), "__steps__", [])
        namespace[COMPENSATIONS] = tuple([one._replace(step=_name_of(one.step, namespace, listed)) for one in declared])


def _hidden(name: str, story: str | None = None) -> StoryDefinitionError:
    of = f"{story}: " if story else ""
    return StoryDefinitionError(
        f"{of}@compensates stands below another decorator of {name}, which hides it; write it above all others",
        story,
    )


def _without_step(name: str, story: str) -> StoryDefinitionError:
    return StoryDefinitionError(
        f"{story}: @compensates above {name} does not say what {name} undoes; name the step: @compensates(charge)",
        story,
    )


def _reject_hidden(cls: type, base: type) -> None:
    """Raise for a compensation that a mixin hides; the body of a story has been looked at already."""
    if "__story__" in base.__dict__ or base.__module__ in _WITHOUT_COMPENSATIONS:
        return
    for name, value in base.__dict__.items():
        if _hides(value):
            raise _hidden(name, cls.__qualname__)


_WITHOUT_COMPENSATIONS: Final = ("abc", "builtins", "typing", "typing_extensions")


def _hides(value: object) -> bool:
    """Whether what a decorator has made contains a marked method."""
    seen = 0
    while seen < 20:  # decorators, one inside the other
        seen += 1
        if isinstance(value, FunctionType):
            for cell in value.__closure__ or ():
                try:
                    if isinstance(cell.cell_contents, Compensating):
                        return True
                except ValueError:  # an empty cell
                    continue
        inner = next(
            (found for name in _WRAPPED if (found := _attribute(value, name)) is not None and found is not value), None
        )
        if inner is None:
            return False
        if isinstance(inner, Compensating):
            return True
        value = inner
    return False


_WRAPPED: Final = ("__wrapped__", "__func__", "fget", "func")


def _attribute(value: object, name: str) -> object:
    try:
        return cast("object", object.__getattribute__(value, name))
    except AttributeError:
        return None


def _name_of(step: object, namespace: Mapping[str, object], listed: Iterable[str]) -> object:
    """Return the name that a class gives to a step; the step itself where it has none there.

    A function may have several names: the one that is listed counts, or that can be.
    """
    if isinstance(step, str):
        return step
    names = [name for name, value in namespace.items() if value is step]
    return min(names, key=lambda name: (name not in listed, name.startswith("_"))) if names else step


def compensations_of(cls: type) -> dict[str, Compensation]:
    """Return what undoes each step of a story that can be undone; a child replaces what its parents declare."""
    found: dict[str, Compensation] = {}
    for base in reversed(cls.__mro__):
        for one in _declared(base):
            name = _name_in(cls, one.step)
            if name is not None:
                found[name] = Compensation(name, one.method, one.even_if_failed)
    if not found:  # as of facts made by hand, whose story may be any object
        return found
    return {step: found[step] for step in dict.fromkeys(steps_of(cls)) if step in found}


def _declared(cls: type) -> Iterable[Declared]:
    declared: tuple[Declared, ...] = cls.__dict__.get(COMPENSATIONS, ())
    return declared


def steps_of(cls: Any) -> list[str]:
    """Return the names of the steps of a story, in order."""
    steps: list[str] = cls.I.__steps__
    return steps


def _name_in(cls: type, step: object) -> str | None:
    """Return the name of a step; None for a function that no class in the MRO has."""
    if isinstance(step, str):
        return step
    listed = steps_of(cls)
    found = [name for base in cls.__mro__ if isinstance(name := _name_of(step, base.__dict__, listed), str)]
    return next((name for name in found if name in listed), found[0] if found else None)


def validate_compensations(cls: type, validate: Callable[[str, str], None]) -> list[str]:
    """Reject compensations that could never run; return the names of the methods.

    Args:
        cls: the story.
        validate: rejects a method that cannot be called with the state; it takes its name, and what messages call it.

    Raises:
        StoryDefinitionError: naming story and step.
    """
    steps = steps_of(cls)
    for one, name in _own(cls) if steps else ():
        if name not in steps:
            raise _error(cls, one.method, f"compensates {_shown(name or one.step)}, which is no step{_hint(cls, name)}")
    for base in cls.__mro__:
        _reject_hidden(cls, base)
        _reject_second(cls, [(one.method, name) for one, name in _of(cls, base)])
    methods: list[str] = []
    for step, method, _ in compensations_of(cls).values():
        if method in steps:
            what = f"compensates I.{step}, and is listed as a step itself; take the line I.{method} out"
            raise _error(cls, method, what)
        validate(method, f"{method}, which compensates I.{step},")
        methods.append(method)
    return methods


def _own(cls: type) -> Iterator[tuple[Declared, str | None]]:
    return _of(cls, cls)


def _of(cls: type, base: type) -> Iterator[tuple[Declared, str | None]]:
    for one in _declared(base):
        yield one, _name_in(cls, one.step)


def _reject_second(cls: type, declared: list[tuple[str, str | None]]) -> None:
    known: dict[str | None, str] = {}
    for method, step in declared:
        if step is not None and step in known:
            raise _error(
                cls, method, f"compensates I.{step}, which {known[step]} compensates already; keep one of them"
            )
        known[step] = method


def _hint(cls: type, name: str | None) -> str:
    from difflib import get_close_matches

    steps = list(dict.fromkeys(steps_of(cls)))
    near = get_close_matches(name, steps, n=1) if name else []
    return f'; did you mean "{near[0]}"?' if near else f"; {cls.__qualname__} lists {', '.join(steps)}"


def _shown(step: object) -> str:
    return f"I.{step}" if isinstance(step, str) else kind_of(step)


def _error(cls: type, method: str, what: str) -> StoryDefinitionError:
    return StoryDefinitionError(f"{cls.__qualname__}: {method} {what}", cls.__name__, method)
