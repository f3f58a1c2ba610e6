"""Class attributes without annotation: constants, aliases, lambdas, descriptors, loggers."""

import logging
import operator
import re
from functools import cached_property, partial
from itertools import count

from dddkit.dataclasses import Aggregate, AggregateEvent


class Opened(AggregateEvent):
    pass


class Valve(Aggregate):
    logger = logging.getLogger(__name__)
    pattern = re.compile("[a-z]+")
    numbers = count(1)
    weight = property(operator.attrgetter("grams"))
    half = partial(operator.floordiv, 10)
    Event = Opened
    limits = LOW, HIGH = 1, 9
    for_all = [LOW, HIGH]
    grams = 4

    @cached_property
    def name(self) -> str:
        return f"valve {next(self.numbers)}"


valve = Valve()
valve.add_event(valve.Event())
assert valve.weight == 4
assert valve.name == "valve 1"
assert len(valve.pull_events()) == 1
assert Valve.half(5) == 2
