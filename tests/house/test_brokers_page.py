"""The chapters about brokers work with real servers: their files, their commands, and what these print."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, Reader, blocks, chapters, links

PAGE = "docs/brokers.md"
CHAPTERS = chapters(PAGE)
SERVICES = "The two services"
GOES_ON = {"NATS JetStream": "One service that goes both ways"}  # with the files and the messages of the other
# Order 18 may come last, and then it has not failed often enough when the consumer is ended.
CONSUMERS = {f"python {broker}_dead.py": f"{broker}_refunds.py" for broker in ("kafka", "redis")}

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "variable", "url"),
    [
        ("NATS JetStream", "NATS_URL", "nats_url"),
        ("RabbitMQ", "RABBITMQ_URL", "rabbitmq_url"),
        ("Kafka", "KAFKA_SERVERS", "kafka_servers"),
        ("Redis", "REDIS_URL", "redis_url"),
    ],
)
def test_the_services_reach_each_other(
    title: str, variable: str, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {"PYTHONWARNINGS": "error", "PORT": str(_free_port()), variable: request.getfixturevalue(url)}
    reader = Reader(tmp_path, environment)
    for block in [*CHAPTERS[SERVICES], *CHAPTERS[title], *CHAPTERS.get(GOES_ON.get(title, ""), [])]:
        if block.language == "python":
            reader.take(block)
            continue
        for command, expected in block.commands:
            entered = f"timeout 60 {command}"
            if consumer := CONSUMERS.get(command):
                entered = f"timeout 90 python {consumer} >>log 2>&1 & {entered}; status=$?; kill $!; exit $status"
            printed, status = reader.enter(entered)
            assert (command, printed, status) == (command, expected, 0), _log(tmp_path)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _log(folder: Path) -> str:
    log = folder / "log"
    return log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_files(checker: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.take_files(PAGE)
    printed, status = reader.check(checker)
    assert status == 0, printed


def test_every_file_has_a_name_and_no_block_is_left_out() -> None:
    assert {block.language for block in blocks(PAGE)} == {"python", "console"}
    assert [block.line for block in blocks(PAGE) if block.language == "python" and block.file is None] == []
    run = {title for title, found in CHAPTERS.items() if any(block.language == "console" for block in found)}
    assert CHAPTERS.keys() - run == {SERVICES}


@pytest.mark.parametrize("page", ["README.md", "docs/publishing.md"])
def test_other_pages_say_where_it_is(page: str) -> None:
    assert PAGE.removeprefix("docs/" if page.startswith("docs/") else "") in links(page)
