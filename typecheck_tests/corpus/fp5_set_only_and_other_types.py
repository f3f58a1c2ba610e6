"""`__get__` by a type variable of self, a non-generic descriptor, one that gives None on the class, and a union."""

from typing import Any, Optional

from typing_extensions import Self

from dddkit.dataclasses import Aggregate, InMemoryRepository, Repository


class IntColumn:
    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> int:
        return 0 if instance is None else int(instance.__dict__[self.name])

    def __set__(self, instance: Any, value: int) -> None:
        instance.__dict__[self.name] = value


class OptionalColumn(IntColumn):
    def __get__(self, instance: Any, owner: Any) -> Optional[int]:  # type: ignore[override]
        return None if instance is None else instance.__dict__.get(self.name)


class Own:
    def __get__(self, instance: Any, owner: Any) -> Self:
        return self

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError


class Plain(Aggregate):
    id: IntColumn = IntColumn()

    def __init__(self, id: int) -> None:
        self.id = id


class Unsaved(Aggregate):
    unsaved_id: OptionalColumn = OptionalColumn()

    def __init__(self) -> None:
        self.name = "unsaved"


class Single(Aggregate):
    id: Own = Own()

    def __init__(self) -> None:
        self.n = 1


class Plains(InMemoryRepository[Plain, int]): ...


class Unsaveds(InMemoryRepository[Unsaved, int]): ...


class Singles(Repository[Single, Own]): ...


assert Plain(1) == Plain(1)
assert Unsaved() != Unsaved()
assert Single() == Single()
assert Plains()
assert Unsaveds()
assert Singles.__mro__
