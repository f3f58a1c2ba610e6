"""A function in the making: its lines, for each the step at whose line number it stands, and what it compiles to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from keyword import iskeyword
from types import CodeType
from typing import Any, Final, NamedTuple

from dddkit.stories._engine.lock import LOCK
from dddkit.stories._engine.steps import ListedStep

__all__ = ["Source", "StepLayout", "to_function"]

_ONLY_AST: Final = 0x400  # ast.PyCF_ONLY_AST; importing `ast` costs more than compiling a story


class StepLayout(NamedTuple):
    """What the source depends on, besides the hooks.

    Attributes:
        listed: the steps, in order.
        is_async: whether the story is async.
        undoes: whether a run that is stopped undoes what its steps have done.
        always_async: the steps that return a coroutine in every case, as long as the class does not change.
        probably_async: the steps that are expected to return an awaitable; every other step may return one too.
        has_super_calls: whether a child calls this source by `super().__call__(state)`; it may have other steps.
        replaced: the index of the step in whose place something else is called; None in a usual run.
        halts: whether the run stops there.
    """

    listed: Sequence[ListedStep]
    is_async: bool
    undoes: bool
    always_async: Collection[str]
    probably_async: Collection[str]
    has_super_calls: bool
    replaced: int | None = None
    halts: bool = False


class Source:
    """The source of a function, and for every line the step at whose line number it stands.

    Attributes:
        is_async: whether it is an `async def`.
        undoes: whether a run that is stopped undoes what its steps have done.
        number_of_steps: how many steps the story lists.
        halts_at: the index of the step before which the run stops; None in a usual run.
        step: the step for the lines that are written next.
        await_: "await " in async source, else nothing.
        last: the last line.
    """

    def __init__(self, steps: StepLayout) -> None:
        self.is_async: Final = steps.is_async
        self.await_: Final = "await " if self.is_async else ""
        self.last: Final = "return None" if self.is_async else "return FINISHED"
        self.undoes: Final = steps.undoes
        self.number_of_steps: Final = len(steps.listed)
        self.halts_at: Final = steps.replaced if steps.halts else None
        self.step = steps.listed[0]
        self._layout: Final = steps
        self._lines: Final = [f"{'async ' if self.is_async else ''}def __call__(self, state, /):"]
        self._steps: Final = [self.step]
        if steps.has_super_calls or steps.always_async:
            self.write(f"if type(self) is not story: return {self.await_}run_story(self, state)")

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def write(self, *lines: str) -> None:
        self._lines.extend([f"    {line}" for line in lines])
        self._steps.extend([self.step] * len(lines))

    def call_step(self, index: int) -> str:
        """Return the line that calls a step and handles its result."""
        name = self._layout.listed[index].name
        call = f"self.{name}(state)"
        if not name.isidentifier() or iskeyword(name):
            call = f"getattr(self, {name!r})(state)"
        is_replaced = index == self._layout.replaced
        if is_replaced:
            call = "in_place()"
        if not self.is_async:
            return f"if (result := {call}) is not None: check_step_result(self, {name!r}, result)"
        if name in self._layout.always_async and not is_replaced:
            return f"await {call}"
        if name in self._layout.probably_async:
            return (
                f"if type(result := {call}) is CoroutineType or (result is not None and is_awaitable(result)): "
                f"await result"
            )
        return f"if (result := {call}) is not None and is_awaitable(result): await result"

    def call_hook(self, name: str, is_method: bool) -> str:
        """Return the line that calls a hook and handles its result."""
        call = f"{name}({name}_self, context, step)" if is_method else f"{name}(context, step)"
        if self.is_async:
            return f"if (result := {call}) is not None and is_awaitable(result): await result"
        return f"if (result := {call}) is not None: check_hook_result({name}, result)"

    def compiled(self) -> CodeType:
        file, first = self._steps[0].file, self._steps[0].line
        line_numbers = [step.line if step.file == file else first for step in self._steps]
        # Python 3.11 counts the depth of syntax trees for all threads together, and fails where two build one at the
        # same time (python/cpython#106905): ours take turns, and try again when other code builds one.
        with LOCK:
            for _ in range(9):
                try:
                    return _compile(str(self), file, line_numbers)
                except SystemError:
                    continue
            return _compile(str(self), file, line_numbers)


def _compile(source: str, file: str, line_numbers: list[int]) -> CodeType:
    module: Any = compile(source, file, "exec", _ONLY_AST)
    _renumber(module, line_numbers)
    return compile(module, file, "exec")


def _renumber(node: Any, line_numbers: list[int]) -> None:
    """Give a node of the syntax tree, and all below it, the line number of its step; without columns, which differ."""
    if hasattr(node, "lineno"):
        node.lineno = node.end_lineno = line_numbers[node.lineno - 1]
        node.col_offset = node.end_col_offset = 0
    for name in node._fields:
        below: Any = getattr(node, name, None)
        children: Any = below if type(below) in {list} else [below]
        for child in children:
            if hasattr(child, "_fields"):
                _renumber(child, line_numbers)


def to_function(code: CodeType, story: str, names: Mapping[str, object]) -> Any:
    """Return the function that compiled source defines, as the `__call__` of the story with that qualified name.

    Args:
        code: the compiled source.
        story: the qualified name of the class.
        names: what each global name of the source stands for.
    """
    namespace: dict[str, Any] = {**names, "__name__": __name__}
    exec(code, namespace)
    made = namespace["__call__"]
    made.__qualname__ = f"{story}.__call__"
    return made
