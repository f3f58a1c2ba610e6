"""The lock file of events: what it says of a message, and what a change does to those who read it."""

from dddkit.messages._lock.checking import check_events, lock_events

__all__ = ["check_events", "lock_events"]
