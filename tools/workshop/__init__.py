"""The workshop behind tools/setup and tools/test: what is installed, where it is, what is checked.

Nothing here reaches a board or the host tool. `interpreters` is also what the tests and the
simulated board ask for a MicroPython to run on.
"""
