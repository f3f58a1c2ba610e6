"""The log of a story on streams that cannot encode the glyphs of the execution tree."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dddkit.stories import ExecutionTimeTracker, I, LoggingHook, StatusTracker, Story, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform

LOGGER = logging.getLogger("dddkit.stories.story")


class Stream:
    """A stream of bytes in some encoding, and the handler that writes to it."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        self.handler = logging.StreamHandler(io.TextIOWrapper(self.bytes, encoding, newline="\n"))
        self.encoding = encoding

    @property
    def text(self) -> str:
        self.handler.flush()
        return re.sub(r"\d\.\d{3}s", "0.000s", self.bytes.getvalue().decode(self.encoding))


@contextmanager
def listening(stream: Stream, level: int = logging.DEBUG) -> Generator[None]:
    before = LOGGER.level
    LOGGER.addHandler(stream.handler)
    LOGGER.setLevel(level)
    try:
        yield
    finally:
        LOGGER.removeHandler(stream.handler)
        LOGGER.setLevel(before)


def hooks() -> list[Any]:
    return [StatusTracker(), ExecutionTimeTracker(), LoggingHook(ascii=True)]


every_encoding = pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "utf-16"])


@every_encoding
@both_modes
def test_fr10_the_log_of_a_run_in_ascii(mode: Mode, encoding: str, capsys: pytest.CaptureFixture[str]) -> None:
    story, stream = checkout(mode), Stream(encoding)
    inject_hooks(story, hooks())
    with listening(stream):
        perform(story, Notes())
    assert stream.text == (
        "Checkout:\n    >I.reserve\n    I.charge\n    I.ship\n"
        "Checkout:\n    +I.reserve [0.000s]\n    >I.charge\n    I.ship\n"
        "Checkout:\n    +I.reserve [0.000s]\n    +I.charge [0.000s]\n    >I.ship\n"
        "Checkout:\n    +I.reserve [0.000s]\n    +I.charge [0.000s]\n    +I.ship [0.000s]\n"
    )
    assert "Logging error" not in capsys.readouterr().err


