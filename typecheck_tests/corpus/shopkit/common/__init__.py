from dddkit.dataclasses import Aggregate as Aggregate
from dddkit.dataclasses import AggregateEvent as Event
from dddkit.dataclasses import Repository as Repo
from dddkit.stories import I, Story, StoryState, variable

from .ids import *

__all__ = ["Aggregate", "Event", "I", "OrderId", "Repo", "SkuText", "Story", "StoryState", "variable"]
