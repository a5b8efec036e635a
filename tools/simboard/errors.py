"""What can go wrong before a simulated board runs, told so that a person can mend it."""

from __future__ import annotations


class SimboardError(Exception):
    """Root of the simulated board's errors."""


class ScenarioError(SimboardError):
    """A scenario file says something that cannot be: `where` names the key."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class InterpreterMissing(SimboardError):
    """There is no MicroPython to run the firmware on."""

    def __init__(self) -> None:
        super().__init__(
            "no MicroPython found; tools/setup gets one, or name yours in DEWARLOG_MICROPYTHON"
        )


class AirMissing(SimboardError):
    """No hub answers at the socket of the virtual radio."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"no virtual radio at {path} ({problem}); start one with "
            f"python tools/simboard/air/hub.py --socket {path}"
        )
        self.path = path


class BoardGone(SimboardError):
    """The simulated board's process ended before it did what was asked of it."""

    def __init__(self, status: int | None, output: str) -> None:
        super().__init__(f"the simulated board ended (status {status}):\n{output}")
        self.status = status
        self.output = output
