"""What `make demo` shows: a story, a sale, failures, killed processes, and what mypy finds in a careless copy.

Run it with `python -m examples.demo`. It ends with an error where it does not see what it promises to show.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SHOP: Final = ROOT / "examples" / "shop"
CACHE: Final = Path(os.environ.get("MYPY_CACHE_DIR", ROOT / ".mypy_cache"), "demo")
"""What mypy keeps for the next time; the copy has a cache of its own, since it sees dddkit under another path."""
WIDTH: Final = 118

# What the shop has to print, apart from how long things took.
SOLD: Final = """\
Checkout:
    ✓I.reserve
    ✓I.authorize
        Authorize:
            ✓I.check_card
            ✓I.hold_amount
    ✓I.place
    ✓I.capture
"""
DECLINED: Final = """\
Checkout:
    ↩✓I.reserve
    ✗I.authorize
        Authorize:
            ✓I.check_card
            ✗I.hold_amount
    I.place
    I.capture
"""
UNDONE: Final = """\
Checkout:
    ↩✓I.reserve
    ✓I.authorize
        Authorize:
            ✓I.check_card
            ↩✓I.hold_amount
    ↩✓I.place
    ✗I.capture
"""
PROMISED: Final = (
    f"{SOLD}basket:  Basket(basket_id=1, ",
    "order:   Order(order_id=1, total=Money(cents=9600), hold_id='hold-1', cancelled=False)\n",
    "letters: Letters(order_id=1, texts=('thank you, that is 96.00',))\n",
    f"{DECLINED}refused: card-poor does not cover 48.00\nbasket:  Basket(basket_id=2, ",
    "is_checked_out=False)\norder:   None\nshelf:   Product(product_id='teapot', on_shelf=2)\n",
    "shelf:   Product(product_id='teapot', on_shelf=2)\nletters: None\nheld:    {}\n\n",
    "BankClosedError: the bank does not pay out today\n",
    f"{UNDONE}failed:  the bank does not pay out today\nbasket:  Basket(basket_id=3, ",
    "is_checked_out=False)\norder:   Order(order_id=3, total=Money(cents=3950), hold_id='hold-2', cancelled=True)\n",
    "shelf:   Product(product_id='teapot', on_shelf=2)\n",
    "texts=('thank you, that is 39.50', 'cancelled, you pay nothing'))\nheld:    {}\n",
    "refused: 3 x teapot wanted, 2 on the shelf\n",
    'executions_latency_ms_count{service="shop",status="failed",story_name="Checkout"} 1.0\n',
    'executions_latency_ms_count{service="shop",status="refused",story_name="Checkout"} 2.0\n',
    'executions_latency_ms_count{service="shop",status="refused",step_name="authorize",story_name="Checkout"} 1.0\n',
)

# What the processes that are killed have to leave, and the one that is not.
LETTER: Final = "letters: Letters(order_id=1, texts=('thank you, that is 39.50',))"
LEFT: Final = [
    "outbox:  order.placed.v1 (orders/1)\nletters: None",
    f"outbox:  order.placed.v1 (orders/1)\n{LETTER}",
    f"outbox:  empty\n{LETTER}",
]

# What the two processes of a durable checkout have to print between them, each once.
RESUMED: Final = [
    "runs:    Checkout.reserve\n",
    "runs:    Authorize.hold_amount\n",
    "runs:    Checkout.place\n",
    "bank:    pays out under the key checkout/order-1/capture\n",
    "bank:    has paid out under the key checkout/order-1/capture\n",
    "status:  COMPLETED\norder:   Order(order_id=1, total=Money(cents=3950), hold_id='hold-1', cancelled=False)\n",
    f"{LETTER}\nbalance: 460.50 of 500.00\n",
]

# A file, what it says, what it says in the careless copy, and the code of what mypy reports there.
MISTAKES: Final = (
    ("checkout.py", "I.reserve", "I.resreve", "dddkit-unknown-step"),
    ("checkout.py", "place(self, state: State)", "place(self, state: State, discount: int)", "dddkit-step-signature"),
    ("checkout.py", "capture(self, state: State)", "capture(self, state: Order)", "dddkit-step-state"),
    ("__main__.py", "await shop.checkout(state)", "shop.checkout(state)", "unused-coroutine"),
)
REFUSED: Final = 'I.resreve names no step; did you mean "reserve"?'


def main() -> None:
    title("1. A story", "One business operation: the class lists its steps, and its State is what they share.")
    show(source_of_the_story())

    title("2. A sale", "The log at DEBUG: each step that has run, how long it took, and a story inside the story.")
    told = python("-m", "examples.shop", cwd=ROOT)
    for promise in PROMISED:
        if promise not in without_durations(told):
            sys.exit(f"{told}\nthe shop did not print:\n{promise}")
    show(tree(told, SOLD))
    show("", "What is in the database, with the letter of a consumer, and what handlers have told the office:")
    show(*lines_of(told, "order:   ", "letters: ", "office:  ")[:3])

    title("3. A declined card", "An outcome, and no fault: the log has no traceback. What was done is undone.")
    show(tree(told, DECLINED))
    show("", "It leaves nothing behind: the basket can be changed, and there is no order, letter or amount of it.")
    _, declined, *_ = told.split("\n== ")
    show(*lines_of(declined, "refused: ", "basket:  ", "order:   ", "shelf:   ", "letters: ", "held:    "))

    title(
        "4. A capture that fails", "The bank does not pay out: the order is cancelled, amount and goods are given back."
    )
    show("Traceback (most recent call last):", "  ...", *lines_of(told, "examples.shop.payment.BankClosedError")[-1:])
    show(tree(told, UNDONE))
    _, _, failed, *_ = told.split("\n== ")
    show(*lines_of(failed, "order:   ", "shelf:   ", "letters: ", "held:    "))

    title("5. Processes that are killed", "No letter gets lost by `kill -9`, and none is written twice.")
    left = python("-m", "examples.killed", cwd=ROOT)
    if re.findall(r"^outbox:.*\nletters:.*$", left, re.MULTILINE) != LEFT:
        sys.exit(f"{left}\nthe killed processes should have left:\n{LEFT}")
    show(left)

    title("6. A durable checkout", "Its process is killed, another one goes on with it, and the customer pays once.")
    gone_on = python("-m", "examples.resumed", cwd=ROOT)
    for promise in RESUMED:
        if gone_on.count(promise) != 1:
            sys.exit(f"{gone_on}\nthe killed checkout did not print once:\n{promise}")
    show(gone_on)

    title("7. What mypy catches", "Mistakes in a copy of the shop, each with what mypy and the plugin report.")
    show_mistakes()
    show("", "The demo showed what it promised. The shop is in examples/shop; README.md explains the rest.")


def title(name: str, sentence: str) -> None:
    print(f"\n== {name} ==\n{sentence}\n", flush=True)


def show(*texts: str) -> None:
    """Print texts; wrap the lines that are too long."""
    wrapper = textwrap.TextWrapper(WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    for text in texts:
        for line in text.splitlines() or [""]:
            print("\n".join(wrapper.wrap(line)) if len(line) > WIDTH else line, flush=True)


def source_of_the_story() -> str:
    """Return what matters of the Checkout: its steps, its State, what is injected, and one step."""
    source = (SHOP / "checkout.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    (story,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Checkout")

    def text(node: ast.stmt) -> str:
        return "\n".join(lines[node.lineno - 1 : node.end_lineno])

    steps = [text(node) for node in story.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Attribute)]
    (state,) = (text(node) for node in story.body if isinstance(node, ast.ClassDef))
    injected = [text(node) for node in story.body if isinstance(node, ast.AnnAssign)][:1]
    methods = {node.name: node for node in story.body if isinstance(node, ast.AsyncFunctionDef)}
    undo = methods["cancel"]
    undoing = "\n".join([*lines[undo.decorator_list[0].lineno - 1 : undo.lineno], "        ..."])
    head = lines[story.decorator_list[0].lineno - 1 : story.lineno]
    return "\n".join([*head, *steps, "", state, "", *injected, "    ...", text(methods["place"]), "", undoing])


def tree(told: str, promised: str) -> str:
    """Return the last tree in the log that is as promised, with its durations."""
    lines, wanted = told.splitlines(), promised.splitlines()
    shortened = without_durations(told).splitlines()
    last = max(number for number in range(len(shortened)) if shortened[number : number + len(wanted)] == wanted)
    return "\n".join(lines[last : last + len(wanted)])


def without_durations(told: str) -> str:
    return re.sub(r" \[\d+\.\d{3}s\]", "", told)


def lines_of(told: str, *beginnings: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith(beginnings)]


def show_mistakes() -> None:
    clean = python("-m", "mypy", f"--cache-dir={CACHE / 'shop'}", "examples/shop", cwd=ROOT)
    show(f"The shop itself: {clean.rstrip()}")
    with TemporaryDirectory() as folder:
        make_careless_copy(Path(folder, "careless"))
        options = (f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={CACHE / 'careless'}")
        said = python("-m", "mypy", *options, "careless", cwd=Path(folder), status=1)
        for _, right, wrong, code in MISTAKES:
            reported = [line for line in said.splitlines() if line.endswith(f"[{code}]")]
            if len(reported) != 1:
                sys.exit(f"{said}\nmypy should have reported {code} once")
            show("", f"{right}  ->  {wrong}", f"  {reported[0]}")

        refused = python("-m", "careless", cwd=Path(folder), status=1)
        if REFUSED not in refused:
            sys.exit(f"{refused}\nthe class with the misspelt step should have been refused")
        show("", "Without mypy, Python finds the first one when it imports the module:")
        show(f"  {refused.splitlines()[-1]}")


def make_careless_copy(folder: Path) -> None:
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file, right, wrong, _ in MISTAKES:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        if right not in text:
            sys.exit(f"the shop has changed: {file} has no {right!r} any more")
        path.write_text(text.replace(right, wrong, 1), encoding="utf-8")


def python(*arguments: str, cwd: Path, status: int = 0) -> str:
    """Run Python and return what it prints; end the demo with an error where its exit status is another one."""
    run = subprocess.run(
        [sys.executable, "-X", "utf8", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if run.returncode != status:
        sys.exit(f"{run.stdout}\npython {' '.join(arguments)} ended with {run.returncode} instead of {status}")
    return run.stdout


if __name__ == "__main__":
    main()
