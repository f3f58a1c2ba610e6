"""SIGTERM ends what runs in an event loop, whichever thread the system gives it to."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Generator
from functools import partial

import pytest

from dddkit._sigterm import stopped_by_sigterm

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no signals for threads")

LONG = 60.0  # seconds, on a machine with much to do


@pytest.fixture(autouse=True)
def as_it_was() -> Generator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.set_wakeup_fd(-1) == -1


async def stopped(begun: asyncio.Event | None = None) -> None:
    end = asyncio.Event()
    with stopped_by_sigterm(partial(asyncio.get_running_loop().call_soon_threadsafe, end.set)):
        if begun is not None:
            begun.set()
        await end.wait()


def sigterm_in_another_thread() -> None:
    """Send SIGTERM to a thread that is not the main one, which waits in its loop meanwhile."""

    def send() -> None:
        time.sleep(0.1)  # until then the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    threading.Thread(target=send).start()


async def ended(running: asyncio.Future[None]) -> None:
    """Wait for the end; the timeout does not end it, although it wakes the loop as well."""
    await asyncio.wait_for(asyncio.shield(running), LONG)


def test_fs18_a_signal_that_another_thread_gets_wakes_the_loop() -> None:
    async def main() -> None:
        running = asyncio.ensure_future(stopped())
        sigterm_in_another_thread()
        await ended(running)

    asyncio.run(main())


def test_the_last_of_several_is_woken_too_when_the_first_has_ended() -> None:
    async def main() -> None:
        for first in (0, 1):
            begun = [asyncio.Event(), asyncio.Event()]
            running = [asyncio.ensure_future(stopped(event)) for event in begun]
            for event in begun:
                await event.wait()
            running[first].cancel()
            await asyncio.wait([running[first]])
            sigterm_in_another_thread()
            await ended(running[1 - first])

    asyncio.run(main())


def test_what_the_loop_does_with_its_own_signals_stays() -> None:
    async def main() -> None:
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        rung = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(rung)
        running = asyncio.ensure_future(stopped())
        sigterm_in_another_thread()
        await ended(running)
        assert signal.set_wakeup_fd(rung) == rung
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), LONG)
        loop.remove_signal_handler(signal.SIGUSR1)

    asyncio.run(main())


def test_a_handler_that_the_loop_gets_meanwhile_stays() -> None:
    async def main() -> None:
        heard, begun = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(stopped(begun))
        await begun.wait()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        sigterm_in_another_thread()
        await ended(running)
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), LONG)
        loop.remove_signal_handler(signal.SIGUSR1)

    asyncio.run(main())
