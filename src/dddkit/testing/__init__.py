"""Tests of a domain in a few lines."""

from dddkit.testing.runs import run_failing, run_until

__all__ = ["run_failing", "run_until"]
