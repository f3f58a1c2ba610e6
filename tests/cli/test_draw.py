"""`dddkit draw`: what is in the pictures of stories and aggregates."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import run


class Shown:
    """A picture, as its reader sees it."""

    def __init__(self, text: str) -> None:
        self.text = text
        labels = re.findall(r'^ *(?:subgraph )?(\w+)\W+"(.*)"\W*$', text, re.MULTILINE)
        self.labels: dict[str, str] = {id_: label.replace("<br/>", "\n") for id_, label in labels}
        self.arrows = set(re.findall(r'^ +(\w+ -\.?->(?:\|".*"\|)? \w+)$', text, re.MULTILINE))

    def text_of(self, node: str) -> str:
        """Return the text in a node as one line: a line is also divided where it is too wide."""
        return self.labels[node].replace("\n", " ")


@pytest.fixture(scope="session")
def pictures(drawn_once: Path) -> dict[str, Shown]:
    text = (drawn_once / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- dddkit draw (\S+) -->\n```mermaid\n(.*?)```\n<!-- end -->", text, re.DOTALL)
    return {place.rpartition(":")[2]: Shown(picture) for place, picture in found}


# --- stories --------------------------------------------------------------------------------------------------------


def test_a_story_is_drawn_with_its_steps_in_their_order(pictures: dict[str, Shown]) -> None:
    assert pictures["Base"].text == (
        "flowchart TB\n"
        '    subgraph story_Base["Base, async"]\n'
        "        direction TB\n"
        '        Base_begins(["begins with lines"])\n'
        '        Base_load["load, sync<br/>reads lines<br/>sets total"]\n'
        '        Base_check["check, async<br/>reads first, total"]\n'
        "    end\n"
        "    Base_begins --> Base_load\n"
        "    Base_load --> Base_check\n"
    )


def test_inherited_steps_are_drawn_and_replaced_ones_as_the_child_has_them(pictures: dict[str, Shown]) -> None:
    child = pictures["Child"]
    assert child.labels["Child_load"] == "load, sync\nreads lines\nsets total"
    assert "reads total\nsets total\ncalls weight\n" in child.labels["Child_check"]


def test_a_step_tells_what_it_passes_the_whole_state_on_to(pictures: dict[str, Shown]) -> None:
    assert pictures["Child"].text_of("Child_check").endswith("passes the State on to super().check, save_all, _tell")
    assert pictures["Decorated"].labels["Decorated_fourth"].endswith("passes the State on to\nother code")


def test_attributes_count_that_are_read_by_name_or_in_a_function_inside(pictures: dict[str, Shown]) -> None:
    assert pictures["Ask"].labels["Ask_ask"] == "ask, async\nreads note, order_id"
    assert pictures["Decorated"].labels["Decorated_second"].endswith("\nsets total")


@pytest.mark.slow
def test_an_attribute_that_only_some_paths_have_set_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "paths.py").write_text(
        "from dddkit.stories import I, Story, StoryState, variable\n\n\nclass Paths(Story):\n    I.go\n\n"
        "    class State(StoryState):\n        total: int = variable()\n        other: int = variable()\n\n"
        "    def go(self, state: State) -> None:\n        if len('ab') == 2:\n            state.total = 1\n"
        "        state.other = state.total\n        print(state.other)\n"
    )
    shown = run("draw", "paths:Paths", folder=tmp_path)
    assert "go, sync<br/>reads total<br/>sets other, total" in shown.out, shown


def test_decorated_static_and_class_methods_are_steps_like_others(pictures: dict[str, Shown]) -> None:
    labels = pictures["Decorated"].labels
    assert labels["Decorated_first"] == "first\n@traced\nsets paid"  # what it returns is anything
    assert labels["Decorated_second"] == "second, async\n@retried\nsets total"
    assert labels["Decorated_third"] == "third, sync\nreads total"


@pytest.mark.parametrize(
    ("story", "arrow"),
    [
        ("Decorated", 'Decorated_first -.->|"undone by, even if failed"| Decorated_first_undo'),
        ("Given", 'Given_ask -.->|"undone by"| Given_ask_undo'),
    ],
    ids=["a step", "a story"],
)
def test_what_undoes_a_step_is_drawn_beside_it(story: str, arrow: str, pictures: dict[str, Shown]) -> None:
    shown = pictures[story]
    assert arrow in shown.arrows
    assert f"class {arrow.split()[-1]} undoing\n" in shown.text


def test_a_story_among_the_steps_is_drawn_with_its_own_steps(pictures: dict[str, Shown]) -> None:
    given = pictures["Given"]
    assert given.labels["Given_ask"] == "ask: Ask, async"
    assert {"Given_either --> Given_ask_ask", "Given_ask_itself --> Given_some_story"} <= given.arrows


def test_a_story_inside_of_itself_is_drawn_once(pictures: dict[str, Shown]) -> None:
    assert pictures["Ask"].text_of("Ask_itself") == "itself given: Ask, drawn already"


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("notify", "notify, sync given: Callable[[object], None]"),
        ("notify_2", "notify, sync given: Callable[[object], None]"),
        ("anything", "anything given"),
        ("either", "either given: Callable[[object], None] | Ask"),
        ("some_story", "some_story given: Story"),
        ("approval", "approval waits for a signal"),
        ("pause", "pause waits for some time"),
        ("chosen", "chosen, sync a property"),
        ("assigned", "assigned, sync set in the class"),
        ("Nested", "Nested, sync a class"),
        ("missing", "missing names no step"),
    ],
)
def test_a_step_that_is_no_method_tells_what_it_is(step: str, text: str, pictures: dict[str, Shown]) -> None:
    assert pictures["Given"].text_of(f"Given_{step}") == text


def test_type_arguments_are_those_of_the_story_that_is_drawn(pictures: dict[str, Shown]) -> None:
    assert pictures["Open"].text_of("Open_take") == "take, sync given: Callable[[T], dict[str, list[Box[T]]]]"
    assert pictures["Closed"].text_of("Closed_take") == "take, sync given: Callable[[int], dict[str, list[Box[int]]]]"


def test_a_story_that_lists_steps_by_code_may_have_more(pictures: dict[str, Shown]) -> None:
    assert "Counted_first --> Counted_more" in pictures["Counted"].arrows


def test_of_an_object_its_class_is_drawn(pictures: dict[str, Shown]) -> None:
    assert pictures["closed"].text == pictures["Closed"].text


def test_ids_hold_nothing_but_what_mermaid_takes_everywhere(pictures: dict[str, Shown]) -> None:
    assert pictures["Größe"].labels == {"story_Gr__e": "Größe, sync", "Gr__e_end": "end, sync"}


# --- aggregates -----------------------------------------------------------------------------------------------------


def test_an_aggregate_is_drawn_with_its_identity_and_the_events_that_its_methods_record(
    pictures: dict[str, Shown],
) -> None:
    account = pictures["Account"]
    assert account.text_of("aggregate_Account") == "Account identity: int"
    assert {arrow for arrow in account.arrows if arrow.startswith("aggregate_Account ")} == {
        'aggregate_Account -->|"open, reopen"| event_Account_Opened',
        "aggregate_Account --> event_Account_Lost",
        'aggregate_Account -->|"close"| event_Account_Closed',
    }


def test_events_are_inherited_but_for_those_of_methods_that_are_replaced(pictures: dict[str, Shown]) -> None:
    savings = pictures["Savings"]
    assert {id_ for id_ in savings.labels if id_.startswith("event_")} == {
        "event_Savings_Opened",
        "event_Savings_Lost",
        "event_Savings_Paid",
    }
    assert 'aggregate_Savings -->|"open, reopen"| event_Savings_Opened' in savings.arrows


def test_an_event_leads_to_all_who_handle_it_or_a_base_of_it(pictures: dict[str, Shown]) -> None:
    shown = pictures["Savings"]
    handlers = [shown.labels[arrow.split()[-1]] for arrow in shown.arrows if arrow.startswith("event_Savings_Paid ")]
    assert sorted(handlers) == [
        "SavingsRows\nChangesHandler\naggregates",
        "note\nbroker.handle\nhandlers",
        "record\nbroker.subscribe\nhandlers",
    ]


def test_each_way_to_subscribe_is_seen_where_tests_are_left_out(pictures: dict[str, Shown]) -> None:
    shown = pictures["Account"]
    assert {label for id_, label in shown.labels.items() if id_.startswith("handler_")} == {
        "note\nbroker.handle\nhandlers",
        "tell\nbroker.instance\nhandlers",
        "lambda\ngiven.subscribe\nhandlers",
        "record_as\ngiven.subscribe\nhandlers",
        "record\nbroker.subscribe\ngiven.handle\nhandlers",
    }


def test_an_event_is_seen_however_the_method_calls_add_event(pictures: dict[str, Shown]) -> None:
    loan = pictures["Loan"]
    assert {arrow for arrow in loan.arrows if arrow.startswith("aggregate_Loan ")} == {
        'aggregate_Loan -->|"#95;#95;post_init__"| event_Loan_Granted',  # Mermaid 11.4 would show it bold, without __
        'aggregate_Loan -->|"extend"| event_Loan_Extended',
        'aggregate_Loan -->|"limit"| event_Loan_Limited',
        'aggregate_Loan -->|"repay"| event_Loan_Repaid',
        'aggregate_Loan -->|"sell"| event_Loan_Sold',
        'aggregate_Loan -->|"split"| event_Loan_Split',  # which mypy calls split-redefinition
    }


def test_a_handler_has_one_box_and_another_of_the_same_name_its_own(pictures: dict[str, Shown]) -> None:
    shown = pictures["Loan"]
    handlers = [shown.labels[arrow.split()[-1]] for arrow in shown.arrows if arrow.startswith("event_Loan_Sold ")]
    assert sorted(handlers) == [
        "Ledger().record\ngiven.subscribe\nhandlers",
        "_\nbroker.handle\nhandlers",
        "_\nbroker.handle\nhandlers",
        "note\ncurrent().subscribe\nbroker.subscribe\nhandlers",
        "record\nbroker.subscribe\nhandlers",
    ]


def test_what_holds_an_aggregate_leads_to_it(pictures: dict[str, Shown]) -> None:
    shown = pictures["Savings"]
    held = [arrow.split()[0] for arrow in shown.arrows if arrow.endswith('-->|"holds"| aggregate_Savings')]
    assert sorted(shown.labels[repository] for repository in held) == [
        "AllSavings\nProtocol\naggregates",
        "InFile\naggregates",
        "InMemoryRepository\naggregates",
    ]
    assert "holds" not in pictures["Silent"].text


def test_of_a_package_all_is_drawn_and_each_story_once(pictures: dict[str, Shown]) -> None:
    labels = pictures["bank"].labels
    assert {label for id_, label in labels.items() if id_.startswith("story_")} == {
        *("Base, async", "Child, async", "Given, async", "Decorated, async", "Open, sync", "Closed, sync"),
        *("Counted", "Größe, sync", "There"),  # Back and There are steps of each other
    }
    assert {"aggregate_Account", "aggregate_Savings", "aggregate_Silent", "aggregate_Loan"} <= labels.keys()


# --- the whole ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_is_the_same_with_another_hash_seed_and_without_a_cache(drawn_once: Path) -> None:
    if sys.platform == "emscripten":
        pytest.skip("there are no processes to start")
    drawn = {
        subprocess.run(
            [sys.executable, "-m", "dddkit.cli", "draw", "bank", *options],
            cwd=drawn_once,
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed, options in (("1", []), ("2", ["--no-cache"]))
    }
    assert len(drawn) == 1
