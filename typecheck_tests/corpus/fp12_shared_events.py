"""Events of a mixin, of a base aggregate, of a namespace class and of an enclosing function's aggregate."""

from abc import ABC
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


class Lifecycle:
    """Events that several aggregates share; itself no aggregate."""

    @dataclass(frozen=True, kw_only=True)
    class Archived(AggregateEvent):
        pass


class Archivable(Aggregate, ABC):
    @dataclass(frozen=True, kw_only=True)
    class Restored(AggregateEvent):
        pass

    def archive(self) -> None:
        self.add_event(Lifecycle.Archived())
        self.add_event(self.Restored())


@dataclass(kw_only=True)
class Letter(Archivable):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Read(AggregateEvent):
        pass

    @dataclass(frozen=True, kw_only=True)
    class Restored(Archivable.Restored):
        again: bool = True


@dataclass(kw_only=True)
class Invitation(Letter):
    def accept(self) -> None:
        self.add_event(Letter.Read())
        self.add_event(Archivable.Restored())


def make() -> Aggregate:
    @dataclass(kw_only=True)
    class Local(Aggregate):
        id: int

        @dataclass(frozen=True, kw_only=True)
        class Made(AggregateEvent):
            pass

        def __post_init__(self) -> None:
            self.add_event(Local.Made())

    return Local(id=1)


def touch(letter: Letter) -> None:
    letter.add_event(Letter.Restored())
    if isinstance(letter, Invitation):
        letter.add_event(letter.Read())


invitation = Invitation(id=1)
invitation.archive()
invitation.accept()
touch(invitation)
assert len(invitation.get_events()) == 6
assert len(make().get_events()) == 1
