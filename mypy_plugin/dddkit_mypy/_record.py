"""Values under names, for the classes of the plugin that hold nothing else."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import dataclass_transform


@dataclass_transform()
class Record:
    """The base of such a class, which annotates its names.

    To make a NamedTuple takes as long as to import a small module, and a dataclass takes longer; mypy waits for it in
    each run without a cache.
    """

    _names: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls._names = tuple(cls.__annotations__)

    def __init__(self, *values: object, **named: object) -> None:
        self.__dict__.update(zip(self._names, values, strict=False), **named)
