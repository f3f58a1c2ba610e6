"""Programs that show dddkit at work; the tests import them, the README quotes them."""
