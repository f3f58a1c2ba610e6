"""The exceptions of dddkit.

    DDDKitError
    ├── MissingDependencyError   (also ImportError)          a subpackage whose extra is not installed
    ├── UnhandledEventError      (also NotImplementedError)  an event without a handler
    ├── ConcurrencyError                                     saving or deleting what was changed meanwhile
    ├── ChangesResultError                                   a field of a result that was never set
    ├── StoryDefinitionError     (also TypeError)            a story that cannot run
    │   └── StepListError        (also AttributeError)       `I` outside of a story's body, or not as a list of names
    ├── StoryStateError          (also AttributeError)       a state attribute unset or undeclared
    ├── UnnamedEventError                                    an event that should leave the process without a name
    ├── UnknownMessageError                                  a message that no event of the catalog stands for
    ├── MessageRejectedError     (also ValueError)           a message that cannot be written, read or delivered
    ├── NotPublishedError                                    a message that a broker does not take now
    ├── CompensationError                                    a run was stopped, and not all of it could be undone
    ├── ExecutorInUseError                                   two processes chose one executor id
    ├── DuplicateRunError                                    the id of a durable run is taken by another run
    ├── RunNotFoundError         (also LookupError)          no durable run of this story has the id
    ├── RunStatusError                                       a durable run is not in a state to do what is asked of it
    ├── StoryChangedError                                    a durable run does not fit the story as it is now
    ├── SignalTimeoutError       (also TimeoutError)         a signal that a durable run has waited for did not come
    ├── RunCancelledError                                    somebody has cancelled a durable run
    ├── StoryNotRecordableError  (also TypeError)            a State that cannot be recorded as JSON
    ├── StepFailedError                                      a recorded failure whose exception cannot be made again
    └── UnitError                                            a unit of work that is used wrongly, or cannot go on
        ├── UnitClosedError                                  a unit that has ended is used again
        └── UncommittedChangesError                          a unit was left with changes and without `commit`

Each keeps its subject in attributes, so that callers need not parse the message. Each can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

__all__ = [
    "ChangesResultError",
    "CompensationError",
    "ConcurrencyError",
    "DDDKitError",
    "DuplicateRunError",
    "ExecutorInUseError",
    "MessageRejectedError",
    "MissingDependencyError",
    "NotPublishedError",
    "RunCancelledError",
    "RunNotFoundError",
    "RunStatusError",
    "SignalTimeoutError",
    "StepFailedError",
    "StepListError",
    "StoryChangedError",
    "StoryDefinitionError",
    "StoryNotRecordableError",
    "StoryStateError",
    "UncommittedChangesError",
    "UnhandledEventError",
    "UnitClosedError",
    "UnitError",
    "UnknownMessageError",
    "UnnamedEventError",
]


class DDDKitError(Exception):
    """The base class of the exceptions of dddkit: catch it to catch them all."""


class MissingDependencyError(DDDKitError, ImportError):
    """A subpackage was imported, and its extra is not installed.

    Attributes:
        package: the import that failed, as in `import pydantic`.
        install_package: the name of its distribution, as in `pip install pydantic`.
        extra: the extra of dddkit that installs it.
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
        aggregate: the aggregate that recorded it, for a changes handler; None for a broker.
    """

    def __init__(self, event: object, aggregate: object | None = None) -> None:
        super().__init__(event, aggregate)
        self.event = event
        self.aggregate = aggregate

    def __str__(self) -> str:
        if isinstance(self.event, type):
            name = self.event.__qualname__
            return f"an event is an instance, and {name} is a class; publish {name}(...)"
        if self.event is None:
            return "an event is an instance of its class, and got None; publish ProductCreated(...)"
        cls: Any = type(self.event)
        event = cls.__qualname__
        if self.aggregate is not None:
            aggregate = type(self.aggregate).__qualname__
            return (
                f"no handler for {event} recorded by {aggregate}; write `@handle_changes.register` above "
                f"`def _(self, event: {_in_code(event)}, aggregate: {_in_code(aggregate)}) -> None:`"
            )
        if cls in (list, tuple, set, frozenset):
            return f"a broker publishes one event at a time, and got a {event}; {_PUBLISH_EACH.format('events')}"
        if hasattr(cls, "pull_events"):
            return f"{event} is an aggregate, and no event; {_PUBLISH_EACH.format('aggregate.pull_events()')}"
        if hasattr(cls, "__identity_value__"):
            return f"{event} is an entity, and no event; publish an event that says what has happened to it"
        return (
            f"nobody handles {event}; subscribe a handler with @broker.handle({_in_code(event)}), in a module that is "
            f'imported; where events need no handler, make the broker with EventBroker(unhandled="ignore")'
        )


_PUBLISH_EACH: Final = "write `for event in {}: broker.publish(event)`"


def _in_code(name: str) -> str:
    """Return the qualified name of a class as one writes it where the class is in scope."""
    return name.rpartition("<locals>.")[2]


class ConcurrencyError(DDDKitError):
    """An aggregate was saved or deleted that is not the stored version any more.

    To recover, load it again, repeat the change, save.

    Attributes:
        aggregate: the object that was not saved or deleted; None where a database refused the whole transaction.
        expected: the version it was read at; None for a new object.
        found: the version that is stored; None when there is none, since it was deleted.
    """

    def __init__(self, aggregate: object, expected: int | None, found: int | None) -> None:
        super().__init__(aggregate, expected, found)
        self.aggregate = aggregate
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        if self.aggregate is None:
            return (
                "the database could not serialize this transaction with the others, and nothing was written; "
                "repeat the whole unit of work"
            )
        what = _shown(self.aggregate)
        if self.expected == self.found:
            return f"{what} is another object than the one that this unit of work has; get it, and change that one"
        if self.expected is None:
            return (
                f"{what} is new, but one with its identity is stored already (version {self.found}); read the "
                f"stored one with `get` and go on with that, or give the new one another identity"
            )
        if self.found is None:
            return f"{what} was read at version {self.expected}, but has been deleted since; treat it as not found"
        return (
            f"{what} was read at version {self.expected}, but version {self.found} is stored now; "
            f"read it again with `get`, and repeat the change"
        )


def _shown(aggregate: Any) -> str:
    """Return the class and the identity of an aggregate: other fields may be secret, and messages end up in logs."""
    name = type(aggregate).__qualname__
    try:
        identity = aggregate.__identity_value__()
        return name if identity is None else f"{name} with the identity {identity!r}"
    except Exception:  # an error has a message, even if its subject cannot be read any more
        return name


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
        type_ = _declared_type(self.handler, self.field)
        empty = _empty_value(type_)
        return f"{self.handler.__qualname__} never set {self.field!r} of its result; in _clear_state(self) " + (
            f"write `self.{self.field}: {type_} = {empty}`"
            if empty
            else f"set self.{self.field}{type_ and f', of type {type_},'} to its value where there are no events"
        )


def _declared_type(handler: Any, field: str) -> str:
    """Return the type of a field of a handler's result as one writes it; nothing where it is Any, or not known."""
    for base in getattr(getattr(handler, "result_type", None), "__mro__", ()):
        try:
            annotations = getattr(base, "__annotations__", {})
        except Exception:  # 3.14 evaluates them now, and a name may be imported for checkers only
            return ""
        if field in annotations:
            return "" if annotations[field] is Any else _written(annotations[field])
    return ""


