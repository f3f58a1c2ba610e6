"""The kill test of durable stories: processes are killed with -9 at chosen places, and at random.

`python -m tests.kill.stories --help` says what it can do; `make kill` is the full run.
"""
