"""The kill test: processes that write, publish and consume are killed with -9 at random, and so are the servers.

`python -m tests.kill --help` says what it can do; `make kill` is the full run.
"""
