"""The metaclass of Protocol: those of Story and StoryState derive from it, so that Protocols can be their mixins."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from typing import Protocol
else:  # the one in `typing` has another metaclass until then
    from typing_extensions import Protocol

__all__ = ["ProtocolMeta"]

ProtocolMeta: type = type(Protocol)