def _written(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if isinstance(text, str):
        return text
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " | ".join(map(_written, arguments))
    if isinstance(origin, type) and arguments and all(not isinstance(argument, list) for argument in arguments):
        return f"{_in_code(origin.__qualname__)}[{', '.join(map(_written, arguments))}]"
    if annotation is None or annotation is type(None) or annotation is ...:
        return "..." if annotation is ... else "None"
    return (
        _in_code(annotation.__qualname__) if isinstance(annotation, type) else repr(annotation).replace("typing.", "")
    )


_EMPTY_VALUES: Final = {
    "bool": "False",
    "bytes": 'b""',
    "dict": "{}",
    "float": "0.0",
    "frozenset": "frozenset()",
    "int": "0",
    "list": "[]",
    "set": "set()",
    "str": '""',
}


def _empty_value(type_: str) -> str:
    """Return the empty value of a type, as source; nothing for a type that has no obvious one."""
    name = type_.partition("[")[0]
    if name == "Optional" or type_.endswith("| None") or type_.startswith("None |"):
        return "None"
    if name in ("tuple", "Tuple"):
        return "()" if name == type_ or type_.endswith("...]") else ""
    return "" if "|" in type_.partition("[")[0] + type_.rpartition("]")[2] else _EMPTY_VALUES.get(name.lower(), "")


class StoryDefinitionError(DDDKitError, TypeError):
    """A story is declared in a way that cannot run.

    Raised when the class is defined; for what only an instance shows, when the story is called, before its first step.

    Attributes:
        story: the name of the story class.
        step: the name of the step concerned; None when it is not about one step.
    """

    def __init__(self, message: str, story: str | None = None, step: str | None = None) -> None:
        super().__init__(message, story, step)
        self.story = story
        self.step = step

    def __str__(self) -> str:
        return str(self.args[0])


class StepListError(StoryDefinitionError, AttributeError):
    """An attribute of `I`, or of a name that it lists, that can be none.

    It is an AttributeError too, so that `hasattr` answers False, and tools that look through modules go on.
    """


class StoryStateError(DDDKitError, AttributeError):
    """A step read a state variable that no step has set, or used one that the State does not declare.

    Attributes:
        story: the name of the story that the State belongs to; of the State itself where it belongs to none.
        attribute: the name of the attribute.
    """

    def __init__(self, message: str, story: str, attribute: str) -> None:
        super().__init__(message, story, attribute)
        self.story = story
        self.attribute = attribute

    def __str__(self) -> str:
        return str(self.args[0])


class UnnamedEventError(DDDKitError):
    """An event should leave the process, and the catalog has no name for its class.

    Attributes:
        event_classes: the classes without a name.
        named_base: a base of theirs that has one, which does not count for them.
    """

    def __init__(self, event_classes: Iterable[type[Any]], named_base: type[Any] | None = None) -> None:
        self.event_classes = tuple(event_classes)
        self.named_base = named_base
        super().__init__(self.event_classes, named_base)

    def __str__(self) -> str:
        first = _in_code(self.event_classes[0].__qualname__) if self.event_classes else "Order.Placed"
        base = (
            f" (that of its base {self.named_base.__qualname__} is for that class alone)"
            if self.named_base is not None
            else ""
        )
        names = ", ".join(each.__qualname__ for each in self.event_classes)
        verb, each = ("has", "") if len(self.event_classes) == 1 else ("have", "for each of them ")
        return (
            f"{names} {verb} no name in the catalog{base}; {each}write "
            f'catalog.add({first}, "{_message_name(first)}"), or catalog.private({first}) if it stays in the process'
        )


def _message_name(class_name: str) -> str:
    """Return what a class could be called outside of the process: `Order.SoldOut` as `order.sold_out`."""
    words = "".join(f"_{char.lower()}" if char.isupper() else char for char in class_name)
    return ".".join(word.strip("_") for word in words.split("."))


class UnknownMessageError(DDDKitError):
    """A message was read that no event of the catalog stands for, or a version of one that it cannot read.

    Attributes:
        message_type: the type of the message, as in `order.placed.v1`.
        known_version: the version that the catalog has under this name; None where it does not have the name.
    """

    def __init__(self, message: str, message_type: str, known_version: int | None = None) -> None:
        super().__init__(message, message_type, known_version)
        self.message_type = message_type
        self.known_version = known_version

    def __str__(self) -> str:
        return str(self.args[0])


class MessageRejectedError(DDDKitError, ValueError):
    """A message, or an event that should become one, is wrong in itself: to try it again does not help.

    Raise it in a publisher for a message that the broker will never take, because of its size or its route.

    Attributes:
        message_type: the type of the message, as in `order.placed.v1`; None where what came is not even that.
        problems: for each thing that is wrong its path in the message, as in `data.lines.0.price`, and what it is.
    """

    def __init__(self, message: str, message_type: str | None = None, problems: Iterable[tuple[str, str]] = ()) -> None:
        self.message_type = message_type
        self.problems = tuple(problems)
        super().__init__(message, message_type, self.problems)

    def __str__(self) -> str:
        of = f"{self.message_type}: " if self.message_type else ""
        problems = "; ".join(f"{path}: {what}" for path, what in self.problems)
        return f"{of}{self.args[0]}{problems and ': '}{problems}"


class NotPublishedError(DDDKitError):
    """A broker did not take a message, and nothing is wrong with the message: publish it again later.

    Attributes:
        message_type: the type of the message, as in `order.placed.v1`.
        message_id: its id.
    """

    def __init__(self, problem: str, message_type: str, message_id: str) -> None:
        super().__init__(problem, message_type, message_id)
        self.message_type = message_type
        self.message_id = message_id

    def __str__(self) -> str:
        return f"{self.message_type} was not published: {self.args[0]}"


class CompensationError(DDDKitError):
    """A step has failed, and so has a compensation: something is left that was not undone, and a person has to look.

    It is raised from the exception of the step. The names of steps inside a nested story are dotted: `pay.authorize`.

    Attributes:
        story: the name of the story class.
        failures: for each compensation that has failed the name of the step, and the exception.
        undone: the names of the steps that were undone, in the order in which that happened.
        left: the names of completed steps that have a compensation and were not undone.
    """

    def __init__(
        self,
        story: str,
        failures: Iterable[tuple[str, BaseException]] = (),
        undone: Iterable[str] = (),
        left: Iterable[str] = (),
    ) -> None:
        self.story = story
        self.failures = tuple(failures)
        self.undone = tuple(undone)
        self.left = tuple(left)
        super().__init__(story, self.failures, self.undone, self.left)

    def __str__(self) -> str:
        failed = ", ".join(f"{step} ({type(error).__qualname__})" for step, error in self.failures)
        undone = f"; undone: {', '.join(self.undone)}" if self.undone else ""
        return f"{self.story}: the undoing of {failed} failed, see .failures; look at what they have left{undone}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {**vars(self), "__cause__": self.__cause__}  # which pickles leave out otherwise


class ExecutorInUseError(DDDKitError):
    """A process chose an executor id that another one has, which is running: both would run the same stories.

    Attributes:
        executor_id: the id.
    """

    def __init__(self, executor_id: str) -> None:
        super().__init__(executor_id)
        self.executor_id = executor_id

    def __str__(self) -> str:
        return (
            f"the executor id {self.executor_id!r} belongs to a process that is running; leave executor_id out of "
            f"settings(...), or choose one that no other process has"
        )


class DuplicateRunError(DDDKitError):
    """A durable run was started under an id that another run has: one of another state, or of another story.

    The same id with the same state is no error: it is the same run.

    Attributes:
        story: the durable name of the story that was to be started.
        run_id: the id.
        other: the durable name of the story that has the id; the same as `story` where only the states differ.
    """

    def __init__(self, story: str, run_id: str, other: str) -> None:
        super().__init__(story, run_id, other)
        self.story = story
        self.run_id = run_id
        self.other = other

    def __str__(self) -> str:
        if self.other == self.story:
            return (
                f"{self.story}: the run {self.run_id!r} was started with another state; give another operation "
                f"another id, and the same one the same state"
            )
        return (
            f"{self.story}: {self.other} has a run {self.run_id!r} already; ids are shared by all stories of a "
            f"database, so put the story's name into the id, as in {f'{self.story}-{self.run_id}'!r}"
        )


class RunNotFoundError(DDDKitError, LookupError):
    """No durable run of this story has the id.

    Attributes:
        story: the durable name of the story that was asked.
        run_id: the id.
        other: the durable name of the story that has such a run; None where none has.
    """

    def __init__(self, story: str, run_id: str, other: str | None = None) -> None:
        super().__init__(story, run_id, other)
        self.story = story
        self.run_id = run_id
        self.other = other

    def __str__(self) -> str:
        if self.other is not None:
            return f"{self.story}: the run {self.run_id!r} is one of {self.other}; ask the Durable of that name"
        return (
            f"{self.story}: there is no run {self.run_id!r}; it was never started in this database, or has been purged"
        )


class RunStatusError(DDDKitError):
    """A durable run cannot do what is asked of it as it stands: one that has ended is not cancelled, for example.

    Attributes:
        story: the durable name of the story.
        run_id: the id of the run.
        status: how the run stands, as `RunStatus` has it: "completed".
        problem: what cannot be done, and what can.
    """

    def __init__(self, story: str, run_id: str, status: str, problem: str) -> None:
        super().__init__(story, run_id, status, problem)
        self.story = story
        self.run_id = run_id
        self.status = status
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.story}: the run {self.run_id!r} is {self.status}: {self.problem}"


