"""`dddkit draw`: pictures in files, projects of other shapes, and what it says where it cannot draw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Run, run

FLOWCHART = (
    'flowchart TB\n    subgraph story_Gr__e["Größe, sync"]\n        direction TB\n'
    '        Gr__e_end["end, sync"]\n    end\n'
)
PLACE = "bank.stories:Größe"


needs_processes = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def write(file: Path, text: str) -> None:
    file.write_bytes(text.encode())


def text_of(file: Path) -> str:
    return file.read_bytes().decode()


# --- pictures in files ----------------------------------------------------------------------------------------------


def test_it_prints_the_picture_without_importing_the_code(bank: Path) -> None:
    assert run("draw", PLACE, folder=bank) == Run(0, FLOWCHART, "")


def test_the_text_around_the_pictures_stays(bank: Path) -> None:
    text = text_of(bank / "README.md")
    assert text.startswith("# Pictures\n\n<!-- dddkit draw bank.stories:Base -->\n```mermaid\nflowchart TB\n")
    assert "```\n<!-- end -->\n\nAfter bank.stories:Base.\n\n<!-- dddkit draw bank.stories:Child -->\n" in text


@pytest.mark.slow
def test_the_command_that_draws_it_again_can_be_copied(bank: Path) -> None:
    write(bank / "my bank.md", f"<!-- dddkit draw {PLACE} -->\n<!-- end -->\n")
    told = f"my bank.md:1: {PLACE} has changed; run dddkit draw --output 'my bank.md'\n"
    assert run("draw", "--check", "my bank.md", folder=bank) == Run(1, told, "")


def test_a_stale_picture_is_named_and_no_other(bank: Path) -> None:
    text = text_of(bank / "README.md")
    write(bank / "README.md", text.replace('"end, sync"', '"finish, sync"', 1))
    line = text[: text.index(f"<!-- dddkit draw {PLACE} -->")].count("\n") + 1
    told = f"README.md:{line}: {PLACE} has changed; run dddkit draw --output README.md\n"
    assert run("draw", "--check", "README.md", folder=bank) == Run(1, told, "")


@pytest.mark.slow
def test_after_drawing_again_none_is_stale(bank: Path) -> None:
    source = bank / "src" / "bank" / "stories.py"
    write(source, text_of(source).replace("def end(", "async def end("))
    assert run("draw", "--check", "README.md", folder=bank).code == 1
    assert run("draw", "--output", "README.md", folder=bank).code == 0
    assert run("draw", "--check", "README.md", folder=bank) == Run(0, "", "")
    assert 'Gr__e_end["end, async"]' in text_of(bank / "README.md")


@pytest.mark.slow
def test_a_file_is_written_where_the_system_cannot_lock_a_folder(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)  # so that importing it fails, as on Windows
    assert run("draw", PLACE, "--output", "new.mmd", folder=bank).code == 0
    assert text_of(bank / "new.mmd").endswith(FLOWCHART)


@pytest.mark.slow
def test_one_picture_of_a_file_can_be_drawn_alone(bank: Path) -> None:
    before = f"<!-- dddkit draw {PLACE} -->\nold\n<!-- end -->\n"
    other = "<!-- dddkit draw bank -->\nold\n<!-- end -->\n"
    write(bank / "two.md", other + before)
    assert run("draw", PLACE, "--output", "two.md", folder=bank).code == 0
    assert text_of(bank / "two.md") == other + before.replace("old\n", f"```mermaid\n{FLOWCHART}```\n")


@pytest.mark.slow
def test_line_ends_and_indentation_are_those_of_the_file(bank: Path) -> None:
    write(bank / "list.md", f"- a list\r\n\r\n  <!-- dddkit draw {PLACE} -->\r\n  <!-- end -->\r\n")
    assert run("draw", "--output", "list.md", folder=bank).code == 0
    lines = text_of(bank / "list.md").split("\r\n")
    assert lines[2:5] == [f"  <!-- dddkit draw {PLACE} -->", "  ```mermaid", "  flowchart TB"]
    assert "\n" not in "".join(lines)
    assert run("draw", "--check", "list.md", folder=bank).code == 0


@pytest.mark.slow
def test_a_picture_in_the_first_line_is_found_behind_a_byte_order_mark(bank: Path) -> None:
    write(bank / "marked.md", f"\ufeff<!-- dddkit draw {PLACE} -->\n<!-- end -->\n")
    assert run("draw", "--output", "marked.md", folder=bank).code == 0
    assert text_of(bank / "marked.md").startswith(f"\ufeff<!-- dddkit draw {PLACE} -->\n```mermaid\n")


@pytest.mark.slow
def test_a_file_is_replaced_as_a_whole_and_stays_a_link(bank: Path) -> None:
    file, link, other = bank / "whole.md", bank / "link.md", bank / "other.md"
    write(file, f"<!-- dddkit draw {PLACE} -->\n<!-- end -->\n")
    before = text_of(file)
    other.hardlink_to(file)
    link.symlink_to(file.name)
    assert run("draw", "--output", "link.md", folder=bank).code == 0
    assert link.is_symlink()
    assert FLOWCHART in text_of(file)
    assert text_of(other) == before  # nobody has written into the old file
    assert not [*bank.glob("*.tmp")]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    told = "dddkit: /dev/zero is no file; name a file\n"
    assert run("draw", "--check", "/dev/zero", folder=tmp_path) == Run(2, "", told)


@pytest.mark.slow
@needs_processes
def test_two_runs_draw_two_pictures_of_one_file_at_the_same_time(bank: Path) -> None:
    places = (PLACE, "bank.aggregates:Silent")
    write(bank / "two.md", "".join(f"<!-- dddkit draw {place} -->\n<!-- end -->\n" for place in places))
    commands = [[sys.executable, "-m", "dddkit.cli", "draw", place, "--output", "two.md"] for place in places]
    runs = [subprocess.Popen(command, cwd=bank, stderr=subprocess.DEVNULL) for command in commands]
    assert [one.wait(120) for one in runs] == [0, 0]
    assert text_of(bank / "two.md").count("```mermaid\n") == len(places)


@pytest.mark.slow
def test_what_is_written_while_it_draws_stays(bank: Path) -> None:
    write(bank / "mypy.ini", "[mypy]\nmypy_path = src\nexplicit_package_bases = True\nplugins = edits.py\n")
    write(
        bank / "edits.py",
        "from pathlib import Path\n\nfrom mypy.plugin import Plugin\n\nfile = Path('edited.md')\n"
        "file.write_text('# Edited\\n' + file.read_text())\n\n\ndef plugin(version: str) -> type[Plugin]:\n"
        "    return Plugin\n",
    )
    write(bank / "edited.md", f"<!-- dddkit draw {PLACE} -->\n<!-- end -->\n")
    assert run("draw", "--output", "edited.md", folder=bank).code == 0
    assert text_of(bank / "edited.md").startswith(f"# Edited\n<!-- dddkit draw {PLACE} -->\n```mermaid\n")


def test_no_progress_is_written_into_a_file_where_colours_are_forced(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("draw", PLACE, folder=bank) == Run(0, FLOWCHART, "")


@needs_processes
@pytest.mark.parametrize(
    ("redirected", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("2>/dev/full", 0), (">/dev/full", 2)]
)
def test_the_exit_code_is_the_same_where_nobody_reads(redirected: str, code: int, bank: Path) -> None:
    if "full" in redirected and not Path("/dev/full").exists():
        pytest.skip("this system has no device that is full")
    options = "" if redirected == ">/dev/full" else "--output silent.mmd"
    command = f'"{sys.executable}" -m dddkit.cli draw bank.aggregates:Silent {options} {redirected}'
    assert subprocess.run(command, shell=True, cwd=bank, check=False, timeout=120).returncode == code


@pytest.mark.slow
def test_a_formatter_may_add_empty_lines(bank: Path) -> None:
    text = text_of(bank / "README.md").replace(" -->\n```", " -->\n\n```").replace("```\n<!--", "```\n\n<!--")
    write(bank / "README.md", text)
    assert run("draw", "--check", "README.md", folder=bank).code == 0


@pytest.mark.slow
def test_marks_in_a_code_block_are_no_picture(bank: Path) -> None:
    shown = f"````markdown\n```text\n<!-- dddkit draw {PLACE} -->\n```\n<!-- end -->\n````\n"
    write(bank / "how.md", f"{shown}<!-- dddkit draw {PLACE} -->\n<!-- end -->\n")
    assert run("draw", "--output", "how.md", folder=bank).code == 0
    assert text_of(bank / "how.md").startswith(f"{shown}<!-- dddkit draw {PLACE} -->\n```mermaid\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["new.md", "new.mmd"])
def test_a_new_file_has_one_picture_and_says_what_it_shows(name: str, bank: Path) -> None:
    assert run("draw", PLACE, "--output", name, folder=bank).code == 0
    in_markdown = f"<!-- dddkit draw {PLACE} -->\n```mermaid\n{FLOWCHART}```\n<!-- end -->\n"
    assert text_of(bank / name) == (in_markdown if name == "new.md" else f"%% dddkit draw {PLACE}\n{FLOWCHART}")
    assert run("draw", "--check", name, folder=bank) == Run(0, "", "")
    write(bank / name, text_of(bank / name).replace("sync", "async"))
    assert run("draw", "--check", name, "--check", "README.md", folder=bank).code == 1
    assert run("draw", "--output", name, folder=bank).code == 0
    assert run("draw", "--check", name, folder=bank).code == 0


# --- other projects -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_a_subfolder_all_of_the_project_is_seen(bank: Path) -> None:
    below = bank / "src" / "bank"
    assert run("draw", "--check", "../../README.md", folder=below) == Run(0, "", "")


@pytest.mark.slow
def test_a_warm_check_of_the_rules_follows_from_the_same_cache(bank: Path) -> None:
    assert run("check", folder=bank) == run("check", "--no-cache", folder=bank)
    assert run("draw", "--check", "README.md", folder=bank).code == 0


@pytest.mark.slow
def test_a_module_that_the_configuration_of_mypy_leaves_out_can_be_drawn(bank: Path) -> None:
    write(bank / "mypy.ini", "[mypy]\nfiles = src/bank/values.py\nmypy_path = src\nexplicit_package_bases = True\n")
    assert run("draw", PLACE, folder=bank) == Run(0, FLOWCHART, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "links",
    [{"here": "."}, {"up": "../.."}, {"there": "../../.other", "../../.other/back": "../src/bank"}],
    ids=["to itself", "upwards", "by another link"],
)
def test_links_that_lead_back_are_not_followed(links: dict[str, str], bank: Path) -> None:
    (bank / ".other").mkdir()
    before = run("draw", "bank.aggregates:Savings", folder=bank)
    for link, target in links.items():
        (bank / "src" / "bank" / link).symlink_to(target)
    assert run("draw", "bank.aggregates:Savings", folder=bank) == before


@pytest.mark.slow
def test_a_test_can_be_drawn_and_then_sees_other_tests(bank: Path) -> None:
    write(bank / "tests" / "conftest.py", text_of(bank / "src" / "bank" / "aggregates.py"))
    assert "SavingsRows" in run("draw", "tests.conftest:Savings", folder=bank).out


@pytest.mark.slow
def test_methods_without_annotations_are_read_however_lenient_the_project_is(bank: Path) -> None:
    write(bank / "mypy.ini", "[mypy]\nmypy_path = src\nexplicit_package_bases = True\n")
    source = bank / "src" / "bank" / "aggregates.py"
    before = run("draw", "bank.aggregates:Loan", folder=bank)
    write(source, text_of(source).replace("def extend(self) -> None:", "def extend(self):"))
    assert run("draw", "bank.aggregates:Loan", folder=bank) == before


@pytest.mark.slow
def test_errors_of_types_do_not_matter(bank: Path) -> None:
    source = bank / "src" / "bank" / "stories.py"
    write(source, text_of(source) + 'wrong: int = ""\n')
    assert run("draw", PLACE, folder=bank) == Run(0, FLOWCHART, "")


PYDANTIC = """\
from typing import Generic, TypeVar

