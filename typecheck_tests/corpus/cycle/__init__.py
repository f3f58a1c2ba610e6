from cycle.story import Ship as Ship
from cycle.state import ShipState as ShipState
