"""Run the cluster of one broker that librdkafka has for tests, and write its port into a file: `kafka.py <file>`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from confluent_kafka import Producer


def main(note: Path) -> None:
    """Return when SIGTERM comes."""
    # The cluster belongs to this client, which sends nothing.
    client = Producer({"bootstrap.servers": "in-memory", "test.mock.num.brokers": 1, "log_level": 0})
    [broker] = client.list_topics(timeout=30).brokers.values()
    unfinished = note.with_suffix(".unfinished")
    unfinished.write_text(str(broker.port))
    unfinished.rename(note)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(Path(sys.argv[1]))
