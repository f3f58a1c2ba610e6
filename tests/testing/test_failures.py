"""What a user sees of an assertion that fails."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import unittest
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing import failing

ROOT = Path(__file__).parents[2]

TEXTS = {
    "then_other_events": """\
Room.book: the events are not as expected
  at events[0].nights: 2 != 1""",
    "then_refused_after_a_change": """\
Room.book has raised TakenError, but has changed the aggregate before
  at room.nights[0].guest: was None, is 'Ann'""",
    "then_refused_what_is_allowed": """\
Room.book did not raise TakenError; it has recorded [Room.Booked(guest='Ann', nights=1)]""",
    "events_of_a_broker": """\
1 event, expected 2
  at events[0].guest: 'Ann' != 'Bob'
  at events[1]: missing BookingFailed(version=1, guest='Ann')""",
    "aggregates_that_equal_each_other": """\
the Room is not as expected
  at room.nights[0].price.cents: 4500 != 9000
  at room.nights[1].guest: None != 'Bob'""",
}

each = pytest.mark.parametrize("assertion", failing.FAILING, ids=lambda assertion: assertion.__name__)


@each
def test_a_failure_says_where_what_is_there_and_what_was_expected(assertion: Callable[[], None]) -> None:
    with pytest.raises(AssertionError) as error:
        assertion()
    assert str(error.value) == TEXTS[assertion.__name__]


@each
def test_pytest_shows_no_line_of_the_kit(assertion: Callable[[], None]) -> None:
    with pytest.raises(AssertionError) as error:
        assertion()
    shown = error.traceback.filter(error)
    assert [entry.name for entry in shown][1:] == [assertion.__name__]


@each
def test_unittest_shows_the_text_and_at_most_one_line_of_the_kit(assertion: Callable[[], None]) -> None:
    stream = io.StringIO()
    unittest.TextTestRunner(stream).run(unittest.FunctionTestCase(assertion))
    printed = stream.getvalue()
    assert printed.startswith("F\n")
    assert f"AssertionError: {TEXTS[assertion.__name__]}\n" in printed
    last = printed.rpartition("Traceback (most recent call last):")[2]
    assert len(re.findall(r'File ".*dddkit', last)) == ("then" in assertion.__name__)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_pytest_prints_the_failures_like_its_own(tmp_path: Path) -> None:
    lines = ["from tests.testing import failing"]
    lines += [f"def test_{each.__name__}(): failing.{each.__name__}()" for each in failing.FAILING]
    (tmp_path / "test_rooms.py").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )
    printed = run.stdout
    assert "5 failed" in printed, printed + run.stderr
    for text in TEXTS.values():
        first, *rest = text.splitlines()
        assert "\n".join([f"E       AssertionError: {first}", *(f"E       {line}" for line in rest)]) in printed
        assert re.search(rf"^FAILED test_rooms\.py::\w+ - AssertionError: {re.escape(first)}$", printed, re.MULTILINE)
    assert "src/dddkit" not in printed
