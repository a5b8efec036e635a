"""The lock: kept over resets, closed when in doubt, and no way past it to a prompt."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import micropython
import pytest

import dewarlog_firmware
from dewarlog_firmware import lock as lock_module
from dewarlog_firmware.lock import Lock, leave, start

if TYPE_CHECKING:
    from collections.abc import Callable

CTRL_C, NOBODY = 3, -1


class Reset(BaseException):
    """The board starts over: nothing of the firmware catches it."""


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record what Ctrl-C is told to be."""
    told: list[int] = []
    monkeypatch.setattr(micropython, "kbd_intr", told.append)
    return told


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where the lock is kept."""
    file = str(tmp_path / "lock.bin")
    monkeypatch.setattr(lock_module, "LOCK_PATH", file)
    monkeypatch.setattr(Lock.__init__, "__defaults__", (file,))
    return file


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a restart of the board be told, and leave the firmware as a reset does."""
    pauses: list[int] = []

    def restart(pause_ms: int) -> None:
        pauses.append(pause_ms)
        raise Reset

    module = types.ModuleType("dewarlog_firmware.restart")
    module.restart = restart  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dewarlog_firmware.restart", module)
    monkeypatch.setattr(dewarlog_firmware, "restart", module, raising=False)
    return pauses


def with_app(monkeypatch: pytest.MonkeyPatch, run: Callable[[Lock], None]) -> None:
    """Let this be the logger that main.py starts."""
    app = types.ModuleType("dewarlog_firmware.app")
    app.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dewarlog_firmware.app", app)
    monkeypatch.setattr(dewarlog_firmware, "app", app, raising=False)


# --- what is kept --------------------------------------------------------------------------------
def test_a_new_board_is_nobodys_and_open(path: str) -> None:
    """It has no file."""
    lock = Lock(path)

    assert (lock.is_claimed, lock.is_locked) == (False, False)


@pytest.mark.usefixtures("keyboard")
def test_claim_and_lock_outlast_a_reset(path: str) -> None:
    """And so does the opening."""
    seen: list[tuple[bool, bool]] = []
    for step in (Lock.claim, _lock, _open):
        step(Lock(path))
        seen.append((Lock(path).is_claimed, Lock(path).is_locked))

    assert seen == [(True, False), (True, True), (True, False)]


def _lock(lock: Lock) -> None:
    lock.set(locked=True)


def _open(lock: Lock) -> None:
    lock.set(locked=False)


def test_a_board_that_is_given_new_keys_is_nobodys_over_resets(path: str) -> None:
    """Its claim was proven by a key that is no more."""
    lock = Lock(path)
    lock.unclaim()
    assert not Path(path).exists()
    lock.claim()
    lock.unclaim()
    assert (lock.is_claimed, lock.is_locked) == (False, False)
    assert (Lock(path).is_claimed, Lock(path).is_locked) == (False, False)


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\0\0\0\0\0\1", b"\1\0abcd", bytes(7), bytes(99)])
def test_a_file_that_cannot_be_read_means_locked(path: str, data: bytes) -> None:
    """The safe side: the admin key opens it."""
    Path(path).write_bytes(data)

    lock = Lock(path)

    assert (lock.is_claimed, lock.is_locked) == (True, True)


def test_a_file_that_the_flash_does_not_give_means_locked(path: str) -> None:
    """It is there: only one that is missing is a new board's."""
    Path(path).mkdir()  # opening it fails, and not because it is missing

    lock = Lock(path)

    assert (lock.is_claimed, lock.is_locked) == (True, True)


