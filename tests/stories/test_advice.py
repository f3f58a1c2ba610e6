"""What messages of the stories advise: who, what was found, and the one thing to do first."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import attrs
import pytest

from dddkit.exceptions import DDDKitError
from dddkit.stories import I, Story, StoryState, inject_hooks, variable
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.shop import listed


class Leaf(Story):
    I.go

    def go(self, state: Any) -> Any: ...


class Gateway:
    def charge(self, card: str, amount: int) -> None: ...


class State(StoryState):
    order_id: int
    total: int
    notes: ClassVar[str] = ""
    code: Final[int] = 1
    payment: int = variable()

    def summary(self) -> str:
        return ""


class Empty(StoryState):
    payment: int = variable()


def story(**body: Any) -> Any:
    """Return a class of stories called A whose only step is `go`, with this body."""

    def fill(namespace: dict[str, Any]) -> None:
        listed(namespace["I"], "go")
        namespace.update(body, __qualname__="A", __module__=__name__)

    return types.new_class("A", (Story,), exec_body=fill)


def declared(**body: Any) -> Any:
    return story(__annotations__={"go": Any}, **body)


def constructor(self: object) -> None: ...
async def waits(state: object) -> None: ...
def charge(card: str, amount: int) -> None: ...
def returns_a_coroutine(self: object, state: object) -> object:
    return waits(state)


def returns_a_coroutine_too(state: object) -> object:
    return waits(state)


def go_of(parameters: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(f"def go({parameters}): ...", namespace)
    return namespace["go"]


class Hollow(Story):
    pass


class Unlisted(Hollow):  # type: ignore[dddkit-empty-story]  # on purpose
    def reserve(self, state: State) -> None: ...
    def _total(self, state: State) -> None: ...
    async def charge(self, state: State) -> None: ...
    def total(self) -> None: ...


class Clash:
    """The body of a story whose field has the name of a method."""

    def go(self, state: object) -> None: ...


Clash.go.__qualname__ = "A.go"


class Mixin:
    def go(self) -> None: ...


class AsyncHook:
    async def before(self, context: object, step: object) -> None: ...


class Around:
    @contextmanager
    def around_story(self, context: object) -> Any:
        yield


def hooked(hook: object) -> Any:
    made = story(go=Clash.go)
    inject_hooks(made, [hook])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # some are no hooks
    return made()


def step_called(name: str) -> Any:
    def fill(namespace: dict[str, Any]) -> None:
        listed(namespace["I"], name)
        namespace.update(State=State, __qualname__="A")

    return types.new_class("A", (Story,), exec_body=fill)


@dataclass
class Loop(Story):
    I.again

    again: Any = None


def loops(length: int) -> Any:
    first = last = Loop()
    for _ in range(length):
        last = Loop(last)
    first.again = last
    return first


def assign(state: Any, name: str) -> None:
    setattr(state, name, 1)


def fill_i(value: object) -> Any:
    make: Any = type(Story)
    return make("A", (Story,), {"I": value})


def step(advice: str) -> str:
    return f"A: I.go is declared, but this A has no value for it; {advice}"


state: Any = State(order_id=1, total=1)
new_state: Any = State

ADVICE: dict[str, tuple[Callable[[], object], str]] = {
    "a field of no dataclass": (
        lambda: declared()()(None),
        step("write def go(self, state), or decorate A with @dataclass and pass go=..."),
    ),
    "a slot that nothing sets": (
        lambda: story(__slots__=("go",))()(None),
        step("write def go(self, state), or decorate A with @dataclass and pass go=..."),
    ),
    "a constructor that forgets a field": (
        lambda: declared(__init__=constructor)()(None),
        step("set self.go in __init__"),
    ),
    "a field that no argument sets": (
        lambda: dataclass(declared(go=field(init=False)))()(None),
        step("set self.go in __post_init__"),
    ),
    "a field of attrs that no argument sets": (
        lambda: attrs.define(declared(go=attrs.field(init=False)))()(None),
        step("set self.go in __attrs_post_init__"),
    ),
    "a property that fails": (
        lambda: story(go=property(lambda self: self.gone))()(None),
        "A: I.go is a property, and reading it failed: 'A' object has no attribute 'gone'",
    ),
    "an injected callable": (
        lambda: dataclass(declared())(charge)(None),
        (
            "A: I.go is go(card, amount), which cannot be called with the state alone; "
            "list a method that calls self.go with what it needs"
        ),
    ),
    "an injected object": (
        lambda: dataclass(declared())(Gateway())(None),
        "A: I.go is no callable, but a Gateway; list a method that calls what it needs of self.go",
    ),
    "a default that does not fit": (
        lambda: dataclass(declared(go=charge))()(None),
        (
            "A: I.go is go(card, amount), which cannot be called with the state alone; "
            "list a method that calls self.go with what it needs"
        ),
    ),
    "a callable in the place of the default": (
        lambda: dataclass(declared(go=waits))(charge)(None),
        (
            "A: I.go is go(card, amount), which cannot be called with the state alone; "
            "list a method that calls self.go with what it needs"
        ),
    ),
    "a method of a mixin": (
        lambda: type("A", (Mixin, story(__annotations__={"go": Any})), {"__module__": __name__})()(None),
        "A: I.go is go(self), which cannot be called with the state alone; write def go(self, state)",
    ),
    "a method without self": (
        lambda: story(go=go_of("state")),
        (
            "A: I.go is go(state), which cannot be called with the state alone; it takes no self; "
            "write def go(self, state)"
        ),
    ),
    "a method that takes a field of the story": (
        lambda: story(go=go_of("self, state, card"), __annotations__={"card": str}),
        (
            "A: I.go is go(self, state, card), which cannot be called with the state alone; "
            "write def go(self, state), and read self.card"
        ),
    ),
    "a method that takes fields of the state": (
        lambda: story(go=go_of("self, state, order_id, *, total"), State=State),
        (
            "A: I.go is go(self, state, order_id, *, total), which cannot be called with the state alone; "
            "write def go(self, state), and read state.order_id and state.total"
        ),
    ),
    "a method without self and another name": (
        lambda: story(go=go_of("s")),
        "A: I.go is go(s), which cannot be called with the state alone; it takes no self; write def go(self, state)",
    ),
    "a method without self that takes more": (
        lambda: story(go=go_of("state, card, amount")),
        (
            "A: I.go is go(state, card, amount), which cannot be called with the state alone; it takes no self; "
            "write def go(self, state); card, amount come from the state, or from a field of the story"
        ),
    ),
    "State": (
        lambda: step_called("State"),
        "A: I.State is no step: State is the class of its state; give the step another name",
    ),
    "I": (
        lambda: step_called("I"),
        "A: I.I is no step: I is the list of its steps; give the step another name",
    ),
    "register_hook": (
        lambda: step_called("register_hook"),
        "A: I.register_hook is no step: register_hook is a method of every story; give the step another name",
    ),
    "a story inside itself": (
        lambda: loops(0)(None),
        "Loop reaches itself through its steps: Loop -> I.again -> Loop; give one of these steps another story",
    ),
    "a story inside another inside itself": (
        lambda: loops(1)(None),
        (
            "Loop reaches itself through its steps: Loop -> I.again -> Loop -> I.again -> Loop; "
            "give one of these steps another story"
        ),
    ),
    "an I of its own": (
        lambda: fill_i(["s3cr3t"]),
        "A: I is the list of its steps, and cannot be a list; write one line `I.<name of the step>` for each step",
    ),
    "no I": (
        lambda: fill_i(None),
        "A: I is the list of its steps, and cannot be None; write one line `I.<name of the step>` for each step",
    ),
    "no steps listed": (
        lambda: Unlisted()(State(order_id=1, total=1)),
        ("Unlisted lists no steps, so calling it would do nothing; list in its body, in order: I.reserve, I.charge"),
    ),
    "no steps and no methods": (
        lambda: Hollow()(None),
        "Hollow lists no steps, so calling it would do nothing; list them with I.name in its body",
    ),
    "keywords without fields": (
        lambda: story(go=Clash.go)(gateway=3),
        (
            "A() takes no arguments, since it declares no fields; declare gateway: <its type>, "
            "and decorate it with @dataclass"
        ),
    ),
    "arguments without fields": (
        lambda: story(go=Clash.go)(3),
        (
            "A() takes no arguments, since it declares no fields; "
            "make the story, then call it with the state: A()(state)"
        ),
    ),
    "an async hook": (
        lambda: hooked(AsyncHook())(None),
        (
            "A: the before hook AsyncHook.before is async, but no step of the story is; make the hook a plain "
            "function, or make one step async and await the story"
        ),
    ),
    "a context manager around": (
        lambda: hooked(Around())(None),
        (
            "the around hook Around.around_story has to yield exactly once, but is no generator function; "
            "write one yield in it, and no @contextmanager above it"
        ),
    ),
    "a function as hook": (
        lambda: hooked(charge),
        (
            "a function is no hook: it has none of the methods after, around_compensation, around_step, around_story, "
            "before, error; register_hook(kind, function) takes functions"
        ),
    ),
    "an object with hooks registered": (
        lambda: Leaf.register_hook("before", AsyncHook()),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "Leaf: a 'before' hook is a callable, not an AsyncHook; inject_hooks(Leaf, [...]) takes such hooks",
    ),
    "hooks of an object": (
        lambda: inject_hooks(Leaf()),
        "inject_hooks takes the class of a story, as in inject_hooks(Leaf), not a Leaf",
    ),
    "an awaitable of a method": (
        lambda: story(go=returns_a_coroutine)()(None),
        (
            "A: step go returned an awaitable (coroutine), but the story is sync: none of its steps is declared "
            "async; write `async def go(self, state)`, await that in it, and await the story"
        ),
    ),
    "an awaitable of an injected callable": (
        lambda: dataclass(declared())(returns_a_coroutine_too)(None),
        (
            "A: step go returned an awaitable (coroutine), but the story is sync: none of its steps is declared "
            "async; list an async method that awaits self.go(state), and await the story"
        ),
    ),
    "a State by position": (
        lambda: new_state(1),
        (
            "State() takes its fields by keyword, and got 1 argument without a name; "
            "write State(order_id=..., total=..., code=...)"
        ),
    ),
    "a State of variables by position": (
        lambda: Empty(1, 2),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        "Empty() takes its fields by keyword, and got 2 arguments without names; it takes none",
    ),
    "two fields not given": (
        lambda: new_state(),
        (
            "State(): order_id and total are required, and were not given; where a step sets one, "
            "write `order_id: <its type> = variable()`"
        ),
    ),
    "a field not given": (
        lambda: new_state(order_id=1),
        ("State(): total is required, and was not given; where a step sets it, write `total: <its type> = variable()`"),
    ),
    "a field misspelt": (
        lambda: new_state(order_id=1, totl=1),
        'State(): total is required, and was not given; totl is not declared; did you mean "total"?',
    ),
    "an argument that is not declared": (
        lambda: new_state(order_id=1, total=1, xyz=1),
        "State(): xyz is not declared; add `xyz: <its type>` to its body",
    ),
    "a variable given": (
        lambda: new_state(order_id=1, total=1, payment=1),
        "State(): payment is set by a step; leave it out, since the constructor does not take it",
    ),
    "a variable that is not set": (
        lambda: state.payment,
        (
            "State.payment is not set: no step has set it yet; list the step that sets it before those that read it, "
            "let it set it on every path, and call the story first (with await if it is async)"
        ),
    ),
    "an undeclared name read": (
        lambda: state.xyz,
        (
            "State declares no 'xyz'; add `xyz: <its type> = variable()` to its body if a step sets it, `xyz: <its "
            "type>` if the caller gives it"
        ),
    ),
    "an undeclared name set": (
        lambda: assign(state, "xyz"),
        "State declares no 'xyz', so it cannot be set; add `xyz: <its type> = variable()` to its body",
    ),
    "a method set": (
        lambda: assign(state, "summary"),
        "State.summary belongs to the class, and cannot be set; set a field of another name",
    ),
    "a constant set": (
        lambda: assign(state, "notes"),
        "State.notes belongs to the class, and cannot be set; set a field of another name",
    ),
    "a Final field set": (
        lambda: assign(state, "code"),
        (
            "State.code is Final, so it keeps the value that the object was made with; "
            "take Final off where steps change it"
        ),
    ),
}


@pytest.mark.parametrize(("mistake", "advice"), ADVICE.values(), ids=ADVICE)
def test_a_message_says_what_to_write(mistake: Callable[[], object], advice: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError, RuntimeError, DDDKitError)) as caught:
        mistake()
    assert str(caught.value) == advice


@every_constructor
def test_a_field_that_hides_a_method_is_named(made: Constructor) -> None:
    def go(self: object, state: object) -> None: ...

    go.__qualname__ = "A.go"
    made_class: Any = made(declared(go=go))
    if "__init__" in made_class.__dict__ and not hasattr(made_class, "__dataclass_fields__"):
        return  # by hand: the method stays
    for arguments in ((), (3,)):
        with pytest.raises(TypeError) as caught:
            made_class(*arguments)(None)
        assert str(caught.value) == (
            "A: I.go is a field and a method, and the field hides the method; give one of them another name"
        )


def test_a_default_may_be_a_function_of_the_state() -> None:
    seen: list[object] = []

    def note(state: object) -> None:
        seen.append(state)

    dataclass(declared(go=note))()("state")
    dataclass(declared(go=Clash.go))(note)("state")  # the field has the name of a method, and a value that fits
    assert seen == ["state", "state"]


def test_a_story_may_give_a_reserved_name_a_meaning() -> None:
    class Own(Story):
        listed(I, "register_hook")

        def register_hook(self, state: list[str]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            state.append("own")

    state: list[str] = []
    Own()(state)
    assert state == ["own"]


def test_an_async_story_takes_async_hooks_as_the_message_says() -> None:
    made = story(go=Clash.go)
    inject_hooks(made, [AsyncHook()])
    made.go = Async.go
    asyncio.run(made()(None))


class Async:
    async def go(self, state: object) -> None: ...