from dddkit.pydantic import Aggregate, AggregateEvent, EventBroker, SyncInMemoryRepository
from dddkit.sqlalchemy import Consumer, Documents, SyncUnitOfWork, UnitOfWork
from sqlalchemy import MetaData

T = TypeVar("T")
broker = EventBroker()


class Parcel(Aggregate, Generic[T]):
    id: int
    content: T

    class Sent(AggregateEvent): ...

    def send(self) -> None:
        self.add_event(self.Sent())


class Letter(Parcel[str]): ...


class Post(UnitOfWork):
    letters = Documents[Letter, int](MetaData())


class SlowPost(SyncUnitOfWork):
    letters = Documents[Letter, int](MetaData())


@Post.on(Parcel.Sent)
async def stamp(event: Parcel.Sent, unit: Post) -> None: ...


@SlowPost.on(Parcel.Sent)
def stamp_slowly(event: Parcel.Sent, unit: SlowPost) -> None: ...


def deliver(consumer: Consumer[Post]) -> None:
    @consumer.on(Parcel.Sent)
    async def hand_over(event: Parcel.Sent, unit: Post) -> None: ...

    @consumer.on(AggregateEvent)
    async def not_a_letter(event: AggregateEvent, unit: Post) -> None: ...
"""


@pytest.mark.slow
def test_aggregates_of_pydantic_units_of_work_and_consumers_are_drawn(tmp_path: Path) -> None:
    write(tmp_path / "post.py", PYDANTIC)
    drawn = run("draw", "post:Letter", folder=tmp_path)
    for line in (
        'aggregate_Letter[["Letter<br/>identity: int"]]',
        'holds_Post_letters[("Post.letters<br/>Documents<br/>post")]',
        'holds_SlowPost_letters[("SlowPost.letters<br/>Documents<br/>post")]',
        'aggregate_Letter -->|"send"| event_Letter_Sent',
        'handler_stamp["stamp<br/>Post.on<br/>post"]',
        'handler_stamp_slowly["stamp_slowly<br/>SlowPost.on<br/>post"]',
        'handler_hand_over["hand_over<br/>consumer.on<br/>post"]',
        "event_Letter_Sent --> handler_stamp",
    ):
        assert f"    {line}\n" in drawn.out
    assert "not_a_letter" not in drawn.out


# --- what it cannot do ----------------------------------------------------------------------------------------------


def refused(*arguments: str, folder: Path) -> str:
    ran = run("draw", *arguments, folder=folder)
    assert (ran.code, ran.out) == (2, "")
    return ran.err.removeprefix("dddkit: ").removesuffix("\n")


CLASSES = "Base, Child, Ask, Given, Decorated, Open, Closed, Counted, Größe, There, Back"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("bank.storys:Base", "there is no module bank.storys in {root}; did you mean bank.stories?"),
        ("src/bank/stories.py:Base", "src/bank/stories.py is a path; write bank.stories"),
        ("bank.stories:Bass", "bank.stories has no Bass; did you mean Base?"),
        ("bank.stories:Unlike", f"bank.stories has no Unlike; draw {CLASSES}"),
        ("bank.stories:Ask.Unlike", f"bank.stories has no Ask.Unlike; draw {CLASSES}"),
        ("bank:Base", "bank has no Base; did you mean bank.stories:Base?"),
        ("bank.stories:Box", f"bank.stories:Box is neither a story nor an aggregate; draw {CLASSES}"),
        ("bank.stories:number", f"bank.stories:number is neither a story nor an aggregate; draw {CLASSES}"),
        (
            "bank.stories:Empty",
            "bank.stories:Empty lists no steps, so there is nothing to draw; name a story that does",
        ),
        ("bank.values", "bank.values has no story and no aggregate; name another module"),
        ("bank.values:number", "bank.values:number is neither a story nor an aggregate"),
    ],
)
def test_what_cannot_be_drawn_is_named(place: str, told: str, bank: Path) -> None:
    assert refused(place, folder=bank) == told.format(root=bank)


@pytest.mark.slow
def test_of_many_classes_twenty_are_named(tmp_path: Path) -> None:
    aggregates = "".join(f"class A{number}(Aggregate): ...\n" for number in range(23))
    write(tmp_path / "many.py", f"from dddkit.pydantic import Aggregate\n{aggregates}")
    told = refused("many:Unlike", folder=tmp_path)
    assert told.startswith("many has no Unlike; draw A0, A1, ")
    assert told.endswith(", A19, or one of 3 others")


@pytest.mark.slow
def test_a_cache_that_cannot_be_used_is_named(bank: Path) -> None:
    databases = [*(bank / ".dddkit_cache").rglob("*.db")]
    if not databases:
        pytest.skip("the cache of this mypy is no database")
    for database in databases:
        database.write_bytes(b"no database" * 100)
    told = refused(PLACE, folder=bank)
    assert told.startswith("the cache in .dddkit_cache cannot be used: ")
    assert told.endswith("; remove it, name another folder with --cache-dir, or use --no-cache")


@pytest.mark.slow
def test_a_syntax_error_is_shown_where_it_is(bank: Path) -> None:
    write(bank / "src" / "bank" / "values.py", "def (\n")
    assert "src/bank/values.py:1: " in refused(PLACE, folder=bank)


def named(value: tuple[str, ...] | str) -> str:
    return "" if isinstance(value, str) else " ".join(value) or "nothing"


PLACED = "<!-- dddkit draw shop.checkout:Checkout --> and <!-- end --> in two lines where it belongs"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say what to draw, such as shop.checkout:Checkout"),
        (("a:b:c",), "a:b:c is no class; write it as in shop.checkout:Checkout"),
        (("bank:",), "bank: is no class; write it as in shop.checkout:Checkout"),
        (("--check", "away.md"), "away.md cannot be read: No such file or directory"),
        (("--output", "away.md"), "away.md cannot be read: No such file or directory"),
        (("--check", "empty.md"), f"empty.md has no picture; write {PLACED}"),
        (("--output", "empty.md"), f"empty.md has no picture; write {PLACED}"),
        (
            ("--check", "empty.mmd"),
            "empty.mmd has no picture; write it by dddkit draw shop.checkout:Checkout --output empty.mmd",
        ),
        (
            ("bank.stories:Base", "--output", "mine.mmd"),
            "mine.mmd is no picture of dddkit's; remove it, or name another file",
        ),
        (("--check", "open.md"), "open.md:2: the picture has no end; write <!-- end --> under it"),
        (("--check", "binary.md"), "binary.md is no text in UTF-8"),
        (
            ("bank.stories:Base", "--check", "empty.md"),
            "--check takes no MODULE and no --output: the file says what its pictures show",
        ),
    ],
    ids=named,
)
def test_what_a_file_or_the_command_lacks_is_named(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    for name, text in (
        ("empty.md", "# Title\n"),
        ("empty.mmd", ""),
        ("mine.mmd", "flowchart TB\n"),
        ("open.md", "\n<!-- dddkit draw a:A -->\n<!-- dddkit draw b:B -->\n<!-- end -->\n"),
    ):
        write(tmp_path / name, text)
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe")
    assert refused(*arguments, folder=tmp_path) == told


def test_a_file_without_a_place_for_the_picture_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "other.md", "# Title\n")
    told = refused("shop.checkout:Checkout", "--output", "other.md", folder=tmp_path)
    assert told == f"other.md has no place for shop.checkout:Checkout; write {PLACED}"
    assert text_of(tmp_path / "other.md") == "# Title\n"


@pytest.mark.slow
def test_a_picture_too_large_for_mermaid_is_told(tmp_path: Path) -> None:
    names = [f"step_{number}" for number in range(502)]
    listed = "".join(f"    I.{name}\n" for name in names)
    methods = "".join(f"    def {name}(self, state: object) -> None: ...\n" for name in names)
    write(tmp_path / "long.py", f"from dddkit.stories import I, Story\n\nclass Long(Story):\n{listed}{methods}")
    told = "dddkit: the picture of long:Long is too large for Mermaid; draw its modules or classes, each in a picture\n"
    assert run("draw", "long:Long", folder=tmp_path).err == told
