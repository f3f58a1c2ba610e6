"""A temporary Prometheus server on a free local port."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

__all__ = ["Prometheus", "Series", "free_ports", "prometheus", "wait_until"]


@dataclass(frozen=True)
class Series:
    """One row of an answer: its labels and its points (time, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def value(self) -> float:
        """The only value, for a query for one moment."""
        ((_, value),) = self.points
        return value


class Prometheus:
    """The part of Prometheus' HTTP interface that Grafana uses."""

    def __init__(self, port: int) -> None:
        self._address: Final = f"http://127.0.0.1:{port}"
        self._open: Final = build_opener(ProxyHandler({})).open  # no proxy: the server is local
        self.asked = 0

    def get(self, path: str, **options: object) -> Any:
        self.asked += 1
        with self._open(f"{self._address}/api/v1/{path}?{urlencode(options, doseq=True)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        try:
            with self._open(f"{self._address}/-/ready", timeout=1):
                return True
        except (URLError, ConnectionError):
            return False

    def instant(self, query: str, at: float) -> list[Series]:
        return [_series(one, [one["value"]]) for one in self.get("query", query=query, time=at)["result"]]

    def span(self, query: str, start: float, end: float, step: float) -> list[Series]:
        data = self.get("query_range", query=query, start=start, end=end, step=step)
        return [_series(one, one["values"]) for one in data["result"]]

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        found: list[str] = self.get(f"label/{label}/values", **{"match[]": selector}, start=start, end=end)
        return found

    def scrapes(self) -> list[str]:
        """Return the health of each target: `up`, `down` or `unknown`."""
        return [target["health"] for target in self.get("targets", state="active")["activeTargets"]]


def _series(json_: Mapping[str, Any], points: Sequence[tuple[float, str]]) -> Series:
    return Series(json_["metric"], [(float(moment), float(value)) for moment, value in points])


def wait_until(what: str, happened: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the condition is true.

    Raises:
        TimeoutError: it was not true within these seconds; the message says what was expected.
    """
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Return so many local ports that nobody uses at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def prometheus(targets: Sequence[int], scrape: float) -> Generator[Prometheus]:
    """Start a server that scrapes these ports every `scrape` seconds; stop it at the end and remove its data."""
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("there is no program prometheus on PATH")
    (port,) = free_ports(1)
    with TemporaryDirectory(prefix="dddkit-prometheus-") as folder:
        config = {
            "global": {"scrape_interval": f"{round(scrape * 1000)}ms"},
            "scrape_configs": [
                {"job_name": "shops", "static_configs": [{"targets": [f"127.0.0.1:{target}" for target in targets]}]}
            ],
        }
        path = Path(folder, "prometheus.yml")
        path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
        with (
            Path(folder, "log").open("w+", encoding="utf-8") as log,
            subprocess.Popen(
                [
                    program,
                    f"--config.file={path}",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                server = Prometheus(port)
                wait_until("Prometheus is ready", lambda: process.poll() is not None or server.ready())
                if process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"Prometheus did not start:\n{log.read()}")
                yield server
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
