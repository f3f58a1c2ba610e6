"""The mechanism of the building blocks, the same for both flavours: it does not know how a class stores its fields."""
