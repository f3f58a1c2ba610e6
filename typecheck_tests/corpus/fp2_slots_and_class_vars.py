"""No field anywhere: ClassVars, Finals, nested classes, enums, type aliases."""

import enum
from typing import Any, ClassVar

from dddkit.dataclasses import Aggregate, AggregateEvent


class Lamp(Aggregate):
    registry: ClassVar[dict[str, Any]] = {}
    DEFAULT = "off"

    class Mode(enum.Enum):
        ON = "on"
        OFF = "off"

    class Switched(AggregateEvent):
        pass

    Alias = Switched

    def switch(self) -> Mode:
        self.add_event(self.Alias())
        return self.Mode(self.DEFAULT)


lamp = Lamp()
assert lamp.switch() is Lamp.Mode.OFF
assert len(lamp.get_events()) == 1
