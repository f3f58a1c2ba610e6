"""Rehearsing what a durable story does when its process ends, at every place where that can happen."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from inspect import isawaitable, signature
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from dddkit._callables import display_name, kind_of
from dddkit._requirements import require
from dddkit.stories.durable._state_class import state_class_of
from dddkit.stories.durable._steps import StoryPlan, check_retries, plan_of, signal_of
from dddkit.stories.durable.retry import Retry
from dddkit.testing._copies import as_another_process_has_it, with_its_own_world
from dddkit.testing._description import describe
from dddkit.testing._differences import differences
from dddkit.testing._failing import failure
from dddkit.testing._journal import Crash, MemoryJournal, Place, When

# What writes the State needs pydantic, and is imported where somebody rehearses.
if TYPE_CHECKING:
    from dddkit.stories.durable._state import StateCodec

__all__ = ["rehearse"]

StateT = TypeVar("StateT")

# Any: stories, their states, and JSON.

_REMEMBER: Final = "what a step needs of an earlier one belongs into the State"
_OUTSIDE: Final = "something outside of it decides"
_PLACES: Final[dict[When, tuple[str, str]]] = {
    "before": ("before {} ran", _REMEMBER),
    "after body": (
        "when {} had run, and before that was recorded, so that it ran again",
        "it has to do the same then: pass on step_key(), and read back what it has done already",
    ),
    "after record": ("when {} was recorded", _REMEMBER),
}


async def rehearse(
    story: Callable[[StateT], object] | Callable[[], AbstractAsyncContextManager[Callable[[StateT], object]]],
    state: StateT,
    *,
    retries: Mapping[str, Retry] | None = None,
    signals: Mapping[str, object] | None = None,
    name: str | None = None,
) -> StateT:
    """Run a story as a durable one, in memory, and let its process end at every place where that can happen.

        state = await rehearse(Checkout(FakeGateway()), Checkout.State(order_id=order_id))

    It runs without an interruption first. Then once for each step and each place: the process ends before the step,
    after it and before that is recorded, after it is recorded; the run goes on from its record. So it does with waits,
    and with compensations where a step of the story fails. Each recorded step has to have run once, and each run has to
    end like the first, with the same state. Delays take no time, nor does the waiting between attempts.

    A run has a deep copy of the story and of what it was given, so that all begin alike; the objects of the test stay
    as they are. What cannot be copied is shared. A database is better opened for each run: give a function that does so
    in an async context manager which yields the story. There what a run has left can be looked at afterwards, too:

        @asynccontextmanager
        async def open_checkout() -> AsyncGenerator[Checkout]:
            engine = embedded(":memory:", metadata)
            yield Checkout(lambda: ShopUnit(engine))
            await engine.dispose()

        await rehearse(open_checkout, Checkout.State(order_id=order_id))

    Where a process ends, what a step has left in the story itself is gone: attributes, and lists, sets and dicts in
    them. The objects that it was given are the world, and stay.

    A field whose value is another one without any interruption too, such as a random id, only has to be set or not.

    Args:
        story: the story object, also a sync one; or a function without arguments that opens one for each run.
        state: what the run starts with; it is left alone.
        retries: as `Durable` takes them.
        signals: the values of the signals that are sent; one that is not given comes too late.
        name: what `step_key` begins with; None: the name of the story's class. The ids of the runs are
            rehearsal-1 and so on.

    Returns:
        The state at the end.

    Raises:
        AssertionError: a run has ended in another way after an interruption; says where the process ended, and in what
            the runs differ.
        Exception: what a step has raised, as from a durable run, where each run has ended with that.
        StoryNotRecordableError: the State, or a value in it, cannot be recorded.
        ValueError: retries or signals for what is no step.
        MissingDependencyError: pydantic is not installed.
    """
    __tracebackhide__ = True
    given: Any = story
    if not _opens_one(given):
        rehearsal = _Rehearsal(given, state, retries or {}, signals or {}, name)
        expected = await rehearsal.run()
    else:
        # The first run happens here: what follows the `yield` may look at what it has left.
        async with _opened_by(given) as one:
            rehearsal = _Rehearsal(one, state, retries or {}, signals or {}, name, opened=given)
            expected = await rehearsal.run_in(one)
    return await rehearsal.hold(expected)  # type: ignore[no-any-return]  # the state


def _opens_one(story: Any) -> bool:
    if not issubclass(type(story), (FunctionType, MethodType, partial)):
        return False
    return all(one.default is not one.empty for one in signature(story).parameters.values())


def _opened_by(function: Any) -> AbstractAsyncContextManager[Any]:
    opened: Any = function()
    if not hasattr(cast("type[object]", type(opened)), "__aenter__"):
        if isawaitable(opened) and (close := getattr(opened, "close", None)) is not None:
            close()  # or Python would warn that it was never awaited
        raise TypeError(
            f"rehearse takes a story, or a function that opens one in an async context manager, and "
            f"{display_name(function)} gave {kind_of(opened)}; let it `yield` the story, under @asynccontextmanager"
        )
    return opened  # type: ignore[no-any-return]  # it has what one has


class _Ended(NamedTuple):
    """How a run has ended.

    Attributes:
        text: its outcome, as JSON.
        outcome: the same, parsed.
        names: of its entries.
        bodies: how often the body of each was called.
    """

    text: str
    outcome: dict[str, Any]
    names: list[str]
    bodies: Counter[str]


class _Rehearsal:
    """The runs of one story."""

    def __init__(
        self,
        story: Any,
        state: Any,
        retries: Mapping[str, Retry],
        signals: Mapping[str, object],
        name: str | None,
        opened: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        require("pydantic", extra="pydantic")
        from dddkit.stories.durable._state import StateCodec

        self._story: Final = story
        self._opened: Final = opened
        name = name or type(story).__name__
        self._name: Final = name
        is_story = "__story__" in type(story).__dict__
        self._state_class: Final = state_class_of(story, name) if is_story else None
        if not is_story:
            self._plan(story)  # rejects it
        self._codec: Final[StateCodec] = StateCodec(self._state_class, type(story).__qualname__)
        plan = self._plan(story)
        check_retries(plan, retries)
        self._start: Final = json.dumps(self._codec.dump(state))
        self._signals: Final = dict(_encoded(plan, self._codec, signals))
        self._retries: Final = {
            path: Retry(retry.on, retry.attempts, 0.0, retry.timeout) for path, retry in retries.items()
        }
        self._runs = 0
        self._shared: list[str] = []
        """What all runs have, since it cannot be copied."""

    def _plan(self, story: Any) -> StoryPlan:
        return plan_of(story, self._name, self._state_class)

    async def hold(self, expected: _Ended) -> Any:
        """Compare all other runs with the first one; return its state."""
        __tracebackhide__ = True
        again = await self.run()
        loose = self._differing(expected.outcome["state"], again.outcome["state"])
        why = f"all share {', '.join(self._shared)}, which cannot be copied" if self._shared else _OUTSIDE
        self._compare(again, expected, loose, f"two runs without an interruption came to different ends; {why}")
        for index, entry in enumerate(expected.names):
            for when, (where, cure) in _PLACES.items():
                ended = await self.run(Place(index, when))
                what = f"the process ended {where.format(entry)}, and the run came to another end; {cure}"
                self._compare(ended, expected, loose, what)
                self._check_bodies(ended, entry if when == "after body" else None)
        from dddkit.stories.durable._outcome import outcome_of

        return outcome_of(expected.text, self._plan(self._story), self._codec, "rehearsal-1")

    async def run(self, place: Place | None = None) -> _Ended:
        """Run the story in a world of its own; see `run_in`."""
        async with self._world() as world:
            return await self.run_in(world, place)

    async def run_in(self, world: Any, place: Place | None = None) -> _Ended:
        """Run the story to its end, in two processes where there is a place at which the first one ends."""
        from dddkit.stories.durable._run import run

        self._runs += 1  # each has keys of its own: where runs share a database, it has noted those of the others
        journal = MemoryJournal(
            f"rehearsal-{self._runs}", signals=self._signals, crashes=() if place is None else (place,), skips_time=True
        )
        while True:
            plan = self._plan(as_another_process_has_it(world))
            # In a task, which has a context of its own: what a step sets there does not reach the next process.
            process = asyncio.ensure_future(run(plan, self._codec, self._start, journal, retries=self._retries))
            try:
                text = await process
            except Crash:
                journal.begin()
            else:
                break
        return _Ended(text, json.loads(text), [entry.name for entry in journal.recorded], Counter(journal.bodies))

    def _world(self) -> AbstractAsyncContextManager[Any]:
        if self._opened is not None:
            return self._opened()
        copied, self._shared = with_its_own_world(self._story)
        return nullcontext(copied)

    def _differing(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> frozenset[str]:
        from dddkit.stories.durable._state import changes

        return frozenset(changes(one, other).set) & one.keys()

    def _compare(self, ended: _Ended, expected: _Ended, loose: frozenset[str], what: str) -> None:
        __tracebackhide__ = True
        lines = [*_other_end(ended.outcome, expected.outcome), *_other_record(ended.names, expected.names)]
        state = ended.outcome["state"]
        state |= {field: expected.outcome["state"][field] for field in loose & state.keys()}
        states = [describe(self._codec.load(fields)) for fields in (state, expected.outcome["state"])]
        found = list(differences("state", *states))
        if lines or found:
            raise failure("\n  ".join((f"{self._name}: {what}", *lines)), found)

    def _check_bodies(self, ended: _Ended, interrupted: str | None) -> None:
        __tracebackhide__ = True
        for name, times in ended.bodies.items():
            if times != 1 + (name == interrupted):
                raise AssertionError(f"{self._name}: {name} was recorded, and ran {times} times")


def _encoded(plan: StoryPlan, codec: StateCodec, signals: Mapping[str, object]) -> Iterator[tuple[str, Any]]:
    """Yield the JSON of the value of each signal."""
    for name, value in signals.items():
        yield name, codec.dump_field(signal_of(plan, name).into, value)


def _other_end(ended: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    if (ended["status"], _class_of(ended)) != (expected["status"], _class_of(expected)):
        yield f"it is {_end(ended)}, where it was {_end(expected)}"
    for what, how in (("undone", "undone: {}"), ("left", "not undone: {}")):
        if ended[what] != expected[what]:
            yield f"{how.format(_listed(ended[what]))}, where it was {_listed(expected[what])}"


def _class_of(outcome: Mapping[str, Any]) -> str | None:
    error = outcome["error"]
    return None if error is None else error["class"]


def _end(outcome: Mapping[str, Any]) -> str:
    error = outcome["error"]
    if error is None:
        return str(outcome["status"])
    name = str(error["class"]).rpartition(":")[2]
    return f"{outcome['status']} ({outcome['step']}: {name}{error['text'] and ': '}{error['text']})"


def _other_record(names: list[str], expected: list[str]) -> Iterator[str]:
    if names != expected:
        yield f"it recorded {_listed(names)}, where it was {_listed(expected)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
