"""The profile of a board as a model: read, checked whole, changed, written."""
