"""A board's MicroPython prompt, spoken to by mpremote.

mpremote does the talking: raw mode, raw paste where the board has it, one reply for each piece of
code. Here its errors become ours, and every wait an end: on a port behind which nothing is, it
would wait for ever.
"""

from __future__ import annotations

import contextlib
import io
import struct
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Generator

# How long a byte is waited for until there is a prompt, and from then on: a busy computer, or a
# board that collects garbage, is not gone.
_FIRST_BYTE_S: Final = 1.0
_BYTE_S: Final = 10.0
_REPLY_S: Final = 30.0
_WRITE_S: Final = 10.0
# A running logger seals and writes flash before it gives its prompt.
_ENTER_S: Final = 6.0
_ENTER_TRIES: Final = 2
# Before mpremote's own, which ends the line first: what stands half typed there must not run.
_CTRL_C: Final = b"\x03"
# What a board shows that lost its power and has it back, on a port that did not go with it.
_FRIENDLY: Final = b"\r\n>>> "
_END: Final = b"\x04"
_ENOSPC: Final = ("ENOSPC", "OSError: 28")


class PromptLost(Exception):
    """The board, or the port, went away, or speaks another language; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CodeFailed(Exception):
    """The board ran the code and raised; `said` is the last line of its traceback."""

    def __init__(self, trace: str) -> None:
        lines = [line.strip() for line in trace.splitlines() if line.strip()]
        self.said = lines[-1] if lines else "an error without words"
        super().__init__(self.said)

    @property
    def is_full(self) -> bool:
        """True where the file system had no room."""
        return any(sign in self.said for sign in _ENOSPC)


class Prompt(Protocol):
    """What flash needs of a board's prompt; tests have another."""

    sent_bytes: int

    def enter(self) -> None:
        """Stop what runs, reset softly without starting it again, and be ready for `run`.

        Raises:
            PromptLost: no prompt came.
        """
        ...

    def run(self, code: str) -> str:
        """Run code and return what it printed.

        Raises:
            CodeFailed: it raised.
            PromptLost: the board went away.
        """
        ...

    def send(self, code: str) -> None:
        """Have code run and do not wait: a reset answers nothing."""
        ...

    def close(self) -> None:
        """Give the port back; harmless when it is gone."""
        ...


class SerialPrompt:
    """The prompt behind a serial port that nobody else has open."""

    def __init__(self, port: str) -> None:
        """Open the port.

        Raises:
            PromptLost: it cannot be opened any more.
        """
        from mpremote.transport_serial import (  # pyright: ignore[reportMissingTypeStubs] # noqa: PLC0415 - needed here alone
            SerialTransport,
        )

        self.sent_bytes = 0
        with _ours():
            self._transport = cast("Any", SerialTransport)(port, timeout=_FIRST_BYTE_S)
        serial = self._transport.serial
        serial.write_timeout = _WRITE_S
        write = serial.write

        def counted(data: bytes) -> int:
            self.sent_bytes += len(data)
            return cast("int", write(data))

        serial.write = counted

    def enter(self) -> None:
        """Stop what runs and be ready for `run`."""
        for tries_left in reversed(range(_ENTER_TRIES)):
            try:
                with _ours():
                    self._transport.serial.write(_CTRL_C)
                    self._transport.enter_raw_repl(soft_reset=True, timeout_overall=_ENTER_S)
                    self._transport.serial.timeout = _BYTE_S
            except PromptLost:
                if not tries_left:
                    raise
            else:
                return

    def run(self, code: str) -> str:
        """Run code and return what it printed."""
        said = bytearray()

        def take(byte: bytes) -> None:
            said.extend(byte)
            if said.endswith(_FRIENDLY):
                raise PromptLost("it has started over")

        with _ours():
            _, trace = self._transport.exec_raw(code, timeout=_REPLY_S, data_consumer=take)
        if trace:
            raise CodeFailed(trace.decode(errors="replace"))
        return said.removesuffix(_END).decode(errors="replace")

    def send(self, code: str) -> None:
        """Have code run and do not wait."""
        with _ours():
            self._transport.exec_raw_no_follow(code)

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._transport.close()


@contextlib.contextmanager
def _ours() -> Generator[None]:
    """Turn what mpremote raises into PromptLost, and keep what it prints to itself."""
    from mpremote.transport import (  # pyright: ignore[reportMissingTypeStubs] # noqa: PLC0415 - as above
        TransportError,
    )

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    except TransportError as error:
        raise PromptLost(str(error).partition("\n")[0]) from error
    # struct.error: mpremote takes apart two bytes that did not come. TypeError: pyserial, when
    # the port is closed while it reads.
    except (OSError, struct.error, TypeError) as error:
        raise PromptLost(getattr(error, "strerror", None) or str(error)) from error