class StoryChangedError(DDDKitError):
    """What is recorded of a durable run does not fit the story as it is now. The run stays pending, untouched.

    A worker whose story fits continues it; so does this one, once its story lists the recorded steps first again.

    Attributes:
        story: the name that the durable story has.
        run_id: the id of the run.
        problem: what does not fit.
        step: the label of the step concerned; None where it is about the State.
    """

    def __init__(self, story: str, run_id: str, problem: str, step: str | None = None) -> None:
        super().__init__(story, run_id, problem, step)
        self.story = story
        self.run_id = run_id
        self.problem = problem
        self.step = step

    def __str__(self) -> str:
        return f"{self.story}: the run {self.run_id!r} cannot continue: {self.problem}"


class SignalTimeoutError(DDDKitError, TimeoutError):
    """A durable run has waited for a signal that did not come in time, so its step has failed.

    Attributes:
        story: the name that the durable story has.
        step: the label of the step that waited.
        signal: the name of the signal.
        seconds: how long it waited.
    """

    def __init__(self, story: str, step: str, signal: str, seconds: float) -> None:
        super().__init__()  # OSError, the base of TimeoutError, would take four arguments for those of a file
        self.args = (story, step, signal, seconds)
        self.story = story
        self.step = step
        self.signal = signal
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"{self.story}: the signal {self.signal!r}, which {self.step} waits for, "
            f"did not come within {self.seconds:g} s"
        )


