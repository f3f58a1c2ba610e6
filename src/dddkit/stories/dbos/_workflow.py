"""The workflow that a durable story is for DBOS: one execution of one run."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from dbos import DBOS, PortableWorkflowError, SetWorkflowID, WorkflowSerializationFormat, WorkflowStatus
from dbos import error as errors
from sqlalchemy.exc import SQLAlchemyError

from dddkit._database_errors import shown_of_database
from dddkit.exceptions import StoryChangedError
from dddkit.stories._engine.step_keys import key_prefix
from dddkit.stories.dbos._calls import in_empty_context
from dddkit.stories.dbos._ends import note_task
from dddkit.stories.dbos._executions import Execution, RunLeft
from dddkit.stories.dbos._journal import DBOSJournal, entries_of
from dddkit.stories.dbos._mailboxes import cancel_box, contents, stop_box
from dddkit.stories.dbos._moving import moving
from dddkit.stories.dbos._private import is_ending, registered_workflows, task_of
from dddkit.stories.dbos._slots import slots_of
from dddkit.stories.dbos._threads import step_threads
from dddkit.stories.dbos._told import told_of
from dddkit.stories.dbos._traces import TRACE, go_on_in, joined
from dddkit.stories.durable._run import run
from dddkit.stories.durable._state import StateCodec
from dddkit.stories.durable._steps import StoryPlan
from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.status import RunStatus

__all__ = ["AGAIN", "Prepared", "RunEnded", "Workflow", "begin", "durable_names", "register", "row_of"]

Workflow = Callable[[str], Coroutine[Any, Any, str]]

AGAIN: Final = "dddkit.again"
"""The attribute of a workflow that says what a run that is repeated takes over."""

_begun_here: Final[ContextVar[str | None]] = ContextVar("dddkit_begun_here", default=None)
"""The id of the run that was recorded a moment ago, so that there is nothing to be read of it yet."""

_executed: Final[ContextVar[str | None]] = ContextVar("dddkit_executed", default=None)
"""The id of the run that is executed here, also when it has ended."""

_log: Final = logging.getLogger("dddkit.stories.durable")


class RunEnded(Exception):  # noqa: N818  # an outcome, for DBOS to record
    """A run has ended otherwise than by completing: DBOS records it as an error, and keeps `data` with it."""

    def __init__(self, message: str, data: str) -> None:
        super().__init__(message, data)
        self.data = data

    def __str__(self) -> str:
        message: str = self.args[0]
        return message


class _NotOurs(logging.Filter):
    """Drops what DBOS logs of a run that has ended: the run has logged what has stopped it.

    So it does for one that was left on purpose, and for what `DBOS.destroy()` cancels: it goes on later. Where the
    process ends without that, it says so in a line. An execution that has come to the end of a run which was cancelled
    meanwhile, or which another one has, waits for what becomes of it, and fails like that.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        logged = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
        if isinstance(logged, asyncio.CancelledError) and is_ending():
            return False
        if _is_end_of_process(logged):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = (
                "the end of a run was not recorded, since the process ends; it goes on later",
                (),
            )
            record.exc_info = record.exc_text = None
        if isinstance(logged, (errors.DBOSAwaitedWorkflowCancelledError, PortableWorkflowError)):
            return _executed.get() is None or _executed.get() != DBOS.workflow_id
        return not isinstance(logged, (RunEnded, RunLeft))


def _is_end_of_process(error: BaseException | None) -> bool:
    """Whether the interpreter ends, without `DBOS.destroy()`, and starts no thread any more that would record."""
    return isinstance(error, RuntimeError) and "schedule new futures after" in str(error)


class Prepared(NamedTuple):
    """What was found out of a durable story when it was made."""

    plan: StoryPlan
    state_class: type
    codec: StateCodec
    retries: Mapping[str, Retry]
    queue: str | None


def register(prepared: Prepared, name: str) -> Workflow:
    """Make the workflow that runs the story, under this name."""

    async def story(start: str) -> str:
        return await _execute(prepared, name, start)

    story.__qualname__ = name  # which DBOS logs
    logger = logging.getLogger("dbos")
    if not any(isinstance(found, _NotOurs) for found in logger.filters):
        logger.addFilter(_NotOurs())
    made: Workflow = DBOS.workflow(
        name=name, max_recovery_attempts=None, serialization_type=WorkflowSerializationFormat.PORTABLE
    )(story)
    _durable_names[name] = prepared.plan.name
    return made


def durable_names() -> Mapping[str, str]:
    """Return the names under which DBOS knows the stories of this process, and what each is called now."""
    return {name: now for name, now in _durable_names.items() if name in registered_workflows()}


_durable_names: Final[dict[str, str]] = {}


