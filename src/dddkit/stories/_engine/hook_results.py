"""What a hook returns: an awaitable is none that a sync run, or a closed one, can wait for."""

from __future__ import annotations

from collections.abc import Awaitable

from dddkit._awaitables import FINISHED, dispose, is_awaitable
from dddkit._callables import display_name
from dddkit.stories._engine.registry import Callback

__all__ = ["check_hook_result", "run_without_waiting"]


def check_hook_result(hook: Callback, result: object) -> None:
    """Reject an awaitable from a hook of a sync story; FINISHED counts as None."""
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {display_name(hook)} returned an awaitable, but the story is sync; make it a plain function "
            f"that returns no awaitable"
        )


def run_without_waiting(hook: Callback, awaitable: Awaitable[object]) -> None:
    """Run an async hook of a closed coroutine up to its first wait, where it fails."""

    async def run() -> None:
        await awaitable

    running = run()
    try:
        running.send(None)
    except StopIteration:
        return
    running.close()
    raise RuntimeError(f"the hook {display_name(hook)} could not wait: the coroutine of the run was closed")