class RunCancelledError(DDDKitError):
    """A durable run has no result, since somebody has cancelled it.

    Attributes:
        story: the name that the durable story has.
        run_id: the id of the run.
        undone: the steps that were undone.
    """

    def __init__(self, story: str, run_id: str, undone: Iterable[str] = ()) -> None:
        self.undone = tuple(undone)
        super().__init__(story, run_id, self.undone)
        self.story = story
        self.run_id = run_id

    def __str__(self) -> str:
        undone = f"; undone: {', '.join(self.undone)}" if self.undone else ""
        return f"{self.story}: the run {self.run_id!r} was cancelled{undone}"


class StoryNotRecordableError(DDDKitError, TypeError):
    """A State cannot be recorded: what is written as JSON would not read back the same.

    Raised when a durable story is made, for what its State declares; in a run, for a value that a field has.

    Attributes:
        story: the name of the story class.
        state: the name of its State.
        problems: the path of a field, as in `lines.0.price`, and why, with what to write instead, each; the path of the
            State itself is "".
        step: the step that has left the value; None where it is not about one step.
    """

    def __init__(self, story: str, state: str, problems: Iterable[tuple[str, str]], step: str | None = None) -> None:
        self.story = story
        self.state = state
        self.problems = tuple(problems)
        self.step = step
        super().__init__(story, state, self.problems, step)

    def __str__(self) -> str:
        what = f"{self.story}: {self.state}" + (f", as {self.step} has left it," if self.step else "")
        lines = [f"{path}: {problem}" if path else problem for path, problem in self.problems]
        if len(lines) == 1:
            return f"{what} cannot be recorded: {lines[0]}"
        return "\n  ".join((f"{what} cannot be recorded:", *lines))


