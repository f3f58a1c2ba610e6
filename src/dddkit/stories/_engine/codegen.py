"""The source that the run of a story class is compiled from.

A loop over the names, with a `getattr` for each, would be right in every case. It costs two to three times as much as
the calls written one after the other, and with hooks about twice as much as the source below: the interpreter caches
what it has learnt about a call (which class, which function) beside the instruction, and in a loop all steps share one
instruction. So the first call of a class unrolls the loop. For two sync steps without hooks the source is

    def __call__(self, state, /):
        if (result := self.reserve(state)) is not None: check_step_result(self, 'reserve', result)
        if (result := self.charge(state)) is not None: check_step_result(self, 'charge', result)
        return FINISHED

`self.charge` is looked up at every call, so overridden, patched and injected steps are the ones that run. Each line has
the line number at which its step is listed: there it stands in a traceback, and there a debugger stops. With hooks, the
same calls stand between those of the hooks: see `source_with_hooks`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from dddkit.stories._engine.source import Source, StepLayout
from dddkit.stories._engine.steps import ListedStep

__all__ = ["HookLayout", "source_with_hooks", "source_without_hooks"]


class HookLayout(NamedTuple):
    """What the source of a run with hooks depends on.

    Attributes:
        conditions: the number of conditions, each of which makes a run call all hooks.
        around_story: the number of hooks around the story.
        around_step: the number of hooks around a step.
        before: for each hook before a step, whether it is a method: those are called as functions, with their object,
            which saves a tenth of the call.
        after: the same for the hooks after a step.
        is_deferred: whether all of them can wait until somebody reads the steps.
    """

    conditions: int
    around_story: int
    around_step: int
    before: tuple[bool, ...]
    after: tuple[bool, ...]
    is_deferred: bool

    @property
    def counts_after_hooks(self) -> bool:
        """Whether to record which `after` hook is being called: where one fails, the others are still called."""
        return not self.is_deferred and (self.around_step > 0 or len(self.after) > 1)


def source_without_hooks(steps: StepLayout) -> Source:
    """Return the calls of the steps, and nothing else."""
    source = Source(steps)
    if steps.undoes:
        source.write("completed, handled = 0, None", "try:")
    indent = "    " if steps.undoes else ""
    for index, step in enumerate(steps.listed):
        source.step = step
        source.write(f"{indent}{source.call_step(index)}")
        if steps.undoes:
            source.write(f"    completed = {index + 1}")
    if steps.undoes:
        source.step = steps.listed[0]
        # As below, the handler begins with a `try`: an interrupt in the engine's lines may not be the end of it.
        source.write("except BaseException as error:", "    try:", "        handled = Handled()")
        source.write(f"        error = {source.await_}undo(Undoing(self, state, completed, True, error, handled))")
        source.write("    except BaseException:", "        log_not_undone(self, state, completed, handled)")
        source.write("        raise", "    if error is not None: raise error", "    raise")
    source.write(source.last)
    return source


def source_with_hooks(steps: StepLayout, hooks: HookLayout) -> Source:
    """Return the calls of the steps, those of the hooks, and what records the facts of the run.

    For a sync story with two steps, and one hook that has a `before` and an `after`, the source is (below Python 3.12
    with `guard`, see `_guard`)

        def __call__(self, state, /):
            context = RunRecord()
            context.story = self
            context.state = state
            context.status = RUNNING
            context.duration = 0.0
            step_0 = StepRecord()
            step_0.step_name = 'reserve'
            step_0.step_index = 0
            step_0._progress = PENDING
            step_0._line = None
            step_1 = StepRecord()
            step_1.step_name = 'charge'
            step_1.step_index = 1
            step_1._progress = PENDING
            step_1._line = None
            context._catch_up = None
            context._steps = [step_0, step_1]
            step = step_0
            step_started = 0.0
            nesting = token = None
            outer = current_run()
            try:
                if outer is not None: nesting = nest_run(context, outer)
                token = set_current_run(context)
                run_started = clock()
                try:
                    step = step_0
                    step._progress = RUNNING
                    step_started = 0.0
                    if (result := before_0(before_0_self, context, step)) is not None: check_hook_result(before_0, result)
                    step_started = clock()
                    if (result := self.reserve(state)) is not None: check_step_result(self, 'reserve', result)
                    step._progress = clock() - step_started
                    if (result := after_0(after_0_self, context, step)) is not None: check_hook_result(after_0, result)
                    step = step_1
                    step._progress = RUNNING
                    step_started = 0.0
                    if (result := before_0(before_0_self, context, step)) is not None: check_hook_result(before_0, result)
                    step_started = clock()
                    if (result := self.charge(state)) is not None: check_step_result(self, 'charge', result)
                    step._progress = clock() - step_started
                    if (result := after_0(after_0_self, context, step)) is not None: check_hook_result(after_0, result)
                    context.duration = clock() - run_started
                    context.status = COMPLETED
                except BaseException as error:
                    failure = context._failure = FailureMark(run_started)
                    stopped = StoppedRun(context, hooks, step, step_started, 0, None, run_started, None, error)
                    error = finish_stopped_run(stopped)
                    if error is not None: raise error
                    raise
            finally:
                try:
                    if context.status is RUNNING: abandon_run(context)
                    if nesting is not None: end_nested(nesting, context)
                finally:
                    try: reset_current_run(token)
                    except Exception: leave_run(context, outer)
                    context = nesting = outer = stopped = token = step = step_0 = step_1 = None
            return FINISHED

    Deferred hooks are not called at all: the run records the time after each step. When somebody reads the steps, or
    when a step fails, the hooks are called later (`deferred.py`).
    """  # noqa: E501  # the source as it is
    source = Source(steps)
    listed = steps.listed
    write, await_ = source.write, source.await_
    if hooks.conditions:
        conditions = " or ".join(
            [f"condition_{number}(condition_{number}_argument)" for number in range(hooks.conditions)]
        )
        write(f"if {conditions}: return {await_}run_with_all_hooks(self, state)")
    write("context = RunRecord()", "context.story = self", "context.state = state", "context.status = RUNNING")
    write("context.duration = 0.0")
    if hooks.is_deferred:
        # The list is empty until somebody reads the steps.
        write("context._catch_up = catch_up", "context._steps = read_steps = []")
        write(f"context._timestamps = timestamps = [{', '.join(['None'] * (len(listed) + 1))}]")
    else:
        _write_step_records(source, listed, hooks)
    _write_start(source, hooks)
    if hooks.is_deferred:
        write(f"    timestamps[0] = {'clock()' if hooks.around_story else 'run_started'}")
        write("    if read_steps: advance(context)")
    write("    try:")
    for index, step in enumerate(listed):
        source.step = step
        if source.is_async and index:
            write(*_guard("        "), f"        set_current_run((context, {index}))")
        if hooks.is_deferred:
            write(f"        {source.call_step(index)}", f"        timestamps[{index + 1}] = clock()")
            write("        if read_steps: advance(context)")
        else:
            _write_step_with_hooks(source, index, hooks)
    source.step = listed[0]
    _write_end(source, hooks)
    return source


def _write_step_records(source: Source, listed: Sequence[ListedStep], hooks: HookLayout) -> None:
    for index, step in enumerate(listed):
        record = f"step_{index}"
        source.write(
            f"{record} = StepRecord()", f"{record}.step_name = {step.name!r}", f"{record}.step_index = {index}"
        )
        source.write(f"{record}._progress = PENDING", f"{record}._line = None")
    records = ", ".join([f"step_{index}" for index in range(len(listed))])
    source.write("context._catch_up = None", f"context._steps = [{records}]", "step = step_0", "step_started = 0.0")
    if hooks.counts_after_hooks:
        source.write("after_index = 0")
    if hooks.around_step:
        source.write("step_generators = None")


def _write_start(source: Source, hooks: HookLayout) -> None:
    """Make the run the current one, in a `try` that makes the outer one current again even after an interrupt."""
    write = source.write
    write(f"nesting = token = {'handled = ' if source.undoes else ''}None", "outer = current_run()", "try:")
    write("    if outer is not None: nesting = nest_run(context, outer)", *_guard("    "))
    write(f"    token = set_current_run({'(context, 0)' if source.is_async else 'context'})")
    write("    run_started = clock()")
    if hooks.around_story:
        write("    story_generators = []", "    try:")
        for number in range(hooks.around_story):
            write(f"        enter_generator(story_generators, around_story_{number}, around_story_{number}(context))")
        write("    except BaseException as error:")
        write("        error = finish_run(context, run_started, story_generators, error)")
        write("        if error is not None: raise error", "        raise")


def _write_step_with_hooks(source: Source, index: int, hooks: HookLayout) -> None:
    write = source.write
    if index == source.halts_at:  # no step is under way then
        write("        step = None", f"        {source.call_step(index)}")
        return
    write(f"        step = step_{index}", "        step._progress = RUNNING", "        step_started = 0.0")
    if hooks.around_step:
        write("        step_generators = []")
        for number in range(hooks.around_step):
            made = f"around_step_{number}(context, step)"
            write(f"        enter_generator(step_generators, around_step_{number}, {made})")
    for number, is_method in enumerate(hooks.before):
        write(f"        {source.call_hook(f'before_{number}', is_method)}")
    write("        step_started = clock()", f"        {source.call_step(index)}")
    write("        step._progress = clock() - step_started")
    if hooks.around_step:  # their generators have to be left whatever the other hooks do
        write(f"        after_index = {len(hooks.after)}")
        write(f"        replacement = {source.await_}complete_step(context, hooks, step, step_generators)")
        write("        if replacement is not None: raise replacement")
        return
    for number, is_method in enumerate(hooks.after):
        if hooks.counts_after_hooks:
            write(f"        after_index = {number}")
        write(f"        {source.call_hook(f'after_{number}', is_method)}")


def _write_end(source: Source, hooks: HookLayout) -> None:
    write = source.write
    if not hooks.around_story:
        now = "(clock() if read_steps else timestamps[-1])" if hooks.is_deferred else "clock()"
        write(f"        context.duration = {now} - run_started", "        context.status = COMPLETED")
    step = "*running_step(context)" if hooks.is_deferred else "step, step_started"
    after_index = "after_index" if hooks.counts_after_hooks else 0
    step_generators = "step_generators" if hooks.around_step else None
    story_generators = "story_generators" if hooks.around_story else None
    rest = f"{after_index}, {step_generators}, run_started, {story_generators}, error"
    write("    except BaseException as error:")
    indent, undoing = "        ", ""
    if source.undoes:
        write("        try:", "            handled = Handled()")
        indent, undoing = "            ", ", handled"
    write(f"{indent}failure = context._failure = FailureMark(run_started)")
    write(f"{indent}stopped = StoppedRun(context, hooks, {step}, {rest})")
    write(f"{indent}error = {source.await_}finish_stopped_run(stopped{undoing})")
    if source.undoes:
        write(
            "        except BaseException:",
            "            log_not_undone_of(context, handled)",
            "            raise",
        )
    write("        if error is not None: raise error", "        raise")
    if hooks.around_story:
        write("    handled = ALL_DONE")
        write("    replacement = finish_run(context, run_started, story_generators, None)")
        write("    if replacement is not None: raise replacement")
    # Python 3.10 also looks for an interrupt where a handler begins, unless it begins with `try`. The token is missing
    # after an interrupt, and is of no use where a coroutine ends in another context, which never had our value.
    write("finally:", "    try:", "        if context.status is RUNNING: abandon_run(context)")
    write("        if nesting is not None: end_nested(nesting, context)", "    finally:")
    indent = "        "
    if _guard():
        write(f"{indent}try: {_guard()[0]}", f"{indent}finally:")  # the interrupt that stops the one comes to the other
        indent += "    "
    write(f"{indent}try: reset_current_run(token)", f"{indent}except Exception: leave_run(context, outer)")
    write(f"{indent}{' = '.join(_names_of_facts(source, hooks))} = None")
    write(source.last)


def _guard(indent: str = "") -> list[str]:
    """Return the line that keeps the variables of the context alive while one of them is set.

    Before Python 3.12, the garbage collector may run inside `ContextVar.set`. A finalizer that runs a story there sets
    the variable too, and frees what the first call works on: a crash.
    """
    return [f"{indent}guard = copy_context()"] if sys.version_info < (3, 12) else []


def _names_of_facts(source: Source, hooks: HookLayout) -> list[str]:
    """Return the local variables that lead to the facts of the run.

    The frame of a failed run lives as long as the error does, which the facts refer to: a cycle.
    """
    names = ["context", "nesting", "outer", "stopped", "token"]
    if hooks.is_deferred:
        names += ["read_steps", "timestamps"]
    else:
        names += ["step", *[f"step_{index}" for index in range(source.number_of_steps)]]
    if hooks.around_step:
        names.append("step_generators")
    if hooks.around_story:
        names.append("story_generators")
    if hooks.around_story or hooks.around_step:
        names.append("replacement")
    if _guard():
        names.append("guard")
    return names
