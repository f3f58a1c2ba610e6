"""Typed building blocks for Domain-Driven Design.

- `dddkit.dataclasses` and `dddkit.pydantic`: aggregates, entities, value objects, events, broker, changes
  handler, repositories; the same names in both flavours.
- `dddkit.stories`: business operations as a list of steps.
- `dddkit.exceptions`: what any of them may raise.

The companion mypy plugin is `dddkit_mypy`.
"""

from typing import Final

__version__: Final = "1.0.0"
