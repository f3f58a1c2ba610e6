"""The servers that tests start: how each begins, when it answers, and how it ends. All listen on this machine alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

__all__ = ["PROGRAMS", "KafkaServer", "NatsServer", "PostgresServer", "RabbitServer", "RedisServer", "Server"]


@dataclass
class Server:
    """A server with its data in a folder: can be started again, with the same data at the same address.

    Attributes:
        home: its folder; belongs to the user that it runs as.
        log: what it prints.
    """

    home: Path
    log: IO[str]
    processes: list[subprocess.Popen[Any]] = field(default_factory=list[subprocess.Popen[Any]])
    """Those that run now; the server itself is the last."""

    user = "nobody"
    """Whom it runs as, if root starts it and if there is one of this name."""
    goodbye = signal.SIGTERM

    @classmethod
    def missing(cls) -> str | None:
        """Return why there can be no such server here."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do what is needed once."""

    def begin(self) -> None:
        """Start the processes."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Return whether it does."""
        raise NotImplementedError

    def start(self, seconds: float = 60) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.processes:
                self.begin()
            if self.processes[-1].poll() is not None:  # what was killed may still hold what it needs
                self.kill()
                time.sleep(0.3)
            elif self.answers():
                return
            time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def stop(self) -> None:
        """End it as its administrator would: whoever is still connected is disconnected."""
        if self.processes:
            self.processes[-1].send_signal(self.goodbye)
            with suppress(subprocess.TimeoutExpired):
                self.processes[-1].wait(20)
            self.kill()

    def kill(self) -> None:
        """End it with -9, and what it has started."""
        for process in reversed(self.processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def run(self, *command: str, **environment: str) -> None:
        """Run a program to its end."""
        subprocess.run(command, check=True, **self._quiet(environment))

    def spawn(self, *command: str, **environment: str) -> None:
        """Start a program, which leads a group of processes."""
        self.processes.append(subprocess.Popen(command, start_new_session=True, **self._quiet(environment)))

    def _quiet(self, environment: dict[str, str]) -> dict[str, Any]:
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log, "cwd": self.home}
        return {**quiet, "env": {**os.environ, **environment, "HOME": str(self.home)}, **unprivileged(self.user)}

    def port(self, name: str) -> int:
        """Return a free port, which stays that of the server."""
        note = self.home / f"{name}.port"
        if not note.exists():
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                note.write_text(str(found.getsockname()[1]))
        return int(note.read_text())

    def says(self, port: int, asked: bytes) -> bytes:
        """Return how the server begins to answer at a port; nothing while it does not."""
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(asked)
                return connection.recv(5)
        except OSError:
            return b""


class PostgresServer(Server):
    """PostgreSQL; its address is the folder, which has its socket."""

    user = "postgres"
    goodbye = signal.SIGINT  # "fast": does not wait for those who are connected
    options: Final = {
        "listen_addresses": "",  # the socket in the folder is enough
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "200",
        "deadlock_timeout": "200ms",
    }

    @classmethod
    def missing(cls) -> str | None:
        if cls._program("initdb") is None or cls._program("postgres") is None:
            return "PostgreSQL is not installed here (Debian: apt-get install -y postgresql)"
        return None

    @staticmethod
    def _program(name: str) -> str | None:
        """Return the path of a program of PostgreSQL, which Debian keeps beside PATH."""
        known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
        return str(known[-1]) if known else shutil.which(name)

    def prepare(self) -> None:
        initdb = [str(self._program("initdb")), "-D", str(self.home / "data"), "-U", "postgres", "-A", "trust"]
        self.run(*initdb, "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")

    def begin(self) -> None:
        options = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        postgres = [str(self._program("postgres")), "-D", str(self.home / "data"), "-k", str(self.home)]
        self.spawn(*postgres, *options)

    def answers(self) -> bool:
        status = self.home / "data" / "postmaster.pid"
        lines = status.read_text().splitlines() if status.exists() else []
        return lines[:1] == [str(self.processes[-1].pid)] and lines[7:8] == ["ready   "]


