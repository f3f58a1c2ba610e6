"""Every code block of docs/observability.md works as the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


class Block(NamedTuple):
    language: str
    text: str
    following: str  # the output that the page shows, if any

    @property
    def file(self) -> str | None:
        first = self.text.partition("\n")[0]
        return first.removeprefix("# ") if first.startswith("# ") else None


def blocks() -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    following = [*found[1:], ("", "")]
    return [
        Block(language, text, shown if after == "text" else "")
        for (language, text), (after, shown) in zip(found, following, strict=True)
    ]


BLOCKS = blocks()
FILES = {block.file: block.text for block in BLOCKS if block.file}
PROGRAMS = [block for block in BLOCKS if block.language == "python" and not block.file]
COMMANDS = [
    command
    for block in BLOCKS
    if block.language == "console"
    for command in re.findall(r"^\$ (.+)$", block.text, re.MULTILINE)
]


def run(folder: Path, *command: str, **environment: str) -> str:
    """Run Python in the folder; return its output."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def write(folder: Path, name: str, port: tuple[str, int] | None = None) -> None:
    text = FILES[name]
    if port is not None:
        assert text.count(port[0]) == 1
        text = text.replace(port[0], str(port[1]))
    (folder / name).write_text(text, encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> str:
    """Return the response; retry while the server is starting."""
    until = time.monotonic() + 30
    while True:
        try:
            with urlopen(url, timeout=10) as response:
                return str(response.read().decode())
        except HTTPError as error:
            with error:
                return str(error.code)
        except (URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


@contextmanager
def serving(folder: Path, name: str) -> Generator[None]:
    with subprocess.Popen(
        [sys.executable, name], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield
        finally:
            server.terminate()


def promtool(*command: str) -> None:
    """Validate with Prometheus' own tool, if it is installed."""
    if tool := shutil.which("promtool"):
        checked = subprocess.run([tool, *command], capture_output=True, encoding="utf-8", check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def counts(metrics: str) -> list[str]:
    return [line for line in metrics.splitlines() if "_count{" in line and not line.endswith(" 0.0")]


def test_the_first_service_and_its_commands_show_the_metrics_of_the_page(tmp_path: Path) -> None:
    port = free_port()
    write(tmp_path, "app.py", ("8000", port))
    assert "python app.py" in COMMANDS
    asked = [command.removeprefix("curl ") for command in COMMANDS if command.startswith("curl ")]
    with serving(tmp_path, "app.py"):
        told = [get(url.replace("localhost:8000", f"127.0.0.1:{port}")) for url in asked]
    assert told[:-1] == ["one teapot", "402"]
    [shown] = [block.text for block in BLOCKS if block.language == "text" and "service=" in block.text]
    assert sorted(counts(told[-1])) == sorted(shown.splitlines())


def test_prometheus_is_sent_to_the_port_of_the_first_service(tmp_path: Path) -> None:
    assert 'targets: ["localhost:8000"]' in FILES["prometheus.yml"]
    assert 'make_server("", 8000, app)' in FILES["app.py"]
    assert "prometheus --config.file=prometheus.yml" in COMMANDS
    write(tmp_path, "prometheus.yml")
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_the_fastapi_service_serves_its_story_and_its_metrics(tmp_path: Path) -> None:
    write(tmp_path, "service.py")
    asking = """
import asyncio

import service


async def ask(method, path):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await service.app(scope, receive, send)
    print(sent[0]["status"], dict(sent[0]["headers"])[b"content-type"].decode())
    print(b"".join(message.get("body", b"") for message in sent).decode())


asyncio.run(ask("POST", "/checkout/teapot"))
asyncio.run(ask("GET", "/metrics"))
"""
    told = run(tmp_path, "-c", asking)
    assert told.startswith('200 application/json\n"one teapot"\n200 text/plain; version=')
    story, step = counts(told)
    assert story.endswith('{service="shop",status="completed",story_name="Checkout"} 1.0')
    assert step.endswith('{service="shop",status="completed",step_name="reserve",story_name="Checkout"} 1.0')


def test_the_page_of_several_processes_sums_them_up(tmp_path: Path) -> None:
    write(tmp_path, "pages.py")
    write(tmp_path, "app.py")
    folder = tmp_path / "metrics"
    folder.mkdir()
    worker = "import app; app.Checkout()(app.Checkout.State(item='teapot'))"
    asking = """
from wsgiref.util import setup_testing_defaults

import pages

told, environ = [], {}
setup_testing_defaults(environ)
page = pages.metrics(environ, lambda status, headers: told.append(status))
print(*told)
print(b"".join(page).decode())
"""
    for _ in range(2):
        run(tmp_path, "-c", worker, PROMETHEUS_MULTIPROC_DIR=str(folder))
    told = run(tmp_path, "-c", asking, PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert told.startswith("200 OK\n")
    assert 'executions_latency_ms_count{service="shop",status="completed",story_name="Checkout"} 2.0' in told


def test_the_worker_without_a_framework_serves_its_metrics_beside_its_work(tmp_path: Path) -> None:
    port = free_port()
    write(tmp_path, "worker.py", ("8001", port))
    wanted = 'executions_latency_ms_count{service="letters",status="completed",story_name="SendLetters"}'
    with serving(tmp_path, "worker.py"):
        until = time.monotonic() + 30
        while wanted not in (told := get(f"http://127.0.0.1:{port}/metrics")):
            assert time.monotonic() < until, told
            time.sleep(0.05)


def test_the_traced_program_sends_its_spans_to_the_collector(tmp_path: Path) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_request(self, code: object = "-", size: object = "-") -> None: ...

    write(tmp_path, "traced.py")
    command = next(command for command in COMMANDS if command.endswith("python traced.py"))
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            name, _, url = command.partition(" ")[0].partition("=")
            told = run(
                tmp_path, "traced.py", **{name: url.replace("localhost:4318", f"127.0.0.1:{server.server_port}")}
            )
        finally:
            server.shutdown()
            thread.join()
    assert told == "the bank is superstitious\n"
    spans = [
        span
        for body in received
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert [(span.name, span.status.code) for span in spans] == [
        ("Pay.authorize", 0),
        ("Pay.capture", 0),
        ("Pay", 0),
        ("Pay.authorize", 0),
        ("Pay.capture", 2),
        ("Pay", 2),
    ]
    orders = [
        attribute.value.int_value for span in spans for attribute in span.attributes if attribute.key == "shop.order.id"
    ]
    assert orders == [12, 13]


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.text.partition("\n")[0])
def test_the_other_programs_print_what_the_page_shows(block: Block, tmp_path: Path) -> None:
    assert run(tmp_path, "-W", "error", "-c", block.text) == block.following


def test_the_questions_ask_for_metrics_and_labels_that_are_there(tmp_path: Path) -> None:
    from prometheus_client import CollectorRegistry

    from dddkit.stories.metrics import Settings
    from dddkit.stories.prometheus import PrometheusMetricsHook

    PrometheusMetricsHook(registry=CollectorRegistry())
    settings = Settings("shop", "dddkit_stories", None, None)
    labels = {metric.name: {*metric.labels, "le"} for metric in (settings.story, settings.step, settings.compensation)}
    questions = [block.text for block in BLOCKS if block.language == "promql"]
    assert questions
    for question in questions:
        metrics = set(re.findall(r"(dddkit_\w+)_(?:count|sum|bucket)", question))
        named = {
            label
            for listed in re.findall(r"by \(([\w, ]+)\)", question) + re.findall(r"\{(\w+)=", question)
            for label in listed.split(", ")
        }
        assert metrics <= set(labels)
        assert all(named <= labels[metric] for metric in metrics)
    rules = [{"record": f"answer:{index}", "expr": question} for index, question in enumerate(questions)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "questions", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", str(path))


def test_the_figures_about_cardinality_are_right(tmp_path: Path) -> None:
    write(tmp_path, "app.py")
    counting = """
import app
from prometheus_client import generate_latest

for item in ("teapot", "yacht"):
    try:
        app.Checkout()(app.Checkout.State(item=item))
    except app.Declined:
        pass
print(*[line for line in generate_latest().decode().splitlines() if line.startswith("dddkit")], sep="\\n")
"""
    undoing = """
from dddkit.stories import compensates

class Undone(app.Checkout):
    @compensates("reserve")
    def release(self, state): ...

app.Checkout = Undone
"""
    undone = counting.replace("\nfor item", f"{undoing}\nfor item")
    # Three statuses for the story and for each of its two steps; two more for a step that can be undone.
    assert len(run(tmp_path, "-c", counting).splitlines()) == 9 * 14
    assert len(run(tmp_path, "-c", undone, PROMETHEUS_DISABLE_CREATED_SERIES="True").splitlines()) == 9 * 13 + 26
    assert "Each step that\ncan be undone adds 26, and each that has refused 13" in PAGE
    combinations = 3 * (1 + 6)
    assert f"{combinations * 13} series" in PAGE
    assert f"{50 * combinations * 13:,} per process" in PAGE


def test_all_loggers_of_the_kit_are_listed() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r'getLogger\("(dddkit[\w.]+)"\)', sources))
    used |= set(re.findall(r'^_?LOGGER: Final = "(dddkit[\w.]+)"$', sources, re.MULTILINE))
    chapter = PAGE[PAGE.index("\n## Logs\n") : PAGE.index("\n## What it costs\n")]
    assert set(re.findall(r"^\| `(dddkit\.[\w.]+)` \|", chapter, re.MULTILINE)) == used


def test_every_command_of_the_page_is_known() -> None:
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tools = metadata[metadata.index("[dependency-groups]") :]
    for command in COMMANDS:
        if command.startswith("pip install "):
            for wanted in command.removeprefix("pip install ").replace("'", "").split():
                name, _, extra = wanted.partition("[")
                if name == "dddkit":
                    assert re.search(rf"^{extra.rstrip(']')} = \[", metadata, re.MULTILINE), command
                else:
                    assert f'"{wanted}"' in tools, command
        else:
            assert re.match(r"(?:curl|prometheus|(?:\w+=\S+ )?python) ", command), command


def test_no_block_is_left_out_of_these_tests() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert {block.language for block in BLOCKS} == {"python", "console", "text", "yaml", "promql"}
    assert set(FILES) == {"app.py", "service.py", "pages.py", "worker.py", "traced.py", "prometheus.yml"}
    assert len(PROGRAMS) == 4
