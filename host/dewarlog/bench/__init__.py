"""The bench: what prepares a board before its trip, and looks at it while it lies there."""
