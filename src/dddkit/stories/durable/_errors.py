"""An exception as JSON, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from dddkit.exceptions import StepFailedError

if sys.version_info >= (3, 11):
    from builtins import BaseExceptionGroup
else:
    from exceptiongroup import BaseExceptionGroup

__all__ = ["from_json", "to_json"]

# Any: arguments of exceptions, and JSON.


def to_json(error: BaseException) -> dict[str, Any]:
    """Return an exception as JSON: its class, its message, its notes, what caused it.

    Its arguments are added where they make an equal one again. Causes keep their class and message only.
    """
    data: dict[str, Any] = {"class": _path_of(type(error)), "text": _text_of(error)}
    if notes := _notes_of(error):
        data["notes"] = notes
    if causes := _causes_of(error):
        data["causes"] = causes
    try:
        arguments, attributes = _state_of(error)
        described = {
            **data,
            "args": [_encoded(argument) for argument in arguments],
            "attributes": {
                name: _encoded(value) for name, value in attributes.items() if _is_written(value)
            },
        }
        made = _made(described, "", "")
        if _is_the_same(made, error):
            return described
    except Exception:  # the class is the user's, and may do anything
        pass
    return data
