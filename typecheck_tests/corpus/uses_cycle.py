"""A package whose modules import each other for their types only."""

import cycle
from cycle.state import note_of

state = cycle.ShipState(order_id=1)
cycle.Ship()(state)
cycle.Ship(name="x")(state)
assert note_of(state) == "1: x"
assert vars(state)["marked"] == 2
