"""The metaclass of Protocol: those of Story and StoryState derive from it, so that Protocol mixins fit beside."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from typing import Protocol
else:  # whose Protocol has a metaclass of its own until then
    from typing_extensions import Protocol

__all__ = ["ProtocolMeta"]

ProtocolMeta: type = type(Protocol)