@pytest.mark.usefixtures("keyboard")
def test_every_flipped_bit_of_a_kept_lock_is_seen(path: str) -> None:
    """No single bit opens a locked board."""
    Lock(path).set(locked=True)
    kept = Path(path).read_bytes()

    for bit in range(8 * len(kept)):
        bent = bytearray(kept)
        bent[bit // 8] ^= 1 << bit % 8
        Path(path).write_bytes(bent)
        assert Lock(path).is_locked


def test_a_lock_that_cannot_be_kept_is_not_closed(
    path: str, keyboard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is full: the error goes to who asked, and nothing has changed."""
    lock = Lock(path)

    def full(name: str, data: bytes) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(lock_module, "write_whole", full)

    with pytest.raises(OSError, match="no space"):
        lock.set(locked=True)

    assert not lock.is_locked
    assert keyboard == []


# --- the keyboard --------------------------------------------------------------------------------
def test_ctrl_c_goes_and_comes_with_the_lock_at_once(path: str, keyboard: list[int]) -> None:
    """No reset is needed in either direction."""
    lock = Lock(path)

    lock.set(locked=True)
    lock.set(locked=False)

    assert keyboard == [NOBODY, CTRL_C]


def test_a_board_without_a_key_is_never_locked(path: str, keyboard: list[int]) -> None:
    """Nobody could open it: it was locked by a key it has lost."""
    Lock(path).set(locked=True)
    lock = Lock(path)

    lock.forget()

    assert (lock.is_claimed, lock.is_locked) == (False, False)
    assert keyboard == [NOBODY, CTRL_C]


@pytest.mark.parametrize("name", ["boot.py", "main.py"])
def test_each_start_up_file_shuts_the_prompt_before_anything_else(
    name: str, keyboard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MicroPython gives Ctrl-C back before each of them."""
    order: list[str] = []
    monkeypatch.setattr(lock_module, "start", lambda: order.append("start"))
    monkeypatch.setattr(
        micropython, "alloc_emergency_exception_buf", lambda size: order.append("rest")
    )
    for name_here in ("threshold", "mem_alloc", "mem_free"):  # MicroPython's
        monkeypatch.setattr(f"gc.{name_here}", lambda *_: 0, raising=False)
    firmware = lock_module.__file__.rsplit("/", 2)[0]

    runpy.run_path(f"{firmware}/{name}")

    assert keyboard == [NOBODY]
    assert len(order) == 1


@pytest.mark.parametrize(("locked", "told"), [(False, CTRL_C), (True, NOBODY)])
def test_the_logger_starts_with_the_keyboard_as_the_lock_says(
    path: str,
    keyboard: list[int],
    resets: list[int],
    monkeypatch: pytest.MonkeyPatch,
    told: int,
    *,
    locked: bool,
) -> None:
    """Before it is imported."""
    if locked:
        Lock(path).set(locked=True)
    keyboard.clear()
    seen: list[list[int]] = []

    def run(lock: Lock) -> None:
        seen.append(list(keyboard))
        if lock.is_locked:
            raise Reset

    with_app(monkeypatch, run)
    if locked:
        with pytest.raises(Reset):
            start()
    else:
        start()

    assert seen == [[told]]


# --- no way to the prompt ------------------------------------------------------------------------
@pytest.mark.usefixtures("keyboard")
@pytest.mark.parametrize(
    "end", [None, ValueError("a fault"), KeyboardInterrupt(), SystemExit(), MemoryError()]
)
def test_whatever_ends_the_logger_resets_a_locked_board(
    path: str,
    resets: list[int],
    monkeypatch: pytest.MonkeyPatch,
    end: BaseException | None,
) -> None:
    """It returned, failed or was interrupted: nobody gets the prompt."""
    Lock(path).set(locked=True)

    def run(lock: Lock) -> None:
        if end is not None:
            raise end

    with_app(monkeypatch, run)

    with pytest.raises(Reset):
        start()

    assert len(resets) == 1
    assert resets[0] >= 1000


@pytest.mark.usefixtures("keyboard")
def test_a_logger_that_cannot_be_imported_resets_a_locked_board(
    path: str, resets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of it is damaged."""
    Lock(path).set(locked=True)
    monkeypatch.delattr(dewarlog_firmware, "app", raising=False)
    monkeypatch.setitem(sys.modules, "dewarlog_firmware.app", None)

    with pytest.raises(Reset):
        start()


@pytest.mark.usefixtures("keyboard")
def test_a_locked_board_resets_though_half_of_its_files_are_damaged(
    path: str, resets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reset needs none of them."""
    Lock(path).set(locked=True)
    for name in ("app", "board", "server", "logbook"):
        monkeypatch.delattr(dewarlog_firmware, name, raising=False)
        monkeypatch.setitem(sys.modules, f"dewarlog_firmware.{name}", None)

    with pytest.raises(Reset):
        start()
    assert len(resets) == 1


@pytest.mark.parametrize(
    ("kept", "shut"), [(None, False), (b"\1\0crc4", False), (b"\1\1crc4", True), (b"", True)]
)
def test_a_lock_that_cannot_be_imported_gives_a_prompt_to_an_open_board_only(
    tmp_path: Path,
    keyboard: list[int],
    monkeypatch: pytest.MonkeyPatch,
    *,
    kept: bytes | None,
    shut: bool,
) -> None:
    """main.py itself looks at what was kept."""
    file = tmp_path / "lock.bin"
    if kept is not None:
        file.write_bytes(kept)
    machine = types.ModuleType("machine")

    def reset() -> None:
        raise Reset

    machine.reset = reset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr("time.sleep_ms", lambda ms: None, raising=False)
    monkeypatch.delattr(dewarlog_firmware, "lock")
    monkeypatch.setitem(sys.modules, "dewarlog_firmware.lock", None)
    source = (Path(dewarlog_firmware.__file__).parents[1] / "main.py").read_text()
    code = compile(source.replace("/lock.bin", str(file)), "main.py", "exec")

    with pytest.raises(Reset if shut else ImportError):
        exec(code, {"__name__": "__main__"})  # noqa: S102 - as the board does

    assert keyboard == [NOBODY]


@pytest.mark.parametrize(
    ("kept", "starts"),
    [(None, False), (b"\0\0crc4", False), (b"\1\0crc4", False), (b"\1\1crc4", True), (b"", True)],
)
def test_a_firmware_that_is_not_whole_is_started_by_a_locked_board_only(
    tmp_path: Path,
    keyboard: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    kept: bytes | None,
    starts: bool,
) -> None:
    """An open one says so in a line, and ends at its prompt; a locked one gives nobody that."""
    file, marker = tmp_path / "lock.bin", tmp_path / "flashing"
    marker.touch()
    if kept is not None:
        file.write_bytes(kept)
    started: list[bool] = []
    monkeypatch.setattr(lock_module, "start", lambda: started.append(True))

    _run_main(file, marker)

    assert started == [True] * starts
    assert keyboard == ([NOBODY] if starts else [NOBODY, CTRL_C])
    said = capsys.readouterr().out
    assert said.count("\n") == (not starts)
    assert ("a flash was cut" in said) is not starts


def test_a_lock_that_the_flash_does_not_give_keeps_the_prompt_shut(
    tmp_path: Path, keyboard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there: only one that is missing is a new board's."""
    file, marker = tmp_path / "lock.bin", tmp_path / "flashing"
    file.mkdir()  # opening it fails, and not because it is missing
    marker.touch()
    started: list[bool] = []
    monkeypatch.setattr(lock_module, "start", lambda: started.append(True))

    _run_main(file, marker)

    assert (started, keyboard) == ([True], [NOBODY])


def _run_main(lock_file: Path, marker: Path) -> None:
    """Run main.py with its files elsewhere."""
    source = (Path(dewarlog_firmware.__file__).parents[1] / "main.py").read_text()
    for name, place in (("/lock.bin", lock_file), ("/flashing", marker)):
        assert f'"{name}"' in source
        source = source.replace(name, str(place))
    exec(compile(source, "main.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - as the board


@pytest.mark.usefixtures("keyboard")
def test_an_open_board_gives_its_prompt(
    path: str, resets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the error that ended the logger."""

    def run(lock: Lock) -> None:
        raise ValueError("a fault")

    with_app(monkeypatch, run)

    with pytest.raises(ValueError, match="a fault"):
        start()

    leave(Lock(path))
    assert resets == []


@pytest.mark.usefixtures("keyboard")
def test_a_board_locked_while_it_runs_resets_too(
    path: str, resets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C had been pressed just before."""

    def run(lock: Lock) -> None:
        lock.set(locked=True)
        raise KeyboardInterrupt

    with_app(monkeypatch, run)

    with pytest.raises(Reset):
        start()
