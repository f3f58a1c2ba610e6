"""The signature of a State is that of its constructor, for everything that builds objects from signatures."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import typing
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, NewType, TypeVar

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st

from dddkit.stories import I, Story, StoryState, variable
from tests.stories.shop import Mode, both_modes

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")
OrderId = NewType("OrderId", int)


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


class Checkout(Story):
    I.pay

    class State(StoryState):
        class Line(StoryState):
            item: str

        order_id: OrderId
        notes: list[str] = []
        discount: float | None = None
        payment: str = variable()

    def pay(self, state: State) -> None:
        state.payment = f"payment of {state.order_id}"


class Express(Checkout.State):
    courier: str
    lines: list[Line]  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]  # a base has it
    discount = 0.5
    limit: Final[int] = 3
    OPEN: Final = "open"
    annotated: Annotated[Final[int], "given once"] = 4  # type: ignore[valid-type]
    note: Annotated[str, "for the courier"] = ""


def test_fs5_the_signature_shows_fields_by_keyword_with_types_and_defaults() -> None:
    shape = signature(Checkout.State)

    assert str(shape).startswith("(*, order_id: ")
    assert {parameter.kind for parameter in shape.parameters.values()} == {Parameter.KEYWORD_ONLY}
    assert [(name, found.annotation, found.default) for name, found in shape.parameters.items()] == [
        ("order_id", OrderId, Parameter.empty),
        ("notes", list[str], []),
        ("discount", float | None, None),
    ]
    assert shape.return_annotation is None


def test_fs5_the_signature_of_a_child_has_the_fields_of_its_parent() -> None:
    found = signature(Express).parameters

    assert list(found) == [
        *signature(Checkout.State).parameters,
        "courier",
        "lines",
        "limit",
        "OPEN",
        "annotated",
        "note",
    ]
    assert found["discount"].default == 0.5
    assert (found["limit"].annotation, found["limit"].default) == (int, 3)
    assert (found["OPEN"].annotation, found["OPEN"].default) == (Parameter.empty, "open")
    assert found["annotated"].annotation == Annotated[int, "given once"]
    assert found["note"].annotation == Annotated[str, "for the courier"]
    assert signature(StoryState).parameters == {}


def test_fs5_a_type_that_cannot_be_evaluated_is_its_text_and_the_others_are_types() -> None:
    class State(StoryState):
        price: Decimal
        line: State
        order_id: int

    found = signature(State).parameters
    names = [getattr(found[name].annotation, "__forward_arg__", found[name].annotation) for name in ("price", "line")]
    assert names == ["Decimal", "State"]
    assert found["order_id"].annotation is int


def test_fs5_a_generic_state_shows_its_type_variable() -> None:
    class Held(StoryState, Generic[T]):
        item: T

    class HeldText(Held[str]):
        more: str = ""

    assert signature(Held).parameters["item"].annotation is T
    assert list(signature(HeldText).parameters) == ["item", "more"]


@pytest.mark.parametrize("protocol", [typing.Protocol, typing_extensions.Protocol])
def test_fs5_a_mixin_adds_no_parameter(protocol: Any) -> None:
    class HasCourier(protocol):  # type: ignore[misc]  # a base chosen at run time
        courier: str

    class State(HasCourier, StoryState):
        order_id: int

    for _ in range(2):
        assert list(signature(State).parameters) == ["order_id"]
        loosely(State)(order_id=1)


def test_fs5_a_constructor_of_its_own_has_its_own_signature() -> None:
    class ByText(StoryState):
        order_id: int

        def __init__(self, order: str) -> None:
            loosely(super()).__init__(order_id=int(order))

    class Made(StoryState):
        order_id: int

        def __new__(cls, order_id: int, more: str = "") -> Made:
            return loosely(super()).__new__(cls)  # type: ignore[no-any-return]

    class Told(StoryState):
        __signature__ = inspect.Signature()
        order_id: int

    class Child(ByText):
        more: int = 1

    assert list(signature(ByText).parameters) == list(signature(Child).parameters) == ["order"]
    assert list(signature(Made).parameters) == ["order_id", "more"]
    assert signature(Told) == inspect.Signature()


def test_fs5_a_field_that_is_no_identifier_spoils_no_signature() -> None:
    made = loosely(type(StoryState))("State", (StoryState,), {"__annotations__": {"class": int}})

    assert vars(made(**{"class": 1})) == {"class": 1}
    assert list(signature(made).parameters) in (["positional", "values"], ["class"])  # 3.10 accepts keywords


def test_fs5_an_object_has_no_signature() -> None:
    assert not hasattr(Checkout.State(order_id=OrderId(1)), "__signature__")


def test_fs5_the_signature_binds_exactly_what_the_constructor_takes() -> None:
    given: list[dict[str, Any]] = [{}, {"order_id": 1}, {"order_id": 1, "payment": ""}, {"order_id": 1, "more": 1}]
    for arguments in given:
        taken = True
        try:
            loosely(Checkout.State)(**arguments)
        except TypeError:
            taken = False
        bound = True
        try:
            signature(Checkout.State).bind(**arguments)
        except TypeError:
            bound = False
        assert taken == bound


@given(st.builds(Checkout.State), st.builds(Checkout.State, notes=st.lists(st.text())))
def test_fs5_hypothesis_builds_states(state: Checkout.State, other: Checkout.State) -> None:
    assert isinstance(state.order_id, int)
    assert state.notes == []
    assert not hasattr(other, "payment")


def test_fs5_hypothesis_builds_nested_states() -> None:
    class Order(StoryState):
        state: Checkout.State
        count: int

    @given(st.builds(Order))
    def check(order: Order) -> None:
        assert isinstance(order.state, Checkout.State)
        assert isinstance(order.count, int)

    check()


def answer(app: Any, query: str) -> tuple[int, Any]:
    """Return status and body of what an ASGI application answers to `GET /pay`."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": "/pay"}
    asyncio.run(app({**scope, "query_string": query.encode(), "headers": []}, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@both_modes
def test_fs5_fastapi_builds_a_state_from_the_request(mode: Mode) -> None:
    fastapi: Any = pytest.importorskip("fastapi")
    depends = fastapi.Depends(Checkout.State)
    app = fastapi.FastAPI()

    if mode == "sync":

        @app.get("/pay")  # type: ignore[untyped-decorator]  # of Any
        def pay(state: Any = depends) -> str:
            Checkout()(state)
            return f"{state.payment}: {state.notes}"

    else:

        @app.get("/pay")  # type: ignore[untyped-decorator]  # of Any
        async def pay_async(state: Any = depends) -> str:
            await loosely(Checkout())(state)
            return f"{state.payment}: {state.notes}"

    assert answer(app, "order_id=7") == (200, "payment of 7: []")
    assert answer(app, "order_id=seven")[0] == 422
    assert answer(app, "")[0] == 422


def test_fs5_a_container_that_reads_signatures_builds_a_state() -> None:
    @dataclass
    class Container:
        values: dict[Any, Any]

        def build(self, kind: Any) -> Any:
            needed = signature(kind).parameters.values()
            return kind(**{p.name: self.values[p.annotation] for p in needed if p.annotation in self.values})

    assert Container({OrderId: 7}).build(Checkout.State).order_id == 7


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_fs5_a_signature_costs_nothing_until_it_is_read() -> None:
    program = (
        "import sys; from dddkit.stories import StoryState, variable\n"
        "class State(StoryState):\n    n: int\n    m: list = []\n    v: int = variable()\n"
        "State(n=1); before = set(sys.modules); State.__signature__; print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert "dddkit.stories._engine.signature" in run.stdout.split()
