"""Aggregates that never change: `evolve`, `replace`, events of the next state, entities in tuples."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Union

from typing_extensions import assert_never

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, evolve


@dataclass(frozen=True, kw_only=True)
class Move(Entity):
    move_id: int
    to: str


@dataclass(frozen=True, kw_only=True)
class Game(Aggregate):
    game_id: int
    moves: tuple[Move, ...] = ()
    over: bool = False

    @dataclass(frozen=True, kw_only=True)
    class Moved(AggregateEvent):
        to: str

    @dataclass(frozen=True, kw_only=True)
    class Ended(AggregateEvent):
        reason: str = "mate"

    Event = Union[Moved, Ended]

    def apply(self, event: Event) -> Game:
        if isinstance(event, Game.Moved):
            game = evolve(self, moves=(*self.moves, Move(move_id=len(self.moves), to=event.to)))
        elif isinstance(event, Game.Ended):
            game = evolve(self, over=True)
        else:
            assert_never(event)
        game.add_event(event)
        return game

    def play(self, *squares: str) -> Game:
        game = self
        for square in squares:
            game = game.apply(Game.Moved(to=square))
        return game.apply(self.Ended())


game = Game(game_id=1).play("e4", "e5")
assert game == Game(game_id=1)
assert [type(event).__name__ for event in game.pull_events()] == ["Moved", "Moved", "Ended"]
assert dataclasses.replace(game, over=False).moves == game.moves
