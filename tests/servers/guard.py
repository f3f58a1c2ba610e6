"""Runs a server until nobody uses it any more: `python -m tests.servers.guard <program> <folder> shared|own`.

A program that uses a shared server holds a shared lock on the file `users` in the folder. The system takes the lock
from it however it ends, so the server is stopped then, even if all of its users are killed. The one user of an own
server writes `stop`, `kill` and `start` to the guard's input, whose end is the end of the server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.servers.programs import PROGRAMS, unprivileged


def main(name: str, folder: Path, use: str) -> None:
    """Start the server, print "ready" when it answers, stop it when its users have gone; remove the folder."""
    signal.signal(signal.SIGTERM, _end)
    program, home = PROGRAMS[name], folder / "server"
    home.mkdir(mode=0o700)
    if user := unprivileged(program.user):
        os.chown(home, user["user"], user["group"])
        folder.chmod(0o711)
    with (folder / "users").open() as users, (folder / "log").open("w+") as log:
        server = program(home, log)
        try:
            try:
                server.prepare()
                server.start()
                print("ready", flush=True)
                if use == "shared":
                    fcntl.flock(users, fcntl.LOCK_EX)
                    (folder / "users").unlink()
                else:
                    for line in sys.stdin:
                        {"stop": server.stop, "kill": server.kill, "start": server.start}[line.strip()]()
                        print("ready", flush=True)
            finally:
                server.stop()
        except Exception as error:
            log.seek(0)
            print(f"{error}; {log.read()[-2000:]}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _end(*_: object) -> None:
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
