"""Around hooks: generators that wait at their yield while a story, a step or a compensation runs."""

from __future__ import annotations

from collections.abc import Generator
from types import GeneratorType
from typing import Any, TypeAlias

from dddkit._awaitables import dispose
from dddkit._callables import display_name
from dddkit.stories._engine.registry import Callback

__all__ = ["Generators", "enter_generator", "leave_generator", "second_yield"]

Generators: TypeAlias = "list[Generator[Any, Any, Any]]"  # those that wait, the outermost first


def enter_generator(generators: Generators, hook: Callback, made: object) -> None:
    """Run what an around hook has returned up to its yield, and append it to the generators to leave later."""
    generator: Any = made
    if type(made) is not GeneratorType:
        dispose(made)
        raise RuntimeError(
            f"the around hook {display_name(hook)} has to yield exactly once, but is no generator function; "
            f"write one yield in it, and no @contextmanager above it"
        )
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {display_name(hook)} has to yield exactly once, but never did") from None
    generators.append(generator)


def leave_generator(generator: Generator[Any, Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as own:
        # PEP 479: a StopIteration that leaves a generator is wrapped
        if error is not None and issubclass(type(error), StopIteration) and own.__cause__ is error:
            return
        raise
    finally:
        error = None  # the traceback of what the hook raises leads to this frame
    raise second_yield(generator)


def second_yield(generator: Generator[Any, Any, Any]) -> RuntimeError:
    generator.close()
    return RuntimeError(f"the around hook {display_name(generator)} has to yield exactly once, but yielded again")
