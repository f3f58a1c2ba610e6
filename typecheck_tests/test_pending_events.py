"""What checkers say about the pending events of an aggregate: they are of the flavour's AggregateEvent."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Final

import pytest
from tests.house.pages import Reader

CHECKERS: Final = {
    "mypy": "mypy --config-file with_plugin.ini basket.py",
    "mypy without the plugin": "mypy --config-file without_plugin.ini basket.py",
    "pyright": f"pyright -p strict.json --pythonpath {quote(sys.executable)}",
}
SETTINGS: Final = {
    "with_plugin.ini": "[mypy]\nplugins = dddkit_mypy\nstrict = True\n",
    "without_plugin.ini": "[mypy]\nstrict = True\n",
    "strict.json": '{"include": ["*.py"], "typeCheckingMode": "strict"}\n',
}
OTHER: Final = {"dataclasses": "pydantic", "pydantic": "dataclasses"}

BASKET: Final = """
from dataclasses import dataclass
from datetime import datetime

import dddkit.{other}
from dddkit.{flavour} import Aggregate, AggregateEvent


{decorator}
class Basket(Aggregate):
    basket_id: int

    def changes(self) -> list[AggregateEvent]:
        return self.get_events()

    def pull_events(self) -> list[AggregateEvent]:
        return super().pull_events()


def tell(event: AggregateEvent) -> datetime:
    return event.occurred_on


def tell_all(basket: Basket) -> list[datetime]:
    basket.add_event(dddkit.{other}.AggregateEvent())
    return [tell(event) for event in [*basket.get_events(), *basket.pull_events()]]
"""


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("flavour", OTHER)
def test_fd5_pending_events_are_of_the_flavour_and_events_of_both_are_recorded(
    flavour: str, checker: str, tmp_path: Path
) -> None:
    for name, text in SETTINGS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    decorator = "@dataclass(kw_only=True)" if flavour == "dataclasses" else ""
    source = BASKET.format(flavour=flavour, other=OTHER[flavour], decorator=decorator)
    if not decorator:
        source = source.replace("from dataclasses import dataclass\n", "")
    (tmp_path / "basket.py").write_text(source, encoding="utf-8")
    printed, status = Reader(tmp_path).enter(CHECKERS[checker])
    assert status == 0, printed
