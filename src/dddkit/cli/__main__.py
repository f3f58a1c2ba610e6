"""`python -m dddkit.cli`: the command, where the folder of scripts is not on the PATH."""

from dddkit.cli._main import main

main()
