"""What can be wrong with bytes, and whose fault it is.

Place in the line: beside layout; imports nothing. Every reader in this package promises: any
bytes at all are either read or refused with a WireError, and with nothing else.

    WireError
      BlockError           a sealed block, its sections or its columns
      JournalError         the journal of samples not yet sealed
      FrameError           one frame on the link, or the body of its message
      TokenError           the caveats of a token
      SessionError         a frame that is sound but does not belong here
        LocalMisuse        our own caller broke the rules
        PeerViolation      the other end broke them
"""


class WireError(Exception):
    """Bytes that do not follow protocol/SPEC.md.

    `fault` is one word for the layer that refused them (the word a golden vector expects),
    `offset` the byte position in the data that was handed in, or -1 where there is none.
    """

    def __init__(self, fault: str, message: str, offset: int = -1) -> None:
        """Keep the fault and the place as data beside the message."""
        super().__init__(message)
        self.fault = fault
        self.offset = offset


class BlockError(WireError):
    """A block cannot be trusted.

    Faults: magic, version, length, crc, chain, section, column, event.
    """


class JournalError(WireError):
    """A journal's head cannot be trusted; faults: magic, version, length, crc.

    A torn tail is no error: the records before it stand.
    """


class FrameError(WireError):
    """A frame or a message was refused; faults: cobs, base64, mark, length, crc, message."""


class TokenError(WireError):
    """Caveats that no token has, or that this version does not know; its fault is `token`."""

    def __init__(self, message: str) -> None:
        """Keep what is wrong with them."""
        super().__init__("token", message)


class SessionError(WireError):
    """A sound frame at a moment when the session's table has no place for it."""


class LocalMisuse(SessionError):
    """Our own caller asked for something the session does not allow now."""


class PeerViolation(SessionError):
    """The other end sent something the session does not allow now."""