async def begin(workflow: Workflow, story: str, start: str, run_id: str, queue: str | None, trace: Any) -> None:
    """Record a new run, and begin to execute it in this loop, or leave that to the queue.

    Raises:
        DBOSWorkflowIDInUseError: the id is taken.
    """
    with ExitStack() as options:
        options.enter_context(SetWorkflowID(run_id, workflow_id_reuse_policy="reject"))
        options.enter_context(joined(trace))
        if queue is not None:
            await DBOS.enqueue_workflow_async(queue, workflow, start)
        else:
            _begun_here.set(run_id)
            handle = await DBOS.start_workflow_async(workflow, start)
            note_task(run_id, story, task_of(handle))


async def row_of(run_id: str, *, load_input: bool = False, load_output: bool = False) -> WorkflowStatus | None:
    """Return what DBOS knows of a run."""
    found = await DBOS.list_workflows_async(workflow_ids=[run_id], load_input=load_input, load_output=load_output)
    return found[0] if found else None


async def _execute(prepared: Prepared, name: str, start: str) -> str:
    run_id = DBOS.workflow_id
    assert run_id is not None, "this is a workflow"
    _executed.set(run_id)
    with Execution(run_id) as execution:
        try:
            text = await _run(prepared, name, start, execution)
        except asyncio.CancelledError:
            _log.info("%s: the run %s was left, and stays pending", name, run_id)
            raise RunLeft(run_id) from None
        except StoryChangedError as error:
            _log.error("%s; another worker may continue it", error)
            raise RunLeft(run_id) from None
        except SQLAlchemyError as error:
            _log.warning("%s: the run %s was left, and goes on later (%s)", name, run_id, shown_of_database(error))
            raise RunLeft(run_id) from None
        except Exception as error:
            # Not the story's: its errors are in the record. Whoever finds the run goes on.
            if _is_end_of_process(error):
                _log.warning("%s: the run %s was left, since the process ends, and goes on later", name, run_id)
            else:
                _log.exception("%s: the run %s was left, and stays pending", name, run_id)
            raise RunLeft(run_id) from None
        except (errors.DBOSWorkflowCancelledError, errors.DBOSWorkflowConflictIDError):
            # It was cancelled, or another execution has it. DBOS would wait for the outcome, and log what that is.
            raise RunLeft(run_id) from None
        except BaseException as error:
            ends_process = isinstance(error, (SystemExit, KeyboardInterrupt))
            if isinstance(error, GeneratorExit) or (
                ends_process and threading.current_thread() is threading.main_thread()
            ):
                raise
            # It would end the loop, with all other runs, and not the process; or nobody would hear of it.
            _log.error(
                "%s: a step of the run %s raised %s, which %s; the run stays pending, and the step is tried again",
                *(name, run_id, type(error).__name__),
                "ends no process from here" if ends_process else "is no Exception, so the step has not failed",
            )
            raise RunLeft(run_id) from None
    status = json.loads(text)["status"]
    if status != RunStatus.COMPLETED.value:
        raise RunEnded(f"{name}: the run {run_id} is {status}", text)
    return text


async def _run(prepared: Prepared, name: str, start: str, execution: Execution) -> str:
    plan, run_id, queue = prepared.plan, execution.run_id, prepared.queue
    if _begun_here.get() == run_id:
        journal, again = DBOSJournal(execution, None), None
    else:
        row = await in_empty_context(lambda: row_of(run_id))
        if row is not None and (row.status != "PENDING" or row.executor_id != DBOS.executor_id):
            # The loop stood still for so long that the run was given to somebody else before it could begin here. DBOS
            # would notice it at the first record, which is after the step has run.
            raise RunLeft(run_id)
        attributes: dict[str, Any] = (row and row.attributes) or {}
        go_on_in(attributes.get(TRACE))
        again = attributes.get(AGAIN)
        told = told_of(row).get("status") if row else None
        sent = await in_empty_context(lambda: contents([cancel_box(run_id), stop_box(run_id)]))
        if stop_box(run_id) in sent:
            # Who took it over had read a moment before it was cancelled that somebody should execute it.
            await in_empty_context(lambda: DBOS.cancel_workflow_async(run_id))
            raise RunLeft(run_id)
        execution.cancel_requested = cancel_box(run_id) in sent
        journal = DBOSJournal(
            execution,
            await entries_of(run_id),
            None if told is None else RunStatus(told),
            None if queue is None or row is None else await in_empty_context(lambda: slots_of(queue, row.queue_name)),
        )
    running = run(
        plan,
        prepared.codec,
        start,
        journal,
        retries=prepared.retries,
        executor=step_threads(),
        keys=key_prefix(name, run_id, 1 if again is None else again["keys"]),
        kept=None if again is None else again["kept"],
    )
    return await (running if plan.is_async else moving(running, step_threads()))
