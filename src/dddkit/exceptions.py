"""Every exception dddkit raises on its own account.

    DDDKitError
    ├── MissingDependencyError   (also ImportError)          a subpackage whose extra is not installed
    ├── UnhandledEventError      (also NotImplementedError)  an event that nobody handles
    ├── ConcurrencyError                                     saving what somebody else has changed
    ├── ChangesResultError                                   a field of a result that was never set
    ├── StoryDefinitionError     (also TypeError)            a story that could never run
    └── StoryStateError          (also AttributeError)       a state attribute unset or undeclared

Each keeps its subject in attributes, so that a caller need not read prose, and survives pickling.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ChangesResultError",
    "ConcurrencyError",
    "DDDKitError",
    "MissingDependencyError",
    "StoryDefinitionError",
    "StoryStateError",
    "UnhandledEventError",
]


class DDDKitError(Exception):
    """The base of all of them, for whoever wants to catch the kit's complaints as one."""


class MissingDependencyError(DDDKitError, ImportError):
    """A subpackage was imported whose extra is not installed.

    Attributes:
        package: the import that failed, as in `import pydantic`.
        install_package: what the registry calls it, as in `pip install pydantic`.
        extra: the extra of dddkit that brings it.
    """

    def __init__(self, package: str, install_package: str, extra: str) -> None:
        super().__init__(package, install_package, extra)
        self.package = package
        self.install_package = install_package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"this part of dddkit needs the package {self.package!r}, which is not installed: "
            f"pip install 'dddkit[{self.extra}]', or: pip install {self.install_package}"
        )


class UnhandledEventError(DDDKitError, NotImplementedError):
    """An event reached a broker or a changes handler that has no handler for it.

    Attributes:
        event: the event itself.
        aggregate: the aggregate that recorded it, where a changes handler was folding one; else None.
    """

    def __init__(self, event: object, aggregate: object | None = None) -> None:
        super().__init__(event, aggregate)
        self.event = event
        self.aggregate = aggregate

    def __str__(self) -> str:
        if isinstance(self.event, type):
            name = self.event.__qualname__
            return f"an event is an instance, and {name} is a class; publish {name}(...)"
        event = type(self.event).__qualname__
        if self.aggregate is not None:
            return (
                f"no handler for {event} recorded by {type(self.aggregate).__qualname__}; "
                f"register one with @handle_changes.register"
            )
        return (
            f"nobody handles {event}; subscribe a handler with @broker.handle({event}), "
            f'or make the broker with EventBroker(unhandled="ignore")'
        )


class ConcurrencyError(DDDKitError):
    """An aggregate was saved from a version that is no longer the stored one.

    Load it again, repeat the change, save.

    Attributes:
        aggregate: the object whose save was refused.
        expected: the version it was read at; None for a new object.
        found: the version that is stored; None when there is none (somebody deleted it).
    """

    def __init__(self, aggregate: object, expected: int | None, found: int | None) -> None:
        super().__init__(aggregate, expected, found)
        self.aggregate = aggregate
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        what = f"{type(self.aggregate).__qualname__}: {self.aggregate!r}"
        if self.expected is None:
            return f"{what} is new, but one with its identity is stored already (version {self.found})"
        if self.found is None:
            return f"{what} was read at version {self.expected}, but has been deleted since"
        return (
            f"{what} was read at version {self.expected}, but version {self.found} is stored now; "
            f"load it again and repeat the change"
        )


class ChangesResultError(DDDKitError):
    """A changes handler finished without a value for a field of its result.

    Attributes:
        handler: the class of the changes handler.
        field: the name of the field.
    """

    def __init__(self, handler: type[Any], field: str) -> None:
        super().__init__(handler, field)
        self.handler = handler
        self.field = field

    def __str__(self) -> str:
        return (
            f"{self.handler.__qualname__} never set {self.field!r} of its result; "
            f"give it its empty value in _clear_state(self), or a default in the result type"
        )


class StoryDefinitionError(DDDKitError, TypeError):
    """A story is declared in a way that could never run.

    Raised while the class is defined, or, for what only an instance can show, when the story is called and
    before its first step runs.

    Attributes:
        story: the name of the story's class.
        step: the name of the step in question; None when no single step is to blame.
    """

    def __init__(self, message: str, story: str | None = None, step: str | None = None) -> None:
        super().__init__(message, story, step)
        self.story = story
        self.step = step

    def __str__(self) -> str:
        return str(self.args[0])


class StoryStateError(DDDKitError, AttributeError):
    """A step read a state variable that no step has set, or named one that the State does not declare.

    Attributes:
        story: the name of the story the State belongs to, or of the State itself when it stands alone.
        attribute: the name of the attribute.
    """

    def __init__(self, message: str, story: str, attribute: str) -> None:
        super().__init__(message, story, attribute)
        self.story = story
        self.attribute = attribute

    def __str__(self) -> str:
        return str(self.args[0])