class NatsServer(Server):
    """NATS with JetStream, whose messages are limited to 1 MiB."""

    user = "nats"

    @classmethod
    def missing(cls) -> str | None:
        if cls._program() is None:
            return "NATS is not installed here (Debian: apt-get install -y nats-server)"
        return None

    @staticmethod
    def _program() -> str | None:
        """Return the path of the program, which Debian has where root alone looks."""
        return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")

    def begin(self) -> None:
        self.spawn(str(self._program()), "-a", "127.0.0.1", "-p", str(self.port("nats")), "-js", "-sd", str(self.home))

    def answers(self) -> bool:
        return self.says(self.port("nats"), b"") == b"INFO "


class RabbitServer(Server):
    """RabbitMQ without plugins, with a name service of its own, and messages limited to 1 MiB."""

    user = "rabbitmq"

    @classmethod
    def missing(cls) -> str | None:
        if cls._program() is None:
            return "RabbitMQ is not installed here (Debian: apt-get install -y rabbitmq-server)"
        return None

    @staticmethod
    def _program() -> str | None:
        """Return the path of the program, in whose place Debian's PATH has one that insists on its own user."""
        debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        return str(debian) if debian.exists() else shutil.which("rabbitmq-server")

    def prepare(self) -> None:
        (self.home / "rabbitmq.conf").write_text("disk_free_limit.absolute = 1MB\nmax_message_size = 1048576\n")

    def begin(self) -> None:
        names = {"ERL_EPMD_PORT": str(self.port("epmd")), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.spawn("epmd", **names)
        self.spawn(
            str(self._program()),
            **names,
            RABBITMQ_ALLOW_INPUT="1",  # one process, no shell around it
            RABBITMQ_CONFIG_FILE=str(self.home / "rabbitmq"),
            RABBITMQ_CONF_ENV_FILE=os.devnull,
            RABBITMQ_DIST_PORT=str(self.port("dist")),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.home / "plugins"),
            RABBITMQ_LOGS="-",
            RABBITMQ_LOG_BASE=str(self.home / "log"),
            RABBITMQ_MNESIA_BASE=str(self.home / "data"),
            RABBITMQ_NODENAME="tests@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self.port("rabbitmq")),
            RABBITMQ_PID_FILE=str(self.home / "pid"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        )

    def answers(self) -> bool:
        return self.says(self.port("rabbitmq"), b"AMQP\x00\x00\x09\x01")[:3] == b"\x01\x00\x00"


class RedisServer(Server):
    """Redis, which answers when a message is on disk."""

    user = "redis"

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("redis-server") is None:
            return "Redis is not installed here (Debian: apt-get install -y redis-server)"
        return None

    def begin(self) -> None:
        durable = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        address = ("--bind", "127.0.0.1", "--port", str(self.port("redis")))
        self.spawn("redis-server", *address, *durable, "--dir", str(self.home))

    def answers(self) -> bool:
        return self.says(self.port("redis"), b"PING\r\n") == b"+PONG"


class KafkaServer(Server):
    """No Kafka, but the cluster that librdkafka has for tests: it speaks the protocol, and keeps all in memory."""

    user = "root"  # the only one who may read this interpreter, where root has installed it at home

    @classmethod
    def missing(cls) -> str | None:
        return None if find_spec("confluent_kafka") else "there is no confluent-kafka here"

    def begin(self) -> None:
        (self.home / "kafka.port").unlink(missing_ok=True)  # it is given another
        self.spawn(sys.executable, str(Path(__file__).with_name("kafka.py")), str(self.home / "kafka.port"))

    def answers(self) -> bool:
        return (self.home / "kafka.port").exists()


PROGRAMS: Final[dict[str, type[Server]]] = {
    "postgresql": PostgresServer,
    "nats": NatsServer,
    "rabbitmq": RabbitServer,
    "kafka": KafkaServer,
    "redis": RedisServer,
}


def unprivileged(name: str) -> dict[str, Any]:
    """Return how to start a program that refuses, or should not, run as root."""
    if os.geteuid() != 0:
        return {}
    names = [entry.pw_name for entry in pwd.getpwall()]
    user = pwd.getpwnam(name if name in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
