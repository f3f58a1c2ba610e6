"""`python -m dddkit.cli`: the command, where the folder of scripts is not on the PATH."""

import sys

from dddkit.cli._main import main

sys.exit(main())