class StepFailedError(DDDKitError):
    """A step has failed, and its exception cannot be made again from what was recorded of it.

    Attributes:
        story: the name of the story.
        step: the name of the step.
        error_class: the class of the exception, as in `shop.payment.Declined`.
        text: the message of the exception.
    """

    def __init__(self, story: str, step: str, error_class: str, text: str) -> None:
        super().__init__(story, step, error_class, text)
        self.story = story
        self.step = step
        self.error_class = error_class
        self.text = text

    def __str__(self) -> str:
        return f"{self.story}: {self.step} failed with {self.error_class}{self.text and ': '}{self.text}"


class UnitError(DDDKitError):
    """A unit of work is used in a way that it refuses, or it cannot go on.

    Attributes:
        unit: the name of the unit's class.
        problem: what is wrong, and what to do.
    """

    def __init__(self, unit: str, problem: str) -> None:
        super().__init__(unit, problem)
        self.unit = unit
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.unit}: {self.problem}"


class UnitClosedError(UnitError):
    """A unit of work has ended, and is used again.

    Attributes:
        unit: the name of the unit's class.
        problem: how it has ended, and what to do.
    """


class UncommittedChangesError(UnitError):
    """The block of a unit of work ended with changes, and without `commit` or `rollback`. They were rolled back.

    Attributes:
        unit: the name of the unit's class.
        aggregates: the aggregates that had changed.
        others: what else had changed, in words.
    """

    def __init__(self, unit: str, aggregates: Iterable[object], others: Iterable[str] = ()) -> None:
        self.aggregates = tuple(aggregates)
        self.others = tuple(others)
        what = ", ".join((*map(_shown, self.aggregates), *self.others))
        super().__init__(
            unit, f"the block was left with changes and without commit(), so they were rolled back: {what}"
        )
        self.args = (unit, self.aggregates, self.others)
