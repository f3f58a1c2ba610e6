"""Tests of a domain in a few lines."""

from dddkit.testing._given import given
from dddkit.testing._recorded import recorded
from dddkit.testing.events import assert_events
from dddkit.testing.sameness import assert_same

__all__ = ["assert_events", "assert_same", "given", "recorded"]
