"""Carries a plan out, so that a cut at any point leaves a board that the next flash mends.

Every change is one piece of code the board runs: a file is written aside, its hash taken on the
board, and renamed, which littlefs does wholly or not at all. What the board holds at each moment
is known here, and every error says it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.errors import FlashCut, FlashFailed, NoRoom
from dewarlog.flash import board_code
from dewarlog.flash.looked import Garbled, ask_hashes
from dewarlog.flash.plan import missing
from dewarlog.flash.prompt import CodeFailed, PromptLost

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.flash.byte_code import BoardFile
    from dewarlog.flash.plan import Plan
    from dewarlog.flash.prompt import Prompt

UNTOUCHED: Final = "Nothing was changed on the board."
HALF: Final = (
    "The board holds part of the new firmware and starts none of it until a flash is whole; its "
    "log, keys and profile are as they were."
)
WHOLE: Final = "The new firmware is on the board, whole and verified; it only has to be reset."
# A file that a bad cable or a bad sector spoiled is written once more.
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is: `what` is under way."""

    what: str
    done_bytes: int
    total_bytes: int


class Upload:
    """One plan on its way to the board behind a prompt. `state` says what the board holds now."""

    def __init__(
        self,
        port: str,
        prompt: Prompt,
        plan: Plan,
        tell: Callable[[UploadProgress], None] = lambda _now: None,
    ) -> None:
        """Take a prompt that has run board_code.TOOLS; nothing happens before `run`."""
        self.state = HALF if plan.goes_on else UNTOUCHED
        self._port = port
        self._prompt = prompt
        self._plan = plan
        self._tell = tell
        self._done_bytes = 0

    def run(self, marker: str) -> None:
        """Make every change, verify the whole, and take the marker away.

        `marker` is what the marker file says, for whoever meets it.

        Raises:
            FlashCut: the board went away.
            FlashFailed: it raised, or does not hold what was written.
            NoRoom: its file system is full.
        """
        plan = self._plan
        with self._during("the marker"):
            self.state = HALF  # from here on nobody knows before it has answered
            self._prompt.run(board_code.mark(marker))
        for file in plan.scripts:
            self._write(file)
        for place in plan.removed:
            self._change(f"removing {place}", board_code.remove(place))
        for place in plan.removed_folders:
            self._change(f"removing {place}", board_code.remove_folder(place))
        for place in plan.made_folders:
            self._change(f"making {place}", board_code.make_folder(place))
        for file in plan.written:
            self._write(file)
        self._verify()
        self._change("taking the marker away", board_code.remove(board_code.MARKER))
        self.state = WHOLE

    def _change(self, what: str, code: str) -> None:
        self._say(what)
        with self._during(what):
            self._prompt.run(code)

    def _write(self, file: BoardFile) -> None:
        """Write one file; once more where its hash is not right."""
        what = f"writing {file.place}"
        before = self._done_bytes
        for _ in range(_TRIES):
            self._done_bytes = before
            said = ""
            for code in board_code.write_file(file.place, file.data, file.sha256):
                self._say(file.place)
                with self._during(what):
                    said = self._prompt.run(code)
                self._done_bytes += board_code.CHUNK_BYTES
            self._done_bytes = before + len(file.data)
            if said.startswith("written"):
                return
        raise FlashFailed(self._port, what, self.state, "what it holds has another hash")

    def _verify(self) -> None:
        self._say("verifying")
        with self._during("the last verification"):
            files, _folders = ask_hashes(self._prompt)
        wrong = missing(self._plan.wanted, files)
        if wrong:
            said = f"not as written: {', '.join(wrong[:3])}"
            raise FlashFailed(self._port, "the last verification", self.state, said)

    def _say(self, what: str) -> None:
        total_bytes = self._plan.written_bytes
        self._tell(UploadProgress(what, min(self._done_bytes, total_bytes), total_bytes))

    @contextlib.contextmanager
    def _during(self, what: str) -> Generator[None]:
        try:
            yield
        except PromptLost as error:
            raise FlashCut(self._port, what, self.state, error.reason) from error
        except Garbled as error:
            raise FlashCut(self._port, what, self.state, str(error)) from error
        except CodeFailed as error:
            if error.is_full:
                plan = self._plan
                raise NoRoom(self._port, plan.needed_bytes, plan.free_bytes, begun=True) from error
            raise FlashFailed(self._port, what, self.state, error.said) from error
