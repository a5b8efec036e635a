"""The interactive prompt on the console: friendly, raw and raw-paste, as MicroPython's pyexec.

The unix port of 1.25 has no raw REPL, and mpremote speaks nothing else; so it stands here, with
the same replies byte for byte. Protocol: docs.micropython.org, "Internals: REPL, raw mode".
"""

import sys

from simboard.device.power import SoftReset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.console import Console

_CTRL_A = 1
_CTRL_B = 2
_CTRL_C = 3
_CTRL_D = 4
_CTRL_E = 5
_PASTE_WINDOW_BYTES = 128


class Repl:
    """Reads code from the console and runs it in the names of `namespace`."""

    def __init__(self, console: "Console", namespace: "dict[str, Any]", banner: str) -> None:
        self.raw = False
        self._console = console
        self._names = namespace
        self._banner = banner

    def run(self) -> None:
        """Serve the prompt until a soft reset is asked for, which raises SoftReset."""
        while True:
            if self.raw:
                self._raw()
            else:
                self._friendly()

    # --- characters ---------------------------------------------------------------------------

    def _get(self) -> int:
        self._console.interrupt_char = -1  # the prompt reads Ctrl-C as a character
        return self._console.stdin_buffer.read(1)[0]

    def _put(self, text: str | bytes) -> None:
        self._console.send(text.encode() if isinstance(text, str) else text)

    # --- running code -------------------------------------------------------------------------

    def _execute(self, source: "Any", mode: str, separator: bytes = b"") -> None:
        """Run source text; errors go to the console after `separator`."""
        console = self._console
        console.interrupt_char = _CTRL_C
        error = None
        try:
            if mode == "single":
                self._evaluate(source)
            else:
                exec(compile(source, "<stdin>", mode), self._names)  # noqa: S102 - it is a prompt
        except SystemExit:
            self._put(separator + separator)  # both ends of the reply, where there are any
            raise SoftReset
        except (Exception, KeyboardInterrupt) as raised:  # noqa: BLE001 - a prompt survives all
            error = raised
        console.interrupt_char = -1
        self._put(separator)
        if error is not None:
            sys.print_exception(error, console.stdout)

    def _evaluate(self, source: "Any") -> None:
        """Run a statement, or print what an expression gives; compile() cannot do both here."""
        try:
            code = compile(source, "<stdin>", "eval")
        except SyntaxError:
            exec(compile(source, "<stdin>", "exec"), self._names)  # noqa: S102 - it is a prompt
            return
        value = eval(code, self._names)  # noqa: S307 - it is a prompt
        if value is not None:
            self._names["_"] = value
            self._console.stdout.write(repr(value) + "\n")

    # --- raw mode -----------------------------------------------------------------------------

    def _raw(self) -> None:
        self._put(b"raw REPL; CTRL-B to exit\r\n>")
        source = bytearray()
        while True:
            char = self._get()
            if char == _CTRL_A:
                if source == b"\x05A":
                    self._raw_paste()
                    self._put(b">")
                else:
                    self._put(b"raw REPL; CTRL-B to exit\r\n>")
                source = bytearray()
            elif char == _CTRL_B:
                self._put(b"\r\n")
                self.raw = False
                return
            elif char == _CTRL_C:
                source = bytearray()
            elif char == _CTRL_D:
                self._put(b"OK")
                if not source:
                    self._put(b"\r\n")
                    raise SoftReset
                self._execute_raw(source)
                self._put(b">")
                source = bytearray()
            else:
                source.append(char)

    def _execute_raw(self, source: "Any") -> None:
        self._execute(bytes(source), "exec", b"\x04")
        self._put(b"\x04")

    def _raw_paste(self) -> None:
        """Take code until Ctrl-D, granting the host one window of bytes after the other."""
        window = _PASTE_WINDOW_BYTES
        self._put(b"R\x01" + bytes([window & 0xFF, window >> 8, 1]))
        source = bytearray()
        left = window
        while True:
            char = self._get()
            if char in (_CTRL_C, _CTRL_D):
                self._put(b"\x04")
                if char == _CTRL_D:
                    self._execute_raw(source)
                else:
                    self._put(b"\x04\x04")
                return
            source.append(char)
            left -= 1
            # As much as is there: a byte at a time, a whole firmware takes seconds.
            if left:
                taken = self._console.take_text(left)
                source += taken
                left -= len(taken)
            if not left:
                self._put(b"\x01")
                left = window

    # --- friendly mode ------------------------------------------------------------------------

    def _friendly(self) -> None:
        self._put(self._banner)
        while True:
            source = self._read_input()
            if source is None:
                return
            if source:
                self._execute(source, "single")

    def _read_input(self) -> str | None:
        """Return one statement typed at the prompt; None after a change of mode."""
        lines = []
        while True:
            line = self._read_line(b"... " if lines else b">>> ")
            if line is None:
                return None
            if line is False:
                lines = []
                continue
            lines.append(line)
            if not _continues(lines):
                return "\n".join(lines) + "\n" if lines != [""] else ""

    def _read_line(self, prompt: bytes) -> str | bool | None:
        """Return a line; False after Ctrl-C; None when the mode has changed."""
        self._put(prompt)
        line = bytearray()
        while True:
            char = self._get()
            if char == _CTRL_A and not line:
                self._put("\r\n")
                self.raw = True
                return None
            if char == _CTRL_B and not line:
                self._put("\r\n")
                return None
            if char == _CTRL_C:
                self._put("\r\n")
                return False
            if char == _CTRL_D and not line:
                self._put("\r\n")
                raise SoftReset
            if char == _CTRL_E and not line:
                self._paste()
                return False
            if char == 13:
                self._put("\r\n")
                return line.decode()
            if char in (8, 127):
                if line:
                    line = line[:-1]
                    self._put("\b \b")
            elif char >= 32 or char == 9:
                line.append(char)
                self._put(bytes([char]))

    def _paste(self) -> None:
        """Take lines until Ctrl-D, then run them together."""
        self._put("\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        source = bytearray()
        while True:
            char = self._get()
            if char == _CTRL_C:
                self._put("\r\n")
                return
            if char == _CTRL_D:
                self._put("\r\n")
                self._execute(bytes(source), "exec")
                return
            if char == 13:
                source.append(10)
                self._put("\r\n=== ")
            else:
                source.append(char)
                self._put(bytes([char]))


def _continues(lines: list[str]) -> bool:
    """Tell whether the statement goes on: a bracket or string is open, or a block."""
    text = "\n".join(lines)
    if text.count('"""') % 2 or text.count("'''") % 2:
        return True
    depth = 0
    for opening, closing in ("()", "[]", "{}"):
        depth += text.count(opening) - text.count(closing)
    if depth > 0 or text.endswith("\\"):
        return True
    block = lines[0].rstrip().endswith(":") or lines[0].startswith("@")
    return block and lines[-1].strip() != ""
