"""What is raised when a claim does not hold."""

from simboard.device.power import BoardStop


class ClaimBroken(BoardStop):
    """Something that must hold over a power cut does not; the text says which claim and how.

    Not an `Exception`: the firmware must not be able to swallow it.
    """


def need(holds: object, text: str, *values: object) -> None:
    """Raise ClaimBroken unless `holds`."""
    if not holds:
        raise ClaimBroken(text % values if values else text)
