"""A monorepo's package that re-exports everything, dddkit's vocabulary too."""

from shopkit.common import Aggregate, I, Story, StoryState
from shopkit.sales import *

__all__ = ["Add", "Aggregate", "I", "Order", "Orders", "Pay", "Story", "StoryState"]
