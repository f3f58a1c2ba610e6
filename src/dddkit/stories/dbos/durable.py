"""Durable: a story whose runs survive their process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, get_origin
from uuid import uuid4

from dddkit._callables import kind_of
from dddkit.stories.dbos._calls import awaited, blocking
from dddkit.stories.dbos._checks import (
    check_configured,
    check_id,
    check_limit,
    check_names,
    check_no_unit,
    check_not_inside,
    check_not_launched,
    check_queue,
    check_story,
    check_timeout,
)
from dddkit.stories.dbos._looking import look_for_mail
from dddkit.stories.dbos._mailboxes import register_mailboxes
from dddkit.stories.dbos._operations import Operations
from dddkit.stories.dbos._take_over import ask_before_taking
from dddkit.stories.dbos._traces import current_trace
from dddkit.stories.dbos._worker import enlist, look_each_second
from dddkit.stories.dbos._workflow import Prepared, register
from dddkit.stories.dbos.runs import Run, SignalReceipt
from dddkit.stories.durable._state import StateCodec
from dddkit.stories.durable._state_class import state_class_of
from dddkit.stories.durable._steps import check_retries, plan_of, signal_of
from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.status import RunStatus

__all__ = ["Durable"]

StateT = TypeVar("StateT")


class Durable(Generic[StateT]):
    """Runs a story so that it goes on where it was when its process ends; what is recorded as done never runs again.

        DBOS(config=settings("shop", "sqlite:///shop.sqlite"))
        checkout = Durable(Checkout(gateway), name="checkout", retries={"charge": Retry(on=(ConnectionError,))})
        DBOS.launch()

        await checkout.astart(Checkout.State(order_id=order_id), id="order-1")
        state = await checkout.aresult("order-1")

    A step that was interrupted runs again, so a step that touches the world passes `step_key()` on. The State is
    recorded after each step, as JSON: it has ids and values. Each call has a sync form, and a twin with an `a` that is
    awaited. The sync one raises RuntimeError where an event loop is running in its thread, which it would stop.

    Args:
        story: the story object. In a sync story steps run in threads.
        name: what its runs are recorded under, for good; each durable story of a database has its own.
        formerly: names that it had before: their runs go on here, with the keys that they began with.
        retries: by the names of steps, `pay.authorize` for those of nested stories, and of compensations: `refund`.
            What is not named is tried once.
        queue: the name of a queue that was registered with DBOS, which limits how many runs there are at once. A run
            that waits for a signal or a delay takes no slot.

    Raises:
        StoryNotRecordableError: a field of the State could not be recorded; names each, and what to write instead.
        StoryDefinitionError: a story that cannot run, or whose State is not clear.
        TypeError: something that is no story, no name, no Retry.
        ValueError: a name that is taken or cannot be one, retries for no step, a time-out for a sync step, a Signal in
            a sync story.
        RuntimeError: DBOS was launched before, or was configured otherwise than by `settings`.
    """

    def __init__(
        self,
        story: Callable[[StateT], object],
        *,
        name: str,
        formerly: tuple[str, ...] = (),
        retries: Mapping[str, Retry] = MappingProxyType({}),
        queue: str | None = None,
    ) -> None:
        check_story(story, name)
        check_not_launched(name)
        check_configured(name)
        check_names(name, formerly)
        check_queue(name, queue)
        state_class = state_class_of(story, name)
        codec = StateCodec(state_class, name)
        plan = plan_of(story, name, state_class)
        check_retries(plan, retries)
        prepared = Prepared(plan, get_origin(state_class) or state_class, codec, dict(retries), queue)
        register_mailboxes()
        enlist()
        look_each_second(look_for_mail)
        self._name: Final = name
        self._names: Final = (name, *formerly)
        self._plan: Final = plan
        self._codec: Final = codec
        self._do: Final = Operations(prepared, {one: register(prepared, one) for one in self._names})
        ask_before_taking(self._names, self._do.can_continue)

    def __repr__(self) -> str:
        return f"<Durable {self._name}>"

    @property
    def name(self) -> str:
        """What its runs are recorded under."""
        return self._name

    def start(self, state: StateT, *, id: str | None = None) -> str:
        """Record a new run, and return its id; it runs by itself, in this process or, with a queue, in any.

        The same id with the same state is the same run: nothing happens, also when it has ended. So whoever is not
        sure whether a run was started starts it again.

        Args:
            state: of exactly the State's class. The run gets a copy.
            id: what identifies the operation, and protects it from running twice; None: something random.

        Raises:
            DuplicateRunError: the id is that of another state, or of another story.
            StoryNotRecordableError: a value of the state would not come back; nothing was recorded.
            RuntimeError: DBOS is not launched, or a unit of work is open: the run would not end with it.
            ValueError: an id that cannot be one, or there is no such queue.
        """
        run_id, fields, trace = self._started(state, id)
        blocking(self._name, "start", lambda: self._do.start(run_id, fields, trace))
        return run_id

    async def astart(self, state: StateT, *, id: str | None = None) -> str:
        """Do what `start` does."""
        run_id, fields, trace = self._started(state, id)
        await awaited(self._name, lambda: self._do.start(run_id, fields, trace))
        return run_id

    def result(self, id: str, *, timeout: float | None = None) -> StateT:
        """Wait until the run has ended; return its state.

        Args:
            id: of the run.
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            Exception: what a step has failed with, where its class can be made again; else StepFailedError.
            CompensationError: something could not be undone.
            RunCancelledError: somebody has cancelled the run.
            TimeoutError: it has not ended in time, and goes on.
            StoryChangedError: the State has changed since, and does not fit any more.
            RunNotFoundError: no run of this story has the id.
            RuntimeError: a step of this run asks, and would wait for itself.
        """
        check_timeout(self._name, timeout)
        check_not_inside(self._name, self._names, id)
        state: StateT = self._ask("result", id, lambda: self._do.result(id, timeout), to_the_end=False)
        return state

    async def aresult(self, id: str, *, timeout: float | None = None) -> StateT:
        """Do what `result` does."""
        check_timeout(self._name, timeout)
        check_not_inside(self._name, self._names, id)
        state: StateT = await self._aask(id, lambda: self._do.result(id, timeout), to_the_end=False)
        return state

    def status(self, id: str) -> RunStatus:
        """Return how the run stands.

        Raises:
            RunNotFoundError: no run of this story has the id.
        """
        status: RunStatus = self._ask("status", id, lambda: self._do.status(id))
        return status

    async def astatus(self, id: str) -> RunStatus:
        """Do what `status` does."""
        status: RunStatus = await self._aask(id, lambda: self._do.status(id))
        return status

    def signal(self, id: str, name: str, value: object) -> SignalReceipt:
        """Send a value to the `Signal` of this name in a run. It may come before the run waits for it.

        The first one counts: a second is not accepted, and told what the first was. So is one that comes when the run
        has ended, or waits no longer.

        Raises:
            RunNotFoundError: no run of this story has the id.
            StoryNotRecordableError: the value does not fit the field of the State that takes it.
            ValueError: the story has no such signal.
        """
        text = self._sent(name, value)
        receipt: SignalReceipt = self._ask("signal", id, lambda: self._do.signal(id, name, text))
        return receipt

    async def asignal(self, id: str, name: str, value: object) -> SignalReceipt:
        """Do what `signal` does."""
        text = self._sent(name, value)
        receipt: SignalReceipt = await self._aask(id, lambda: self._do.signal(id, name, text))
        return receipt

    def cancel(self, id: str, *, undo: bool) -> None:
        """Stop the run: a step that is under way is done first. This does not wait for it.

        Args:
            id: of the run.
            undo: whether what was done is undone. If not, the run stays as it is recorded now, and `resume` continues
                it: a step that is under way runs again then.

        Raises:
            RunNotFoundError: no run of this story has the id.
            RunStatusError: the run has ended: there is nothing to stop, and nothing is undone.
        """
        self._ask("cancel", id, lambda: self._do.cancel(id, undo=undo))

    async def acancel(self, id: str, *, undo: bool) -> None:
        """Do what `cancel` does."""
        await self._aask(id, lambda: self._do.cancel(id, undo=undo))

    def resume(self, id: str) -> None:
        """Continue a run that was cancelled without undoing, or that no worker could continue. Others are left alone.

        Raises:
            RunNotFoundError: no run of this story has the id.
            RunStatusError: its undoing has begun, or it has ended.
        """
        self._ask("resume", id, lambda: self._do.resume(id))

    async def aresume(self, id: str) -> None:
        """Do what `resume` does."""
        await self._aask(id, lambda: self._do.resume(id))

    def retry(self, id: str, *, new_keys: bool = False) -> None:
        """Repeat a failed run from the step that has failed, once the cause has been repaired.

        Where something could not be undone, the undoing goes on.

        Args:
            id: of the run.
            new_keys: whether `step_key()` gives new keys from there on, for a service that answers a key with the
                failure that it answered before.

        Raises:
            RunNotFoundError: no run of this story has the id.
            RunStatusError: it has not failed, or all of it was undone.
            StoryChangedError: what is recorded of it does not fit the story as it is here.
        """
        self._ask("retry", id, lambda: self._do.retry(id, new_keys=new_keys))

    async def aretry(self, id: str, *, new_keys: bool = False) -> None:
        """Do what `retry` does."""
        await self._aask(id, lambda: self._do.retry(id, new_keys=new_keys))

    def runs(self, status: RunStatus | None = None, *, limit: int = 100) -> list[Run]:
        """Return how the runs of this story stand, the newest first.

        Args:
            status: of which; None: all.
            limit: how many at most.
        """
        check_limit(self._name, status, limit)
        return blocking(self._name, "runs", lambda: self._do.runs(status, limit))

    async def aruns(self, status: RunStatus | None = None, *, limit: int = 100) -> list[Run]:
        """Do what `runs` does."""
        check_limit(self._name, status, limit)
        return await awaited(self._name, lambda: self._do.runs(status, limit))

    def purge(self, older_than: timedelta) -> int:
        """Delete the runs that have ended so long ago; return how many. Their ids protect from running twice no longer.

        A run whose undoing has failed stays: somebody has to look at it.
        """
        self._check_age(older_than)
        return blocking(self._name, "purge", lambda: self._do.purge(older_than))

    async def apurge(self, older_than: timedelta) -> int:
        """Do what `purge` does."""
        self._check_age(older_than)
        return await awaited(self._name, lambda: self._do.purge(older_than))

    def _started(self, state: StateT, run_id: str | None) -> tuple[str, dict[str, Any], Any]:
        if run_id is None:
            run_id = str(uuid4())
        check_id(self._name, run_id)
        check_configured(self._name)
        check_no_unit(self._name)
        return run_id, self._codec.dump(state), current_trace()

    def _sent(self, name: str, value: object) -> str:
        return json.dumps(self._codec.dump_field(signal_of(self._plan, name).into, value))

    def _check_age(self, older_than: object) -> None:
        if not isinstance(older_than, timedelta):
            raise TypeError(
                f"{self._name}: purge takes a timedelta, as in timedelta(days=30), not {kind_of(older_than)}"
            )
        if older_than < timedelta(0):
            raise ValueError(f"{self._name}: purge takes the age of runs, and got a negative timedelta")

    def _ask(self, call: str, run_id: str, work: Callable[[], Any], *, to_the_end: bool = True) -> Any:
        check_id(self._name, run_id)
        return blocking(self._name, call, work, to_the_end=to_the_end)

    async def _aask(self, run_id: str, work: Callable[[], Any], *, to_the_end: bool = True) -> Any:
        check_id(self._name, run_id)
        return await awaited(self._name, work, to_the_end=to_the_end)
