"""How the variable of the current run is pickled, as part of a class that is sent by value.

Cloudpickle and dill send a class of `__main__` or of a notebook with all that its dictionary refers to, the compiled
`__call__` too. What arrives there is replaced by a first call (`metaclass.py`), but it has to arrive.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from dddkit.stories._engine.current_run import CURRENT_RUN

__all__ = ["reduce_context_variable"]


def current_run_variable() -> ContextVar[Any]:
    return CURRENT_RUN


def reduce_context_variable(variable: ContextVar[Any]) -> Any:
    """Pickle our variable by the name of a function; say of every other what Python says: it cannot be pickled."""
    if variable is CURRENT_RUN:
        return current_run_variable, ()
    return variable.__reduce_ex__(2)
