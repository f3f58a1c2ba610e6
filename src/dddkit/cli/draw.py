"""`dddkit draw`: pictures of stories and aggregates, in Mermaid."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer

from dddkit.cli._failure import CLEAN, FOUND_SOMETHING, CommandError
from dddkit.cli._mypy import CACHE, Plan, open_project, require_mypy, sources_for
from dddkit.cli._options import CacheFolder, NoCache, Python
from dddkit.cli._pictures import DocumentWithPictures, is_one_picture, is_same, new_document
from dddkit.cli._terminal import progress, say

HELP: Final = """\
Draw a story or an aggregate, in the language of Mermaid, which GitHub and many editors show as a picture.

Of a story: its steps, which of them are async, the stories among them, what undoes each, and what each reads and sets \
of the State. Of an aggregate: its events, the methods that record them, who handles them, and which repositories hold \
it. It runs mypy in this process, and imports nothing of your code.

Exit codes: 0 drawn, or all pictures are as they would be drawn; 1 some are not; 2 it could not run.

\b
dddkit draw shop.checkout:Checkout
dddkit draw shop.checkout:Checkout --output docs/checkout.md
dddkit draw --output README.md
dddkit draw --check README.md --check docs/checkout.md
"""

_PLACE: Final = "A class, such as shop.checkout:Checkout; a module or a package, for all stories and aggregates in it."
_OUTPUT: Final = (
    "Write to this file. In Markdown, a picture stands between <!-- dddkit draw MODULE:NAME --> and <!-- end -->, and "
    "without MODULE:NAME all of them are drawn again; a file that ends in .mmd is one picture."
)
_CHECK: Final = "Check that the pictures in this file are as they would be drawn. May be repeated."


def draw(
    place: Annotated[str | None, typer.Argument(metavar="MODULE[:NAME]", help=_PLACE)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help=_OUTPUT)] = None,
    check: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=_CHECK)] = None,
    python: Python = None,
    cache_dir: CacheFolder = CACHE,
    no_cache: NoCache = False,
) -> None:
    """Draw; see HELP."""
    plan = Plan(python=python, cache=None if no_cache else cache_dir, is_of_project=True)
    if check:
        if place is not None or output is not None:
            raise CommandError("--check takes no MODULE and no --output: the file says what its pictures show")
        raise typer.Exit(_check(check, plan))
    if output is not None:
        _write(output, place, plan)
    elif place is not None:
        typer.echo(_pictures([place], plan)[place], nl=False)
    else:
        raise CommandError("say what to draw, such as shop.checkout:Checkout")


def _check(files: Sequence[Path], plan: Plan) -> int:
    documents = [(file, DocumentWithPictures(file)) for file in files]
    for _, document in documents:
        document.require_pictures()
    places = [picture.place for _, document in documents for picture in document.pictures]
    texts = _pictures(places, plan)
    code = CLEAN
    for file, document in documents:
        for picture in document.pictures:
            if not is_same(picture, texts[picture.place]):
                code = FOUND_SOMETHING
                way_out = f"run dddkit draw --output {shlex.quote(str(file))}"
                typer.echo(f"{file}:{picture.line}: {picture.place} has changed; {way_out}")
    return code


def _write(file: Path, place: str | None, plan: Plan) -> None:
    document = _existing(file, place)
    pictures = () if document is None else document.pictures
    drawn = _pictures([picture.place for picture in pictures] if place is None else [place], plan)
    try:
        with _alone_in(file.resolve().parent):
            document = _existing(file, place)  # again: another run or an editor may have written it meanwhile
            if place is not None and (document is None or is_one_picture(file)):
                text = new_document(file, place, drawn[place])
            else:
                assert document is not None
                text = document.with_pictures(drawn)
            _replace(file, text)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    say(f"{file} is drawn; commit it")


def _existing(file: Path, place: str | None) -> DocumentWithPictures | None:
    """Return the file that pictures are to be drawn in; None where it is to be made."""
    if place is not None and not file.exists():
        return None
    document = DocumentWithPictures(file)
    if place is None:
        document.require_pictures()
    else:
        document.require(place)
    return document


@contextmanager
def _alone_in(folder: Path) -> Generator[None, None, None]:
    """Hold off other runs that write into a folder, where the system can lock a folder: that leaves no file behind."""
    try:
        import fcntl
    except ImportError:  # on Windows, and in a browser
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems of networks have none
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _replace(file: Path, text: str) -> None:
    """Write a file, so that it is the old one or the new one whole, whatever happens meanwhile."""
    target = file.resolve()  # a link stays one
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    made = target.with_name(f"{target.name}.{uuid4().hex}.tmp")
    try:
        with made.open("x", encoding="utf-8", newline="") as opened:
            opened.write(text)
        if target.exists():
            shutil.copymode(target, made)
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)


def _pictures(places: Sequence[str], plan: Plan) -> dict[str, str]:
    """Return the text of each picture, by what it shows."""
    require_mypy()
    from dddkit.cli._drawing import Pictures, analysed, is_too_large, module_of

    modules = dict.fromkeys(module_of(place) for place in places)
    with open_project(plan) as project:
        for warning in project.warnings:
            say(warning)
        with progress("Drawing") as on_file:
            pictures = Pictures(analysed(sources_for(modules, project), on_file))
        texts = {place: pictures.of(place) for place in places}
    for place, text in texts.items():
        if is_too_large(text):
            say(f"the picture of {place} is too large for Mermaid; draw its modules or classes, each in a picture")
    return texts
