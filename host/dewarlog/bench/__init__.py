"""What a bench asks of a board, and how it is shown: figures, profile, self-test, erasure."""
