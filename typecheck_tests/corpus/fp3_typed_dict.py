"""States that are TypedDicts: nested, inherited, made by a call, total=False."""

from typing import TypedDict

from typing_extensions import NotRequired

from dddkit.stories import I, Story


class Checkout(Story):
    I.reserve
    I.charge

    class State(TypedDict):
        order_id: int
        receipt: NotRequired[str]

    def reserve(self, state: State) -> None:
        assert state["order_id"]

    def charge(self, state: State) -> None:
        state["receipt"] = f"paid: {state['order_id']}"


class Base(TypedDict, total=False):
    note: str


class Wrap(Story):
    I.wrap

    class State(Base):
        weight: int

    def wrap(self, state: State) -> None:
        state["note"] = f"{state['weight']} g"


class OnBase(Story):
    I.write

    State = Base

    def write(self, state: Base) -> None:
        state["note"] = "base"


Functional = TypedDict("Functional", {"from": str, "to": str})


class Move(Story):
    I.move

    State = Functional

    def move(self, state: Functional) -> None:
        state["to"] = state["from"]


order = Checkout.State(order_id=1)
Checkout()(order)
assert order["receipt"] == "paid: 1"
Checkout()({"order_id": 2})
parcel: Wrap.State = {"weight": 3}
Wrap()(parcel)
assert parcel == {"weight": 3, "note": "3 g"}
base: Base = {}
OnBase()(base)
moved = Functional({"from": "a", "to": ""})
Move()(moved)
assert base["note"] == moved["to"].replace("a", "base")
