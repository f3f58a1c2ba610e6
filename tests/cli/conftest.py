"""A project with mistakes, checked once; and one with odd code, drawn once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.cli.drawn import FILES as DRAWN
from tests.cli.drawn import PICTURES
from tests.cli.running import Run, run

STORY: Final = """\
from dddkit.stories import I, Story, StoryState


class Checkout(Story):
    I.reserve
    I.chrge

    class State(StoryState):
        order_id: int

    async def reserve(self, state: State) -> None: ...

    def charge(self, state: State) -> None: ...
"""
CALLER: Final = """\
from shop.checkout import Checkout


async def other() -> None: ...


async def main() -> None:
    checkout = Checkout()
    checkout(Checkout.State(order_id=1))
    other()
    wrong: int = ""
    await checkout(Checkout.State(order_id=wrong))
"""
FILES: Final = {
    "pyproject.toml": "",
    "src/shop/checkout.py": STORY,
    "scripts/day/main.py": CALLER,
    "scripts/night/main.py": "import shop.checkout\n",
}


@pytest.fixture(scope="session")
def checked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "project"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert run("check", folder=folder).code == 1
    return folder


@pytest.fixture
def project(checked_once: Path, tmp_path: Path) -> Path:
    """A project without a configuration, in src layout, without `__init__.py`, with two modules of one name."""
    return shutil.copytree(checked_once, tmp_path / "project")


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in src layout, without `__init__.py`, with a picture of each story and aggregate in README.md."""
    folder = tmp_path_factory.mktemp("bank") / "project"
    for name, text in {**DRAWN, "README.md": PICTURES}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert run("draw", "--output", "README.md", folder=folder) == Run(0, "", "dddkit: README.md is drawn; commit it\n")
    return folder


@pytest.fixture
def bank(drawn_once: Path, tmp_path: Path) -> Path:
    """That project, to be changed."""
    return shutil.copytree(drawn_once, tmp_path / "bank")
