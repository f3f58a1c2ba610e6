"""`dddkit check --baseline`: a project with old mistakes, in which a new one is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from tests.cli.running import Run, run

AGAIN: Final = "write it again with --write-baseline"


def check(folder: Path, *arguments: str, baseline: str = "known.json") -> Run:
    return run("check", "--baseline", baseline, *arguments, folder=folder)


@pytest.fixture
def known(project: Path) -> Path:
    """A project whose mistakes are in its baseline."""
    assert check(project, "--write-baseline") == Run(0, "", "dddkit: known.json holds 2 of what was found; commit it\n")
    return project


def test_what_the_baseline_holds_is_not_reported(known: Path) -> None:
    assert check(known) == Run(0, "Nothing found in 3 files, beside 2 in the baseline\n", "")


def test_what_has_moved_to_another_line_is_not_new(known: Path) -> None:
    path = known / "src" / "shop" / "checkout.py"
    path.write_text(f"# a new line\n{path.read_text()}")
    assert check(known).code == 0


def test_the_same_mistake_once_more_is_new(known: Path) -> None:
    with (known / "src" / "shop" / "checkout.py").open("a") as file:
        file.write("\n\nclass Later(Checkout):\n    I.chrge\n    I.chrge\n")
    ran = check(known)
    assert ran.code == 1
    assert ran.out.endswith(" (checked 3 files), beside 2 in the baseline\n")


def test_the_folder_that_it_is_called_in_does_not_matter(known: Path) -> None:
    assert check(known / "src", baseline="../known.json").code == 0


def test_what_is_not_found_any_more_is_said(known: Path) -> None:
    path = known / "src" / "shop" / "checkout.py"
    path.write_text(path.read_text().replace("I.chrge", "I.charge"))
    ran = check(known)
    assert ran.code == 0
    assert ran.err == "dddkit: 1 of what known.json holds is not found any more; write it again with --write-baseline\n"


def test_nothing_is_said_of_files_that_were_not_checked(known: Path) -> None:
    assert check(known, "scripts/night/main.py").err == ""


@pytest.mark.parametrize("named", ["modules = shop.checkout", "files = scripts"], ids=["by modules", "by imports"])
def test_what_a_configuration_names_in_another_way_is_checked_too(named: str, project: Path) -> None:
    (project / "mypy.ini").write_text(f"[mypy]\nmypy_path = src\nexplicit_package_bases = True\n{named}\n")
    check(project, "--write-baseline")
    path = project / "src" / "shop" / "checkout.py"
    path.write_text(path.read_text().replace("I.chrge", "I.charge"))
    assert check(project).err == f"dddkit: 1 of what known.json holds is not found any more; {AGAIN}\n"
    check(project, "--write-baseline")
    assert "chrge" not in (project / "known.json").read_text()


def test_writing_keeps_what_is_known_of_files_that_were_not_checked(known: Path) -> None:
    written = (known / "known.json").read_text()
    ran = check(known, "--write-baseline", "src")
    assert ran.err == "dddkit: known.json holds 1 of what was found, and 1 of files that were not checked; commit it\n"
    assert (known / "known.json").read_text() == written
    (known / "scripts/day/main.py").unlink()
    assert check(known, "--write-baseline", "src").err == "dddkit: known.json holds 1 of what was found; commit it\n"


def test_a_file_that_is_no_baseline_is_not_overwritten(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("precious = true\n")
    (tmp_path / "shop.py").touch()
    said = "settings.toml is there already, and is no baseline of dddkit check; name another file"
    assert check(tmp_path, "--write-baseline", baseline="settings.toml") == Run(2, "", f"dddkit: {said}\n")
    assert settings.read_text() == "precious = true\n"


def test_a_baseline_with_two_sides_of_a_merge_is_written_again(known: Path) -> None:
    path = known / "known.json"
    written = path.read_text()
    path.write_text(f"<<<<<<< ours\n{written}=======\n{written}>>>>>>> theirs\n")
    assert check(known).code == 2
    assert check(known, "--write-baseline").code == 0
    assert path.read_text() == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the baseline known.json does not exist; write it with --write-baseline"),
        ("{", f"the baseline known.json is no JSON; {AGAIN}"),
        ("[]", "known.json is no baseline of dddkit check; did you mean another file?"),
        ('{"rules": []}', "known.json is no baseline of dddkit check; did you mean another file?"),
        (
            '{"dddkit_baseline": 2, "diagnostics": []}',
            f"the baseline known.json is of version 2, and this dddkit reads version 1; {AGAIN}",
        ),
        (
            '{"dddkit_baseline": 1, "diagnostics": [{"file": "a.py"}]}',
            f"the baseline known.json has an entry that dddkit did not write; {AGAIN}",
        ),
    ],
    ids=["missing", "no JSON", "a list", "another file", "another version", "another entry"],
)
def test_a_baseline_that_cannot_be_used_is_named(text: str | None, said: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").touch()
    if text is not None:
        (tmp_path / "known.json").write_text(text)
    assert check(tmp_path) == Run(2, "", f"dddkit: {said}\n")


def test_writing_needs_a_file(tmp_path: Path) -> None:
    ran = run("check", "--write-baseline", folder=tmp_path)
    assert ran == Run(2, "", "dddkit: --write-baseline needs the file to write: --baseline FILE\n")


def test_a_baseline_is_the_same_whoever_writes_it(known: Path) -> None:
    written = (known / "known.json").read_text()
    assert str(known) not in written
    assert json.loads(written)["diagnostics"][0]["file"] == "scripts/day/main.py"
    check(known, "--write-baseline")
    assert (known / "known.json").read_text() == written
