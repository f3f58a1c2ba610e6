"""What is read of DBOS privately means what it is read for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from dbos import DBOS

from dddkit.stories.dbos import settings
from dddkit.stories.dbos._private import (
    active_workflows,
    at_launch,
    configured_version,
    has_ended,
    instance,
    is_launched,
    registered_workflows,
    set_executor_id,
    target_loop,
)
from tests.durable.launched import configured


def test_the_life_of_dbos_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert instance() is None
    assert not is_launched()
    assert target_loop() is None
    assert registered_workflows() == ()
    called: list[str] = []
    may_end = threading.Event()
    with configured(f"sqlite:///{tmp_path_factory.mktemp('private')}/shop.sqlite"):
        dbos = instance()
        assert isinstance(dbos, DBOS)
        assert configured_version() == settings("tests", "sqlite:///shop.sqlite").get("application_version")
        assert not is_launched()
        assert target_loop() is None

        @DBOS.workflow(name="private")
        async def workflow() -> int:
            while not may_end.is_set():
                await asyncio.sleep(0.001)
            return id(asyncio.get_running_loop())

        assert "private" in registered_workflows()

        def work(stop: threading.Event) -> None:
            called.append("begun")
            stop.wait()
            called.append("stopped")

        at_launch(work)
        at_launch(work)
        name = DBOS.executor_id
        set_executor_id("other", {"somebody"})
        assert DBOS.executor_id == name
        set_executor_id("other", {name})
        assert DBOS.executor_id == "other"
        DBOS.launch()
        assert is_launched()
        loop = target_loop()
        assert loop is not None
        handle = asyncio.run_coroutine_threadsafe(DBOS.start_workflow_async(workflow), loop).result(60)
        while handle.get_workflow_id() not in active_workflows():
            time.sleep(0.001)
        may_end.set()
        assert asyncio.run_coroutine_threadsafe(handle.get_result(), loop).result(60) == id(loop)
        assert called == ["begun"]
        assert not has_ended(dbos)
    assert called == ["begun", "stopped"]
    assert has_ended(dbos)
    assert instance() is None
    assert not is_launched()
    assert target_loop() is None
    assert registered_workflows() == ()


def test_dbos_adopts_the_loop_that_it_is_launched_in_as_long_as_that_runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async def main() -> asyncio.AbstractEventLoop:
        DBOS.launch()
        assert target_loop() is asyncio.get_running_loop()
        return asyncio.get_running_loop()

    with configured(f"sqlite:///{tmp_path_factory.mktemp('private')}/shop.sqlite"):
        first = asyncio.run(main())
        assert target_loop() not in (None, first)
