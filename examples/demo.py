"""What `make demo` shows: the shop at work, then what mypy says about it, and about a careless copy of it.

Run it with `python -m examples.demo`. It ends with an error where it does not see what it promises to show.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent

# What the program has to print, apart from how long things took.
DECLINED = """\
Checkout:
    ✓I.load_basket
    ✓I.take_from_shelf
    ✗I.authorize
        Authorize:
            ✓I.check_number
            ✗I.hold_amount
    I.place_order
    I.save
    I.capture_payment
    I.announce
"""
PROMISED = (
    "    ✓I.announce\nstored:  Order(order_id=1, total=Money(cents=9600), hold_id='hold-1', cancelled=False)\n",
    "letters=['order 1: thank you, that was 96.00']",
    DECLINED,
    "CardDeclinedError: card ending in 0010 does not cover 48.00\n",
    "basket:  Basket(basket_id=2, lines=(Line(product_id='teapot', price=Money(cents=3950), quantity=1), ",
    "shelf:   Product(product_id='teapot', on_shelf=1)\n",
    "refused: 2 x teapot wanted, 1 on the shelf\n",
    'executions_latency_ms_count{service="shop",status="failed",story_name="Checkout"} 2.0\n',
    'executions_latency_ms_count{service="shop",status="failed",step_name="authorize",story_name="Checkout"} 1.0\n',
)

# file, what stands there, what a careless hand makes of it, what mypy has to say
MISTAKES = (
    ("checkout.py", "I.take_from_shelf", "I.take_from_shlef", "dddkit-unknown-step"),
    (
        "checkout.py",
        "def place_order(self, state: State)",
        "def place_order(self, state: State, discount: int)",
        "dddkit-step-signature",
    ),
    ("checkout.py", "capture_payment(self, state: State)", "capture_payment(self, state: Order)", "dddkit-step-state"),
    ("__main__.py", "await shop.checkout(state)", "shop.checkout(state)", "unused-coroutine"),
)


def main() -> None:
    print("$ python -m examples.shop", flush=True)
    shown = python("-m", "examples.shop", cwd=ROOT)
    told = re.sub(r" \[\d+\.\d{3}s\]", "", shown)
    for promise in PROMISED:
        if promise not in told:
            sys.exit(f"the shop did not print:\n{promise}")

    print("\n$ mypy examples/shop", flush=True)
    python("-m", "mypy", "examples/shop", cwd=ROOT)

    with TemporaryDirectory() as folder:
        careless = Path(folder, "careless")
        shutil.copytree(ROOT / "examples" / "shop", careless, ignore=shutil.ignore_patterns("__pycache__"))
        for file, right, wrong, _ in MISTAKES:
            path = careless / file
            text = path.read_text(encoding="utf-8")
            if right not in text:
                sys.exit(f"the shop has changed: {file} has no {right!r} any more")
            path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
            print(f"\n# careless/{file}: {wrong}", end="")
        print("\n\n$ mypy careless", flush=True)
        config = str(ROOT / "pyproject.toml")
        said = python("-m", "mypy", "--config-file", config, "careless", cwd=Path(folder), status=1)
        for *_, code in MISTAKES:
            if said.count(f"[{code}]") != 1:
                sys.exit(f"mypy should have said {code} once")

        print("\n$ python -m careless", flush=True)
        said = python("-m", "careless", cwd=Path(folder), status=1)
        if 'I.take_from_shlef names no step; did you mean "take_from_shelf"?' not in said:
            sys.exit("the class with the misspelt step should have been refused")
    print("\nThe demo showed what it promised.")


def python(*arguments: str, cwd: Path, status: int = 0) -> str:
    """Run Python, show what it prints, and insist on how it ends."""
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    print(run.stdout, end="", flush=True)
    if run.returncode != status:
        sys.exit(f"it ended with {run.returncode} instead of {status}")
    return run.stdout


if __name__ == "__main__":
    main()
