"""A process with a durable story that waits for approval: `python -m tests.durable.approving URL NAME [FORMERLY]`.

Each line that it reads is a call, as JSON: `["signal", ["order-1", "approval", true]]`; it answers each with a line.
With a name that it had formerly its story is a later version: its State has one more field. With REORDERED in the
environment its steps come in another order, with FAILING the last one fails.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

from dbos import DBOS

from dddkit.stories import I, Story, StoryState, step_key, variable
from dddkit.stories.dbos import Durable, settings
from dddkit.stories.durable import Signal


@dataclass(frozen=True)
class Approved(Story):
    I.prepare
    I.approval
    I.decide

    class State(StoryState):
        order: str
        keys: list[str] = []
        approved: bool = variable()

    approval: Any

    async def prepare(self, state: State) -> None:
        state.keys.append(step_key())

    async def decide(self, state: State) -> None:
        if os.environ.get("FAILING"):
            raise ValueError("nobody decides today")
        state.keys.append(step_key())


class Later(Approved):
    I.prepare
    I.approval
    I.decide

    class State(Approved.State):
        note: str = "none"


class Reordered(Approved):
    I.approval
    I.prepare
    I.decide


def main() -> None:
    url, name, *formerly = sys.argv[1:]
    DBOS(config=settings("tests", url, log_level="ERROR"))
    story: Any = Later if formerly else Reordered if os.environ.get("REORDERED") else Approved
    durable: Durable[Any] = Durable(story(Signal("approval", into="approved")), name=name, formerly=tuple(formerly))
    DBOS.launch()
    print(json.dumps("launched"), flush=True)
    for line in sys.stdin:
        call, arguments = json.loads(line)
        try:
            print(json.dumps(_called(durable, story, call, arguments)), flush=True)
        except Exception as error:
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
    DBOS.destroy()


def _called(durable: Durable[Any], story: Any, call: str, arguments: list[Any]) -> Any:
    if call == "start":
        return durable.start(story.State(order=arguments[0]), id=arguments[0])
    if call == "result":
        return durable.result(arguments[0], timeout=60).keys
    if call == "signal":
        return durable.signal(*arguments).accepted
    if call == "cancel":
        return durable.cancel(arguments[0], undo=arguments[1])
    return str(getattr(durable, call)(*arguments))


if __name__ == "__main__":
    main()
