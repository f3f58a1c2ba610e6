"""Runs a PostgreSQL until nobody uses it any more: `python -m tests.servers.guard <folder>`.

A program that uses the server holds a shared lock on the file `users` in the folder. The system takes the lock from it
however it ends, so the server is stopped then, even if all of its users are killed.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["missing", "program"]

OPTIONS: Final = {
    "listen_addresses": "",  # the socket in the folder is enough
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "deadlock_timeout": "200ms",
}


def program(name: str) -> str | None:
    """Return the path of a program of PostgreSQL, which Debian keeps beside PATH."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(known[-1]) if known else shutil.which(name)


def missing() -> str | None:
    """Return why there can be no server here."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL is not installed here (Debian: apt-get install -y postgresql)"
    return None


def _unprivileged() -> dict[str, Any]:
    """Return how to start the server, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = [entry.pw_name for entry in pwd.getpwall()]
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def main(folder: Path) -> None:
    """Start the server, print "ready" when it answers, stop it when its users have gone; remove the folder."""
    signal.signal(signal.SIGTERM, _end)
    user, home = _unprivileged(), folder / "server"
    home.mkdir(mode=0o700)
    if user:
        os.chown(home, user["user"], user["group"])
        folder.chmod(0o711)
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    with (folder / "users").open() as users, (folder / "log").open("w+") as log:
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": home, **user}
        data = ["-D", str(home / "data")]
        try:
            initdb = [str(program("initdb")), *data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            subprocess.run([*initdb, "--no-locale", "--no-sync", "--no-instructions"], check=True, **quiet)
            with subprocess.Popen([str(program("postgres")), *data, "-k", str(home), *options], **quiet) as server:
                try:
                    while not _answers(home):
                        if server.poll() is not None:
                            raise RuntimeError("the server has ended")
                        time.sleep(0.02)
                    print("ready", flush=True)
                    fcntl.flock(users, fcntl.LOCK_EX)
                    (folder / "users").unlink()
                finally:
                    _stop(server)
        except Exception as error:
            log.seek(0)
            print(f"{error}; {log.read()[-2000:]}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _end(*_: object) -> None:
    sys.exit(1)


def _answers(home: Path) -> bool:
    status = home / "data" / "postmaster.pid"
    return status.exists() and status.read_text().splitlines()[7:8] == ["ready   "]


def _stop(server: subprocess.Popen[Any]) -> None:
    server.send_signal(signal.SIGINT)  # "fast": whoever is still connected is disconnected
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
