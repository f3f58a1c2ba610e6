"""Kills a process where it hurts most: it says where it hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

HANGS: Final = "hangs at "


def hang(where: str) -> None:
    """Stop this process, and the event loop with it, to be killed here."""
    print(f"{HANGS}{where}", flush=True)
    time.sleep(60)


def kill_where_it_hangs(module: str, *arguments: str) -> None:
    """Run a module in a process of its own, show what it prints, and kill it as `kill -9` does."""
    command = [sys.executable, "-X", "utf8", "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout or ():
            if line.startswith(HANGS):
                process.kill()
                print(f"killed:  process {process.pid}, at {line.removeprefix(HANGS)}", end="")
                return
            print(line, end="")
    sys.exit(f"the process that was to be killed has ended by itself, with {process.returncode}")
