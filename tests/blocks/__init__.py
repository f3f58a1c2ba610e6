"""Building blocks: what both flavours promise is tested once, with the flavour as a parameter."""
