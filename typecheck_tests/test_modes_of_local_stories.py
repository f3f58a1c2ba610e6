"""A story in a function, beside one whose State has a base in another module, which is edited."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from typecheck_tests.modes import Project, SeededCaches
from typecheck_tests.running import CONFIG, codes_in

STATES: Final = """\
from dddkit.stories import StoryState, variable

class Base(StoryState):
    order_id: int
    prepared: bool = variable()
"""
STORIES: Final = """\
from dddkit.stories import I, Story, StoryState
from states import Base

class Checkout(Story):
    I.prepare

    class State(Base): ...

    def prepare(self, state: State) -> None:
        state.prepared = True

def test_it() -> None:
    class Local(Story):
        I.go

        class Seen(StoryState):
            a: int

        def go(self, state: Seen) -> None: ...

    Local()(Local.Seen(a=1))
"""


@pytest.mark.slow
def test_the_daemon_ends_where_the_base_of_a_state_changes_beside_a_story_in_a_function(
    tmp_path: Path, seeded_caches: SeededCaches
) -> None:
    project = Project(tmp_path, {"states.py": STATES, "stories.py": STORIES}, CONFIG, seeded_caches(CONFIG))
    try:
        assert (project.cold(), project.daemon()) == ("", "")
        project.edit({"states.py": STATES.replace("prepared: bool", "prepared: str")})
        assert project.daemon() == project.cold()
        assert codes_in(project.cold()) == ["assignment"]
        project.edit({"states.py": STATES})
        assert project.daemon() == ""
    finally:
        project.close()
