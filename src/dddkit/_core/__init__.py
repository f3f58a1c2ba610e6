"""What both flavours share: the mechanism of the building blocks, with no opinion on how a class stores its fields."""
