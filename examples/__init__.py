"""Programs that show how to use dddkit; the tests import them, and the README links to them."""
