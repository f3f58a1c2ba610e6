"""Running a story once with something in place of one of its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from dddkit._awaitables import is_unfinished
from dddkit._callables import kind_of
from dddkit.stories._engine.call import run_story
from dddkit.stories._engine.replacement import Replacement
from dddkit.stories._engine.story_steps import is_engine_call, nested_call

__all__ = ["path_to", "run_replacing"]


def path_to(step: str, start: object, given: str) -> tuple[str, ...]:
    """Return the steps that lead to a step: its name alone, or before it those of the stories that it is nested in.

    Args:
        step: its name, dotted where it is nested.
        start: the story.
        given: what messages call the request.

    Raises:
        ValueError: a name is no step of its story.
        TypeError: `start` is no story, or the step is no name.
    """
    __tracebackhide__ = True
    if not isinstance(step, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # the method itself, say
        raise TypeError(f'{given} takes the name of a step, as in "capture_payment", not {kind_of(step)}')
    found = nested_call(start)
    if found is None:
        raise TypeError(f"{given} takes a story object, as in Checkout(gateway), not {kind_of(start)}")
    path: list[str] = []
    rest = step
    while True:
        story: Any = found[0]
        cls, names = type(story).__qualname__, _names(story)
        name, dot, inner = (rest, "", "") if rest in names else rest.partition(".")  # a name may have a dot in it
        if name not in names:
            raise ValueError(f"{given}: {cls} has no step {name!r}; {_instead(name, names)}")
        path.append(name)
        if not dot:
            return tuple(path)
        found = nested_call(getattr(story, name))
        if found is None:
            raise ValueError(
                f"{given}: the step {name!r} of {cls} is no story, and has no step {inner!r}; "
                f'write "{".".join(path)}" for the whole step'
            )
        rest = inner


def _names(story: object) -> list[str]:
    cls: Any = type(story)
    return [*cls.I.__steps__]


def _instead(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"it lists {', '.join(names) or 'none'}"


def run_replacing(
    step: object, state: Any, path: tuple[str, ...], in_place: Callable[[], object], *, halts: bool
) -> object:
    """Run a story, in which something happens in place of one step; return what its call returns.

    Args:
        step: the story, or a step that is one.
        state: its state.
        path: what `path_to` has returned.
        in_place: what is called instead of the step.
        halts: whether the run stops before the step, so that no hook of the step is called.
    """
    found: Any = nested_call(step)
    story, call = found
    name, *inner = path
    if inner:

        def run_nested() -> object:
            return run_replacing(getattr(story, name), state, tuple(inner), in_place, halts=halts)

        replacement = Replacement(story, _names(story).index(name), run_nested, halts=False)
    else:
        replacement = Replacement(story, _names(story).index(name), in_place, halts=halts)
    run: Any = partial(run_story, story) if is_engine_call(call) else step
    with replacement:
        result = run(state)
    return result if replacement.is_taken or not is_unfinished(result) else _await_replacing(result, replacement)


async def _await_replacing(result: Awaitable[object], replacement: Replacement) -> None:
    """Await a handwritten `__call__`, which reaches the steps only then."""
    with replacement:
        await result