@every_encoding
@both_modes
def test_fr10_the_log_of_a_failing_run_comes_with_its_traceback(
    mode: Mode, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    story, stream = checkout(mode), Stream(encoding)
    inject_hooks(story, hooks())
    with listening(stream, logging.ERROR), pytest.raises(Declined):
        perform(story, Notes(charge=Declined("größer als 5 € ✗")))
    head, traceback = stream.text.split("Traceback", 1)
    assert head == "Checkout:\n    +I.reserve [0.000s]\n    xI.charge\n    I.ship\n"
    assert traceback.endswith("Declined: gr\\xf6\\xdfer als 5 \\u20ac x\n")
    assert "Logging error" not in capsys.readouterr().err


def test_fr10_without_ascii_the_record_is_lost_on_such_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    # What the option is for, and what says that these tests can fail.
    story, stream = checkout("sync"), Stream("cp1252")
    inject_hooks(story)
    with listening(stream, logging.ERROR), pytest.raises(Declined):
        perform(story, Notes(charge=Declined()))
    assert stream.text == ""
    assert "UnicodeEncodeError" in capsys.readouterr().err


def test_fr10_a_cancelled_step_in_ascii() -> None:
    class Waiting(Story):
        I.wait

        async def wait(self, state: asyncio.Event) -> None:
            state.set()
            await asyncio.sleep(3600)

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(Waiting()(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    inject_hooks(Waiting, hooks())
    stream = Stream("ascii")
    with listening(stream):
        asyncio.run(main())
    assert stream.text == "Waiting:\n    >I.wait\nWaiting:\n    !I.wait\n"


def test_fr10_names_and_notes_of_the_user_are_escaped() -> None:
    class Größe(Story):
        I.prüfe

        def prüfe(self, state: object) -> None:
            raise Declined

    class Priced:
        def before(self, context: object, step: Any) -> None:
            step.template += " {meta[price]}"
            step.meta["price"] = "5 €"

    inject_hooks(Größe, [StatusTracker(), Priced(), LoggingHook(ascii=True)])
    stream = Stream("ascii")
    stream.handler.setFormatter(logging.Formatter("%(funcName)s %(message)s"))
    with listening(stream, logging.ERROR), pytest.raises(Declined):
        Größe()(None)
    assert stream.text.startswith("Gr\\xf6\\xdfe Gr\\xf6\\xdfe:\n    xI.pr\\xfcfe 5 \\u20ac\nTraceback")
    assert "in pr\\xfcfe" in stream.text


def test_fr10_nested_stories_in_ascii() -> None:
    inner = checkout("sync")

    class Outer(Story):
        I.pay

        pay = inner()

    inject_hooks(inner, [StatusTracker()])
    inject_hooks(Outer, [StatusTracker(), LoggingHook(ascii=True)])
    stream = Stream("ascii")
    with listening(stream):
        perform(Outer, Notes())
    assert stream.text.endswith(
        "Outer:\n    +I.pay\n        Checkout:\n            +I.reserve\n            +I.charge\n            +I.ship\n"
    )


def test_fr10_a_formatter_of_ones_own_formats_a_traceback_that_is_ascii(caplog: pytest.LogCaptureFixture) -> None:
    class Short(logging.Formatter):
        def formatException(self, ei: Any) -> str:
            return f"because of {ei[0].__name__}"

    class Pay(Story):
        I.capture

        def capture(self, state: object) -> None:
            raise Declined

    inject_hooks(Pay, hooks())
    stream = Stream("ascii")
    stream.handler.setFormatter(Short())
    with listening(stream, logging.ERROR), pytest.raises(Declined):
        Pay()(None)
    assert stream.text == "Pay:\n    xI.capture\nbecause of Declined\n"


def test_fr10_the_facts_keep_their_glyphs() -> None:
    trees: list[str] = []

    class Drawn:
        def after(self, context: object, step: object) -> None:
            trees.append(str(context))

    story = checkout("sync")
    inject_hooks(story, [StatusTracker(), LoggingHook(ascii=True), Drawn()])
    perform(story, Notes())
    assert trees[-1] == "Checkout:\n    ✓I.reserve\n    ✓I.charge\n    ✓I.ship"


def test_fr10_a_logger_class_of_ones_own_gets_ascii_too() -> None:
    class Own(logging.Logger):
        pass

    story, stream, kind = checkout("sync"), Stream("ascii"), LOGGER.__class__
    inject_hooks(story, hooks())
    LOGGER.__class__ = Own
    try:
        with listening(stream):
            perform(story, Notes())
    finally:
        LOGGER.__class__ = kind
    assert stream.text.endswith("+I.ship [0.000s]\n")


def test_fr10_of_hooks_with_and_without_ascii_the_last_injected_writes(caplog: pytest.LogCaptureFixture) -> None:
    story = checkout("sync")
    inject_hooks(story)
    inject_hooks(story, hooks())
    inject_hooks(story, hooks())
    with caplog.at_level(logging.DEBUG):
        perform(story, Notes())
    assert [record.getMessage().splitlines()[1].strip()[0] for record in caplog.records] == list(">+++")


def test_fr10_a_subclass_with_a_constructor_of_its_own_writes_glyphs(caplog: pytest.LogCaptureFixture) -> None:
    class Named(LoggingHook):
        def __init__(self, name: str) -> None:  # as it could be written before there was an option
            self.name = name

    story = checkout("sync")
    inject_hooks(story, [StatusTracker(), Named("own")])
    with caplog.at_level(logging.DEBUG):
        perform(story, Notes())
    assert caplog.records[0].getMessage().splitlines()[1] == "    ⟳I.reserve"


PROGRAM = """
import logging
from dddkit.stories import ExecutionTimeTracker, I, LoggingHook, StatusTracker, Story, inject_hooks

class Pay(Story):
    I.capture
    def capture(self, state): raise ValueError("refused")

logging.basicConfig()
inject_hooks(Story, [StatusTracker(), ExecutionTimeTracker(), LoggingHook(ascii=True)])
try:
    Pay()(None)
except ValueError:
    pass
"""


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_fr10_a_program_whose_standard_streams_have_such_an_encoding(encoding: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        encoding=encoding,
        check=True,
    )
    assert run.stderr.startswith("ERROR:dddkit.stories.story:Pay:\n    xI.capture\nTraceback")
    assert run.stderr.endswith("ValueError: refused\n")


@settings(deadline=None)
@given(st.text() | st.text("⟳✓✗⊘…ab"))
def test_fr10_fr17_whatever_stands_in_the_tree_is_written_in_ascii(text: str) -> None:
    class Noted:
        def before(self, context: object, step: Any) -> None:
            step.template = "{meta[note]}"
            step.meta["note"] = text

    story, stream = checkout("sync"), Stream("ascii")
    inject_hooks(story, [Noted(), LoggingHook(ascii=True)])
    stream.handler.setFormatter(logging.Formatter("<%(message)s>"))
    with listening(stream):
        perform(story, Notes())
    assert stream.text.count("<Checkout:\n") == 4
    if text.isascii():
        assert f"<Checkout:\n{text}\n" in stream.text
