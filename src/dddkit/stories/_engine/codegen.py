"""Writes a story's steps out as the calls that somebody would write by hand, and compiles them.

A loop over the names, with a `getattr` for each, is right in every case. It costs two to three times the calls written
one after the other, and with hooks about twice what is written here: the interpreter keeps what it has learnt about a
call (which class, which function) beside the instruction, and in a loop all the steps share one. So, at the first call
of a class, the loop is unrolled into

    def __call__(self, state, /):
        if (result := self.reserve(state)) is not None: settle(self, "reserve", result)
        if (result := self.charge(state)) is not None: settle(self, "charge", result)
        return FINISHED

Nothing is decided here for good: `self.charge` is looked up at every call, so overridden, patched and injected steps
are the ones that run. Every line stands where its step is listed: there it is in a traceback, and there a debugger
stops. With hooks, the same calls stand between those of the hooks; `with_hooks` shows how.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from keyword import iskeyword
from threading import Lock
from types import CodeType
from typing import Any, Final, NamedTuple

__all__ = ["Listed", "Shape", "Steps", "bound", "with_hooks", "without_hooks"]

_ONLY_AST: Final = 0x400  # ast.PyCF_ONLY_AST; importing `ast` costs more than compiling a story


class Listed(NamedTuple):
    """Where a step is listed."""

    name: str
    file: str
    line: int


class Steps(NamedTuple):
    """What the text depends on, besides the hooks.

    Attributes:
        listed: the steps, in order.
        is_async: whether the story is.
        surely_async: the steps that return a coroutine, whatever happens to them as long as the text stands.
        expected_async: those that should, though they may not; and any other may.
        is_inherited: whether children come through `super().__call__(state)`, who may have other steps.
    """

    listed: Sequence[Listed]
    is_async: bool
    surely_async: Collection[str]
    expected_async: Collection[str]
    is_inherited: bool


class Shape(NamedTuple):
    """What the text of a run with hooks depends on.

    Attributes:
        conditions: how many conditions, any of which calls for the run with all hooks.
        around_story: how many hooks there are around the story.
        around_step: how many around a step.
        before: for each to call before a step, whether it is a method: they are called as functions, with their object.
        after: the same for those after a step.
        waits: whether all of them can wait until somebody looks at the steps.
    """

    conditions: int
    around_story: int
    around_step: int
    before: tuple[bool, ...]
    after: tuple[bool, ...]
    waits: bool

    @property
    def takes_turns(self) -> bool:
        """Whether it has to be noted which hook after a step is called: where one fails, the others are called too."""
        return not self.waits and (self.around_step > 0 or len(self.after) > 1)


def bound(code: CodeType, story: str, names: Mapping[str, object]) -> Any:
    """The function of a text, as the `__call__` of the story of that qualified name, with what its names mean."""
    namespace: dict[str, Any] = {**names, "__name__": __name__}
    exec(code, namespace)
    made = namespace["__call__"]
    made.__qualname__ = f"{story}.__call__"
    return made


def without_hooks(steps: Steps) -> CodeType:
    """The steps and nothing else."""
    text = _Text(steps)
    for step in steps.listed:
        text.place = step
        text.write(text.call(step))
    text.write(text.last)
    return text.compiled()


def with_hooks(steps: Steps, shape: Shape) -> CodeType:
    """The steps, and around them the books of the run and its hooks.

    For a sync story with one hook that has a `before` and an `after` this is

        def __call__(self, state, /):
            context = Context()
            context.story = self
            ...
            step_0 = Sheet()
            step_0.step_name = 'reserve'
            ...
            token = enter(context)
            begun = clock()
            try:
                step = step_0
                step._fact = RUNNING
                started = 0.0
                if (result := before_0(before_0_of, context, step)) is not None: refuse(before_0, result)
                started = clock()
                if (result := self.reserve(state)) is not None: settle(self, 'reserve', result)
                step._fact = clock() - started
                if (result := after_0(after_0_of, context, step)) is not None: refuse(after_0, result)
                ...
            except BaseException as error:
                if (trouble := fail(Stopped(context, hooks, step, ..., error))) is not None: raise trouble
                raise
            context.duration = clock() - begun
            context.status = COMPLETED
            leave(token)
            return FINISHED

    Hooks that can wait are not called at all: the time after each step is noted, and when somebody looks at the steps,
    or one fails, the hooks make up for it.
    """
    text = _Text(steps)
    listed = steps.listed
    write, await_ = text.write, text.await_
    if shape.conditions:
        wanted = " or ".join([f"condition_{number}(condition_{number}_of)" for number in range(shape.conditions)])
        write(f"if {wanted}: return {await_}listening(self, state)")
    write("context = Context()", "context.story = self", "context.state = state", "context.status = RUNNING")
    write("context.duration = 0.0")
    write("if (outer := place()) is not None: stand_under(context, outer)")
    if shape.waits:
        write("context._put_off = put_off", "context._made = looked = []")
        write(f"context._marks = marks = [{', '.join(['None'] * (len(listed) + 1))}]")
    else:
        _write_sheets(text, listed, shape)
    write(f"token = enter({'(context, 0)' if text.is_async else 'context'})", "begun = clock()")
    if shape.around_story:
        write("around = []", "try:")
        for number in range(shape.around_story):
            write(f" go_in(around, around_story_{number}, around_story_{number}(context))")
        write("except BaseException as error:")
        write(" if (trouble := end(context, begun, token, around, error)) is not None: raise trouble", " raise")
    if shape.waits:
        write("marks[0] = clock()" if shape.around_story else "marks[0] = begun", "if looked: passed(context, hooks)")
    write("try:")
    for index, step in enumerate(listed):
        text.place = step
        if text.is_async and index:
            write(f" enter((context, {index}))")
        if shape.waits:
            write(f" {text.call(step)}", f" marks[{index + 1}] = clock()", " if looked: passed(context, hooks)")
        else:
            _write_accompanied(text, step, index, shape)
    text.place = listed[0]
    running = "*running_step(context)" if shape.waits else "step, started"
    turn = "turn" if shape.takes_turns else 0
    entered, around = "entered" if shape.around_step else None, "around" if shape.around_story else None
    write("except BaseException as error:")
    write(f" stopped = Stopped(context, hooks, {running}, {turn}, {entered}, begun, token, {around}, error)")
    write(f" trouble = {await_}fail(stopped)")
    write(" if trouble is not None: raise trouble", " raise")
    if shape.around_story:
        write("if (trouble := end(context, begun, token, around, None)) is not None: raise trouble")
    else:
        now = "(clock() if looked else marks[-1])" if shape.waits else "clock()"
        write(f"context.duration = {now} - begun", "context.status = COMPLETED")
        # A coroutine may end in another context, which never saw our value.
        write(*["try: leave(token)", "except ValueError: pass"] if text.is_async else ["leave(token)"])
    write(text.last)
    return text.compiled()


def _write_sheets(text: _Text, listed: Sequence[Listed], shape: Shape) -> None:
    for index, step in enumerate(listed):
        sheet = f"step_{index}"
        text.write(f"{sheet} = Sheet()", f"{sheet}.step_name = {step.name!r}", f"{sheet}.step_index = {index}")
        text.write(f"{sheet}._fact = PENDING", f"{sheet}._notes = None")
    sheets = ", ".join([f"step_{index}" for index in range(len(listed))])
    text.write("context._put_off = None", f"context._made = [{sheets}]", "step = step_0", "started = 0.0")
    if shape.takes_turns:
        text.write("turn = 0")
    if shape.around_step:
        text.write("entered = None")


def _write_accompanied(text: _Text, step: Listed, index: int, shape: Shape) -> None:
    write = text.write
    write(f" step = step_{index}", " step._fact = RUNNING", " started = 0.0")
    if shape.around_step:
        write(" entered = []")
        for number in range(shape.around_step):
            write(f" go_in(entered, around_step_{number}, around_step_{number}(context, step))")
    for number, is_method in enumerate(shape.before):
        write(f" {text.hook(f'before_{number}', is_method)}")
    write(" started = clock()", f" {text.call(step)}", " step._fact = clock() - started")
    if shape.around_step:  # their generators have to be left whatever the other hooks do
        write(f" turn = {len(shape.after)}")
        write(f" trouble = {text.await_}end_step(context, hooks, step, entered)")
        write(" if trouble is not None: raise trouble")
        return
    for number, is_method in enumerate(shape.after):
        if shape.takes_turns:
            write(f" turn = {number}")
        write(f" {text.hook(f'after_{number}', is_method)}")


class _Text:
    """The text of a function, and for every line the step at whose place it stands.

    Attributes:
        place: the step for the lines that are written next.
        await_: what stands before something to wait for.
        last: the last line.
    """

    def __init__(self, steps: Steps) -> None:
        self.is_async: Final = steps.is_async
        self.await_: Final = "await " if self.is_async else ""
        self.last: Final = "return None" if self.is_async else "return FINISHED"
        self.place = steps.listed[0]
        self._steps: Final = steps
        self._lines: Final = [f"{'async ' if self.is_async else ''}def __call__(self, state, /):"]
        self._places: Final = [self.place]
        if steps.is_inherited or steps.surely_async:
            self.write(f"if type(self) is not story: return {self.await_}run(self, state)")

    def write(self, *lines: str) -> None:
        self._lines.extend([f" {line}" for line in lines])
        self._places.extend([self.place] * len(lines))

    def call(self, step: Listed) -> str:
        """A step is called, and what it returns is minded."""
        name = step.name
        call = f"self.{name}(state)"
        if not name.isidentifier() or iskeyword(name):
            call = f"getattr(self, {name!r})(state)"
        if not self.is_async:
            return f"if (result := {call}) is not None: settle(self, {name!r}, result)"
        if name in self._steps.surely_async:
            return f"await {call}"
        if name in self._steps.expected_async:
            return (
                f"if type(result := {call}) is Coroutine or (result is not None and is_awaitable(result)): await result"
            )
        return f"if (result := {call}) is not None and is_awaitable(result): await result"

    def hook(self, name: str, is_method: bool) -> str:
        call = f"{name}({name}_of, context, step)" if is_method else f"{name}(context, step)"
        if self.is_async:
            return f"if (result := {call}) is not None and is_awaitable(result): await result"
        return f"if (result := {call}) is not None: refuse({name}, result)"

    def compiled(self) -> CodeType:
        file, first = self._places[0].file, self._places[0].line
        lines = [step.line if step.file == file else first for step in self._places]
        text = "\n".join(self._lines)
        with _COMPILING:
            for _ in range(9):
                try:
                    return _compiled(text, file, lines)
                except SystemError:
                    continue
            return _compiled(text, file, lines)


# Python 3.11 counts the depth of syntax trees for all threads together, and stumbles where two build one at once
# (python/cpython#106905): ours take turns, and try again when others build theirs.
_COMPILING: Final = Lock()


def _compiled(text: str, file: str, lines: list[int]) -> CodeType:
    module: Any = compile(text, file, "exec", _ONLY_AST)
    _move(module, lines)
    return compile(module, file, "exec")


def _move(node: Any, lines: list[int]) -> None:
    """Put a node of the syntax tree, and all below it, where its line belongs; without columns, of other text."""
    if hasattr(node, "lineno"):
        node.lineno = node.end_lineno = lines[node.lineno - 1]
        node.col_offset = node.end_col_offset = 0
    for name in node._fields:
        below: Any = getattr(node, name, None)
        children: Any = below if type(below) in {list} else [below]
        for child in children:
            if hasattr(child, "_fields"):
                _move(child, lines)
