"""Running a durable story over its journal: what is recorded is not run again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from time import perf_counter, time
from typing import Any, Final, NoReturn

from dddkit._json import JsonMismatchError
from dddkit.exceptions import CompensationError, SignalTimeoutError, StoryChangedError
from dddkit.stories._engine.current_run import CURRENT_RUN
from dddkit.stories._engine.step_keys import key_prefix, label_in_key
from dddkit.stories._engine.tracebacks import set_cause
from dddkit.stories.durable._calling import Caller, under_way
from dddkit.stories.durable._errors import from_json, to_json
from dddkit.stories.durable._hooks import StoryRuns, has_async_hooks
from dddkit.stories.durable._journal import UNDO, WAIT, Journal
from dddkit.stories.durable._log import COMPENSATIONS, log_error
from dddkit.stories.durable._recorded_state import read_record
from dddkit.stories.durable._replay import CANCELLED, FAILED, LOST, STOPPED, Recorded
from dddkit.stories.durable._state import StateCodec
from dddkit.stories.durable._steps import PlannedStep, StoryPlan
from dddkit.stories.durable._undoing import Undo
from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.status import RunStatus
from dddkit.stories.durable.waiting import Signal

__all__ = ["run"]


async def run(
    plan: StoryPlan,
    codec: StateCodec,
    start_text: str,
    journal: Journal,
    *,
    retries: Mapping[str, Retry],
    in_threads: bool | None = None,
    executor: Executor | None = None,
    keys: str | None = None,
    kept: Mapping[str, str] | None = None,
) -> str:
    """Run a story from what is recorded of it to its end; return the outcome as JSON.

    Args:
        plan: `plan_of(story, name, state_class)`.
        codec: writes and reads the State.
        start_text: the JSON of `codec.dump(state)`.
        journal: the record of this run.
        retries: by the paths of steps and compensations, as `check_retries` accepts them.
        in_threads: whether steps and compensations are called in threads; None: those of a sync story are.
        executor: where these threads come from; None: the loop's own.
        keys: what the keys of the steps begin with; None: `key_prefix(plan.name, journal.run_id)`.
        kept: what `kept_entries` gave for a run that is repeated.

    Raises:
        StoryChangedError: what is recorded does not fit the story or its State now; nothing was recorded.
        BaseException: what the journal raises, and what a step raises that is no Exception: nothing was recorded of
            that step, nothing is undone, and no hook has counted the run.
    """
    caller = Caller(
        f"{plan.name}/{journal.run_id}",
        journal,
        in_threads=not plan.is_async if in_threads is None else in_threads,
        is_async=plan.is_async,
        has_async_hooks=has_async_hooks(plan),
        executor=executor,
    )
    keys = key_prefix(plan.name, journal.run_id) if keys is None else keys
    try:
        execution = _Execution(plan, codec, start_text, journal, caller, retries, keys, kept or {})
    except StoryChangedError as error:
        await journal.tell(RunStatus.CHANGED, error.step)
        raise
    try:
        return await execution.run()
    finally:
        execution.drop()


async def _never() -> NoReturn:
    raise AssertionError("the journal calls no body for what it has recorded")


class _Execution:
    """One execution of a run: from its record to its end, or until the process ends."""

    def __init__(
        self,
        plan: StoryPlan,
        codec: StateCodec,
        start_text: str,
        journal: Journal,
        caller: Caller,
        retries: Mapping[str, Retry],
        keys: str,
        kept: Mapping[str, str],
    ) -> None:
        self._plan: Final = plan
        self._journal: Final = journal
        self._caller: Final = caller
        self._retries: Final = retries
        self._keys: Final = keys
        self._kept: Final = kept
        self._entries: Final = tuple(journal.entries())
        self._progress, self._state = read_record(plan, codec, start_text, self._entries, journal.run_id)
        self._recorded: Final = len(self._progress.steps)
        self.runs: Final = StoryRuns(plan, self._state.state, f"{plan.name}/{journal.run_id}")
        self._error: BaseException | None = None
        self._failures: Final[list[tuple[str, Any]]] = []
        self._undone: Final[list[str]] = []
        self._left: Final[list[str]] = []

    def drop(self) -> None:
        """Leave the hooks of a run that has not ended, and let go of what leads to the errors of steps.

        Their tracebacks lead to the frames of the run, which have this object.
        """
        try:
            self.runs.drop()
        finally:  # a hook may raise an interrupt as it is left
            self._error = None

    async def run(self) -> str:
        progress, journal, steps = self._progress, self._journal, self._plan.steps
        self._show_recorded()
        for entry in self._entries:
            await journal.record(entry.name, _never)
        if self._entries and not progress.is_stopped:
            await journal.tell(RunStatus.RUNNING, None)
        while not progress.is_stopped and len(progress.steps) < len(steps):
            step = steps[len(progress.steps)]
            if journal.cancelled():
                progress.is_cancelled = True
                is_first_of_execution = len(progress.steps) == self._recorded and step.waits_for is None
                progress.may_have_begun = is_first_of_execution and journal.resumed()
            elif not await self._run_step(step):
                progress.is_cancelled = True
        if progress.is_stopped:
            await self._undo()
        return self._end()

    def _show_recorded(self) -> None:
        for recorded, step in zip(self._progress.steps, self._plan.steps):  # noqa: B905  # fewer are recorded
            failed = recorded.get(FAILED)
            self._error = None if failed is None else self._exception(failed, step.label)
            self.runs.show_recorded(step, recorded["at"], recorded["took"], self._error)
        end = self._progress.end
        if end is not None and self._error is None:
            self._error = self._exception(end, self._plan.steps[len(self._progress.steps) - 1].label)

    def _exception(self, data: Any, step: str) -> Exception:
        return from_json(data, self._plan.name, step)

    # One step

    async def _run_step(self, step: PlannedStep) -> bool:
        """Run a step, or wait for it; return False where the run was cancelled meanwhile, and is to be stopped."""
        is_kept = step.label in self._kept
        if step.waits_for is None or is_kept:
            blocks = self._caller.awaits_nothing(self._retries.get(step.path))
            ended: Recorded | None = await self._record(step.label, lambda: self._perform(step), blocks=blocks)
        else:
            ended = await self._wait(step)
        if ended is None:
            return False
        if is_kept:
            self.runs.show_recorded(step, ended["at"], ended["took"], None)
        self._progress.steps.append(ended)
        return CANCELLED not in ended

    async def _record(self, name: str, body: Callable[[], Awaitable[str]], *, blocks: bool = False) -> Recorded:
        """Return the next entry: what a run that is repeated has kept under this name, else what `body` does."""
        kept = self._kept.get(name)
        if kept is None:
            return self._state.entry(await self._journal.record(name, body, blocks=blocks))

        async def take_over() -> str:
            return kept

        recorded = self._state.entry(await self._journal.record(name, take_over, blocks=blocks))
        self._state.take_over(recorded)
        return recorded

    async def _perform(self, step: PlannedStep) -> str:
        """Run a step with its hooks; return what is to be recorded."""
        started = time()
        try:
            await self.runs.open(step)
        except Exception as error:
            return await self._failed(step, started, 0.0, error)
        retry, clock = self._retries.get(step.path), perf_counter()
        with under_way(f"{self._keys}/{label_in_key(step.label)}", (self.runs.run_of(step.around).context, step.index)):
            raised = await self._caller.call(
                step.story, step.name, step.label, self._state.state, retry, self._state.reset
            )
        seconds = perf_counter() - clock
        try:
            if raised is None:
                return await self._completed(step, started, seconds)
            if not isinstance(raised, Exception):
                raise raised
            is_cut_short = retry is not None and isinstance(raised, retry.on) and self._journal.cancelled()
            return await self._failed(step, started, seconds, raised, is_cut_short=is_cut_short)
        finally:
            raised = None  # as in `Caller.call`

    async def _completed(self, step: PlannedStep, started: float, seconds: float) -> str:
        fields, problem = self._state.settle(step.label)
        if problem is not None:
            return self._state.text(started, seconds, fields, {LOST: self._final(await self.runs.stop(problem), step)})
        error = await self.runs.complete(step, started, seconds)
        try:
            if self.runs.has_other_hooks:
                fields, problem = self._state.settle(step.label)
            if error is not None:
                more = {STOPPED: self._final(error, step)}
            else:
                more = {} if problem is None else {LOST: self._final(problem, step)}
        finally:
            error = None  # as in `Caller.call`
        return self._state.text(started, seconds, fields, more)

    async def _failed(
        self, step: PlannedStep, started: float, seconds: float, error: Exception, *, is_cut_short: bool = False
    ) -> str:
        guarded = self.runs.guarded
        more = {FAILED: self._final(await self.runs.stop(error), None if is_cut_short else step)}
        if guarded is not None:
            more["guarded"] = guarded
        if is_cut_short:
            more[CANCELLED] = True
        return self._state.text(started, seconds, self._state.settle(step.label)[0], more)

    def _final(self, error: BaseException, step: PlannedStep | None) -> Any:
        """Take the exception that stops the run, at this step; raise it where it ends the process instead."""
        try:
            if not isinstance(error, Exception):
                raise error
            self._error = error
            if step is not None:  # else somebody has cancelled the run
                self.runs.log_stop(step, error)
            return to_json(error)
        finally:
            error = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # as in `Caller.call`

    # Waiting

    async def _wait(self, step: PlannedStep) -> Recorded | None:
        """Wait for a signal, or for time to pass; return None where the run was cancelled meanwhile."""
        waits_for, journal = step.waits_for, self._journal
        signal = waits_for.name if isinstance(waits_for, Signal) else None
        if step.label not in self._progress.waits:
            began = await self._record(WAIT + step.label, lambda: self._begin_waiting(step))
            self._progress.waits[step.label] = began
        began = self._progress.waits[step.label]
        until: float | None = began["until"]
        try:
            await self.runs.open(step)
        except Exception as error:
            return await self._record(step.label, partial(self._failed, step, time(), 0.0, error))
        if signal is not None or until is None or until > time():
            await journal.tell(RunStatus.WAITING, step.label)
        value = await journal.wait(signal, until)
        if value is None and journal.cancelled():
            return None
        await journal.tell(RunStatus.RUNNING, None)
        return await self._record(step.label, lambda: self._end_waiting(step, began["at"], value))

    async def _begin_waiting(self, step: PlannedStep) -> str:
        waits_for, now = step.waits_for, time()
        assert waits_for is not None
        seconds = waits_for.within if isinstance(waits_for, Signal) else waits_for.seconds
        return json.dumps({"at": now, "until": None if seconds is None else now + seconds})

    async def _end_waiting(self, step: PlannedStep, started: float, value: str | None) -> str:
        seconds = max(0.0, time() - started)
        signal = step.waits_for
        if not isinstance(signal, Signal):
            return await self._completed(step, started, seconds)
        if value is None:
            late = SignalTimeoutError(self._plan.name, step.label, signal.name, signal.within or 0.0)
            return await self._failed(step, started, seconds, late)
        try:
            self._state.put(signal.into, value)
        except JsonMismatchError as error:  # the State has changed since the signal was sent
            return await self._failed(step, started, seconds, error)
        return await self._completed(step, started, seconds)

    # Undoing

    async def _undo(self) -> None:
        progress, journal = self._progress, self._journal
        if progress.is_cancelled and self.runs.is_open:
            await self.runs.stop(asyncio.CancelledError(f"the run {journal.run_id!r} was cancelled"))
        for index, undo in enumerate(progress.to_undo()):
            if index < len(progress.undone):
                recorded = progress.undone[index]
            else:
                await journal.tell(RunStatus.UNDOING, undo.step.label)
                blocks = self._caller.awaits_nothing(self._retries.get(undo.step.undo_path))
                body = partial(self._perform_undoing, undo)
                recorded = await self._record(UNDO + undo.step.label, body, blocks=blocks)
                progress.undone.append(recorded)
            self._note(undo, recorded)
        if progress.undone:
            self.runs.outer.tell_undone(is_complete=not self._failures)

    def _note(self, undo: Undo, recorded: Recorded) -> None:
        step = undo.step
        error: Exception | None = None
        if FAILED in recorded:
            error = self._exception(recorded[FAILED], step.label)
            self._failures.append((step.label, recorded[FAILED]))
            if undo.is_completed:
                self._left.append(step.label)
        else:
            self._undone.append(step.label)
        self.runs.run_of(step.around).show_undoing(step.index, error)

    async def _perform_undoing(self, undo: Undo) -> str:
        step, started, clock = undo.step, time(), perf_counter()
        compensation = step.compensation
        assert compensation is not None
        run, retry = self.runs.run_of(step.around), self._retries.get(step.undo_path)
        generators = run.enter_undoing(step.label, step.index)
        try:
            with under_way(f"{self._keys}/{UNDO}{label_in_key(step.label)}", CURRENT_RUN.get()):
                error = await self._caller.call(
                    step.story, compensation.method, UNDO + step.label, self._state.state, retry, self._state.reset
                )
        except BaseException:
            run.suspend_undoing(generators)
            raise
        more: dict[str, Any] = {"may_have_begun": True} if self._progress.may_have_begun else {}
        try:
            if error is not None and not isinstance(error, Exception):
                run.suspend_undoing(generators)
                raise error
            run.leave_undoing(step.label, generators, error)
            if error is not None:
                more[FAILED] = to_json(error)
                log_error(
                    COMPENSATIONS,
                    "%s/%s: %s is not undone: its compensation %s failed",
                    *(self._plan.name, self._journal.run_id, step.label, compensation.method),
                    error=error,
                )
        finally:
            error = None
        return self._state.text(started, perf_counter() - clock, self._state.settle(UNDO + step.label)[0], more)

    # The end

    def _status(self) -> RunStatus:
        if self._failures:
            return RunStatus.UNDO_FAILED
        if self._progress.is_cancelled:
            return RunStatus.CANCELLED
        if self._progress.end is None:
            return RunStatus.COMPLETED
        return RunStatus.UNDONE if self._undone else RunStatus.FAILED

    def _end(self) -> str:
        progress = self._progress
        error, data = self._error, None if progress.is_cancelled else progress.end
        status = self._status()
        if progress.is_cancelled:
            error = asyncio.CancelledError(f"the run {self._journal.run_id!r} was cancelled")
        if self._failures and isinstance(error, Exception):
            stopped_by = error
            failures = [(label, self._exception(one, label)) for label, one in self._failures]
            error = CompensationError(self._plan.name, failures, self._undone, self._left)
            set_cause(error, stopped_by)
        replacement = None
        try:
            replacement = self.runs.finish(error)
            if replacement is not None and replacement is not error:
                if not isinstance(replacement, Exception):
                    raise replacement
                if data is None and not progress.is_cancelled:
                    status, data = RunStatus.FAILED, to_json(replacement)
                    self.runs.log_stop(self._plan.steps[-1], replacement)
        finally:
            error = replacement = None  # as in `Caller.call`
        outcome = {
            "status": status.value,
            "state": self._state.fields,
            "error": data,
            "step": self._plan.steps[len(progress.steps) - 1].label if data is not None else None,
            "failures": self._failures,
            "undone": self._undone,
            "left": self._left,
        }
        return json.dumps(outcome)
