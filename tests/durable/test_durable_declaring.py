from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import iscoroutinefunction, isfunction, signature
from typing import Any

import pytest
from dbos import DBOS, DBOSConfig

from dddkit.exceptions import StoryDefinitionError, StoryNotRecordableError
from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.dbos import Durable, settings
from dddkit.stories.durable import Retry, Signal
from tests.durable.launched import configured


class Doubled(Story):
    I.double

    class State(StoryState):
        number: int

    def double(self, state: State) -> None:
        state.number *= 2


@dataclass
class Approved(Story):
    I.approval
    I.decide

    class State(StoryState):
        approved: bool = variable()

    approval: Any

    def decide(self, state: State) -> None: ...


class Unrecordable(Story):
    I.step

    class State(StoryState):
        anything: object

    def step(self, state: State) -> None: ...


class Elsewhere(StoryState):
    number: int


class Wider(StoryState):
    name: str = ""


class Narrower(Wider):
    number: int = 0


class WithStateElsewhere(Story):
    I.step

    def step(self, state: Elsewhere) -> None: ...


class WithTwoStates(Story):
    I.one
    I.two

    def one(self, state: Wider) -> None: ...
    def two(self, state: Narrower) -> None: ...


class WithUnrelatedStates(Story):
    I.one
    I.two

    def one(self, state: Wider) -> None: ...
    def two(self, state: Elsewhere) -> None: ...


class WithoutState(Story):
    I.step

    def step(self, state: Any) -> None: ...


@pytest.fixture
def dbos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with configured(f"sqlite:///{tmp_path_factory.getbasetemp()}/never.sqlite"):
        yield


@pytest.mark.usefixtures("dbos")
class TestWhereDBOSIsConfigured:
    def test_a_name_is_taken_once(self) -> None:
        Durable(Doubled(), name="doubled", formerly=("twice",))
        for name in ("doubled", "twice"):
            with pytest.raises(ValueError, match=f"{name}: another durable story"):
                Durable(Doubled(), name=name)
            with pytest.raises(ValueError, match=f"{name}: another durable story"):
                Durable(Doubled(), name="new", formerly=(name,))
        with pytest.raises(ValueError, match="same: another durable story"):
            Durable(Doubled(), name="same", formerly=("same",))

    def test_a_workflow_of_the_users_own_keeps_its_name(self) -> None:
        @DBOS.workflow(name="mine")
        def mine() -> None: ...

        with pytest.raises(ValueError, match="mine: another durable story, or another workflow"):
            Durable(Doubled(), name="mine")

    @pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 201, "dddkit.mailbox"])
    def test_not_every_text_is_a_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="write"):
            Durable(Doubled(), name=name)

    def test_what_is_no_story_is_rejected(self) -> None:
        story: Any = Doubled
        with pytest.raises(TypeError, match=r"Durable\(Doubled\(\.\.\.\), \.\.\.\)"):
            Durable(story, name="a class")
        with pytest.raises(TypeError, match="runs a story, and this is"):
            Durable(print, name="a function")
        name: Any = None
        with pytest.raises(TypeError, match="is a str"):
            Durable(Doubled(), name=name)

    def test_formerly_is_a_tuple(self) -> None:
        formerly: Any = "twice"
        with pytest.raises(TypeError, match=r'write formerly=\("old name",\)'):
            Durable(Doubled(), name="doubled", formerly=formerly)

    def test_retries_are_for_steps(self) -> None:
        with pytest.raises(ValueError, match='did you mean "double"'):
            Durable(Doubled(), name="doubled", retries={"duble": Retry(on=OSError)})
        with pytest.raises(ValueError, match="timeout"):
            Durable(Doubled(), name="doubled", retries={"double": Retry(on=OSError, timeout=1)})
        retries: Any = {"double": 3}
        with pytest.raises(TypeError, match=r"write Retry\("):
            Durable(Doubled(), name="doubled", retries=retries)
        Durable(Doubled(), name="doubled", retries={"double": Retry(on=OSError)})

    def test_a_sync_story_cannot_wait_for_a_signal(self) -> None:
        with pytest.raises((ValueError, TypeError), match=r"[Ss]ignal"):
            Durable(Approved(Signal("approval", into="approved")), name="approved")

    def test_a_state_that_cannot_be_recorded_is_rejected(self) -> None:
        with pytest.raises(StoryNotRecordableError, match=r"unrecordable.*anything"):
            Durable(Unrecordable(), name="unrecordable")  # type: ignore[dddkit-durable-state]  # what the test is about

    def test_the_state_is_found_where_it_is_declared_elsewhere(self) -> None:
        Durable(WithStateElsewhere(), name="elsewhere")
        Durable(WithTwoStates(), name="two")

    @pytest.mark.parametrize("story", [WithUnrelatedStates(), WithoutState()], ids=["unrelated", "none"])
    def test_a_state_that_is_not_clear_is_asked_for(self, story: Any) -> None:
        with pytest.raises(StoryDefinitionError, match=r"write `class State\(StoryState\)"):
            Durable(story, name="unclear")

    def test_nothing_is_started_before_dbos_is_launched(self) -> None:
        doubled = Durable(Doubled(), name="doubled")
        with pytest.raises(RuntimeError, match=r"doubled: DBOS is not running .* call DBOS.launch\(\) first"):
            doubled.start(Doubled.State(number=1))
        with pytest.raises(RuntimeError, match="DBOS is not running"):
            doubled.status("any")

    def test_a_rejected_story_leaves_its_name_free(self) -> None:
        with pytest.raises(ValueError, match="did you mean"):
            Durable(Doubled(), name="free", retries={"duble": Retry(on=OSError)})
        assert Durable(Doubled(), name="free").name == "free"
        assert repr(Durable(Doubled(), name="other")) == "<Durable other>"


def test_a_dbos_that_was_not_configured_by_settings_is_rejected() -> None:
    DBOS(config=DBOSConfig(name="shop", system_database_url="sqlite:///never.sqlite"))
    try:
        with pytest.raises(RuntimeError, match=r"not configured by settings\(\).*write DBOS\(config=settings\("):
            Durable(Doubled(), name="doubled")
    finally:
        DBOS.destroy(destroy_registry=True)


def test_durable_stories_may_be_made_before_dbos(tmp_path_factory: pytest.TempPathFactory) -> None:
    doubled = Durable(Doubled(), name="doubled")
    DBOS(config=settings("tests", f"sqlite:///{tmp_path_factory.getbasetemp()}/never.sqlite"))
    try:
        with pytest.raises(RuntimeError, match="DBOS is not running"):
            doubled.runs()
    finally:
        DBOS.destroy(destroy_registry=True)


def test_each_call_and_its_twin_take_the_same() -> None:
    calls = {name for name, value in vars(Durable).items() if isfunction(value) and not name.startswith("_")}
    twins = {name for name in calls if name.startswith("a") and name[1:] in calls}
    assert {name[1:] for name in twins} == calls - twins
    for name in twins:
        twin, call = getattr(Durable, name), getattr(Durable, name[1:])
        assert signature(twin) == signature(call)
        assert iscoroutinefunction(twin)
