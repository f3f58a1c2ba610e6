// Run pytest inside CPython for WebAssembly: node pyodide.mjs <folder with pyodide> <site-packages> <repository> [arguments].
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [packages, site, repository, ...args] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(packages, "node_modules/pyodide/pyodide.mjs")));
const pyodide = await loadPyodide({ env: { HOME: "/tmp", PYTHONDONTWRITEBYTECODE: "1" } });
for (const [folder, place] of [[site, "/site"], [repository, "/repository"]]) {
  pyodide.FS.mkdirTree(place);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, place);
}
pyodide.globals.set("args", pyodide.toPy(args));
const status = pyodide.runPython(`
import asyncio, os, selectors, sys, time

class Timer(selectors.SelectSelector):
    """Waits for time alone: there are no sockets here."""
    def select(self, timeout=None):
        time.sleep(timeout or 0)
        return []

class Loop(asyncio.BaseEventLoop):
    """A loop that blocks, as asyncio.run wants it; the browser's hands control back instead."""
    def __init__(self):
        super().__init__()
        self._selector = Timer()
    def _process_events(self, events): ...
    def _write_to_self(self): ...

asyncio._set_running_loop(None)
asyncio.events.new_event_loop = Loop
sys.path[:0] = ["/site", "/repository/src", "/repository"]
os.chdir("/repository")
import pytest
int(pytest.main(list(args)))
`);
process.exit(status); // its timers would keep node waiting
