"""Starts the board over. On its own, so that no other file's damage opens a locked prompt."""

import time

import machine


def restart(pause_ms: int) -> None:
    """Reset the board after a pause; does not return."""
    time.sleep_ms(pause_ms)
    machine.reset()
