"""What processes write down is there when they are killed."""

from __future__ import annotations

from pathlib import Path

from tests.kill.journals import Journal, read_journal


def test_lines_are_read_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    first, second = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
    first.write(number=1)
    second.write(number=2, text="a\nb")
    first.write(number=3)
    assert [line["number"] for line in read_journal(tmp_path / "journal")] == [1, 2, 3]


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(number=1)
    with (tmp_path / "journal").open("a") as file:
        file.write('\n{"numb')
    journal.write(number=2)
    assert list(read_journal(tmp_path / "journal")) == [{"number": 1}, {"number": 2}]
