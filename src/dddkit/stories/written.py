"""Writes a story's steps out as the calls that somebody would write by hand, and compiles them.

A loop over the names, with a `getattr` for each, is right in every case, and stands in `execution.py`. It costs two to
three times the calls written one after the other: the interpreter keeps what it has learnt about a call (which class,
which function) beside the instruction, and in a loop all the steps share one. So, at the first call of a class, the
loop is unrolled into

    def __call__(self, state, /):
        if (result := self.reserve(state)) is not None: settle(self, "reserve", result)
        if (result := self.charge(state)) is not None: settle(self, "charge", result)
        return FINISHED

Nothing is decided here for good: `self.charge` is looked up at every call, so overridden, patched and injected steps
are the ones that run. Every call stands on the line of the `I.charge` that lists it: there it is in a traceback, and
there a debugger stops.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from keyword import iskeyword
from types import CodeType
from typing import Any, Final, NamedTuple

__all__ = ["Listed", "written_out"]

_ONLY_AST: Final = 0x400  # ast.PyCF_ONLY_AST; importing `ast` costs more than compiling a story

_SYNC: Final = "if (result := {call}) is not None: settle(self, {name!r}, result)"
_ASYNC: Final = "if type(result := {call}) is Coroutine or (result is not None and is_awaitable(result)): await result"
_SYNC_IN_ASYNC: Final = "if (result := {call}) is not None and is_awaitable(result): await result"


class Listed(NamedTuple):
    """Where a step is listed."""

    name: str
    file: str
    line: int


def written_out(
    story: str,
    listed: Sequence[Listed],
    names: Mapping[str, object],
    *,
    async_names: Collection[str] | None,
    noting: bool = False,
) -> Any:
    """The steps of a story as one function.

    Args:
        story: its qualified name.
        listed: its steps.
        names: what the text uses: `settle` and the like.
        async_names: the steps that are expected to return a coroutine, though any may; None for a sync story.
        noting: whether it is the `__call__` of the story, or notes how it goes on, for a run with hooks.
    """
    is_async = async_names is not None
    more = "note, looked, place, context" if noting else "/"
    text = [f"{'async ' if is_async else ''}def __call__(self, state, {more}):"]
    places = [listed[0]]
    for index, step in enumerate(listed):
        name = step.name
        call = (
            f"self.{name}(state)" if name.isidentifier() and not iskeyword(name) else f"getattr(self, {name!r})(state)"
        )
        form = _SYNC if async_names is None else _ASYNC if name in async_names else _SYNC_IN_ASYNC
        lines = [form.format(call=call, name=name)]
        if noting:
            lines = [f"place((context, {index}))"] * is_async + lines + ["note(clock())", "if looked: return"]
        text += lines
        places += [step] * len(lines)
    text.append(f"return {'None' if is_async or noting else 'FINISHED'}")
    namespace: dict[str, Any] = {**names, "__name__": __name__}
    exec(_compiled("\n ".join(text), places), namespace)
    made = namespace["__call__"]
    made.__qualname__ = f"{story}.__call__"
    return made


def _compiled(text: str, places: Sequence[Listed]) -> CodeType:
    file, first = places[0].file, places[0].line
    module: Any = compile(text, file, "exec", _ONLY_AST)
    [function] = module.body
    _move(function, first)
    for statement, step in zip(function.body, places[1:], strict=False):  # the last one returns
        _move(statement, step.line if step.file == file else first)
    return compile(module, file, "exec")


def _move(node: Any, line: int) -> None:
    """Put a node of the syntax tree, and all below it, on a line, without columns: those would mark other text."""
    if hasattr(node, "lineno"):
        node.lineno = node.end_lineno = line
        node.col_offset = node.end_col_offset = 0
    for name in node._fields:
        below: Any = getattr(node, name, None)
        children: Any = below if type(below) in {list} else [below]
        for child in children:
            if hasattr(child, "_fields"):
                _move(child, line)
