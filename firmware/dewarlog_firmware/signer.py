"""Signs the head of a run for a host that keeps what the board said: one job at a time.

Beside the line: the server begins a job, the main loop gives it a slice a pass, the server sends
what came out. The open run is sealed first, so that the signature covers all there is; it then
stands in the log as an event too. What is signed: protocol/SPEC.md 7.10.
"""

import struct

from micropython import const

from dewarlog_firmware import once
from dewarlog_firmware.logbook import NO_ROOM
from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import layout, proof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.ed25519 import Ed25519
    from dewarlog_firmware.logbook import Logbook

PUBLIC_BYTES = const(32)
_SIGNED_FORMAT = layout.SIGN_REPLY.format[: layout.SIGN_REPLY.format.index("64s")]
_PUBLIC = b"dewarlog public 1"


class Signer:
    """The board's signature. `seed`: proof.signing_seed; empty on a board without a device key.

    `now` returns the uptime as (s, ms), `read_clock` (utc_s, clock state). The public key is kept
    in the file at `public_path`, with a proof by the seed: a signature made with another key's
    would give the secret away (Ed25519 signs its own public key).

    A job is at most `ed25519.SLICES_MAX` steps; one more where it seals or records.
    """

    def __init__(
        self,
        logbook: "Logbook",
        seed: bytes,
        device_id: bytes,
        now: "Callable[[], tuple]",
        read_clock: "Callable[[], tuple]",
        public_path: str,
    ) -> None:
        self._logbook = logbook
        self._device_id = device_id
        self._now = now
        self._read_clock = read_clock
        self._path = public_path
        self._seed = seed
        self._public = _load_public(public_path, seed) if seed else b""
        self._is_kept = self._public != b""
        self._key: "Ed25519 | None" = None  # made for each job, and its code loaded for it
        self._head: "tuple | None" = None  # SIGN_REPLY's values without the signature
        self._signature = b""  # behind them, once the job is done
        self._nonce = b""

    @property
    def can_sign(self) -> bool:
        """Tell whether this board has a signing key (FEATURE_SIGN)."""
        return self._seed != b""

    @property
    def is_busy(self) -> bool:
        """Tell whether a job is under way: give it steps."""
        return self._key is not None and self._key.is_busy

    def begin(self, run: int, nonce: bytes) -> None:
        """Begin to sign the head of a run; seals the open block first if the run is open.

        Raises KeyError when there is no such run or nothing sealed of it, ValueError when a job is
        under way or the board has no key, OSError when the open block finds no room.
        """
        key = self._free_key()
        logbook = self._logbook
        if logbook.is_open and run == logbook.recorder.run:
            logbook.at(*self._now())
            blocks, chain = logbook.seal()
            log_id = logbook.log_id()
        else:
            blocks, chain = logbook.flash.head_of(run)
            state = logbook.flash.read_state(run)
            log_id = bytes(8) if state is None else state.log_id
        uptime_s, uptime_ms = self._now()
        utc_s, clock_state = self._read_clock()
        head = (run, log_id, blocks, chain, uptime_s, uptime_ms, utc_s, clock_state)
        nonce = bytes(nonce)
        key.begin(proof.signed_head(self._device_id, struct.pack(_SIGNED_FORMAT, *head), nonce))
        self._head = head
        self._signature = b""
        self._nonce = nonce

    def begin_public(self) -> None:
        """Begin to compute the public key, at most once in a board's life. ValueError: `begin`."""
        key = self._free_key()
        self._head = None
        if not key.public:
            key.begin_public()

    def step(self) -> bool:
        """Do a slice of the job; True when it is done. Records the signature in an open run."""
        key = self._key
        if key is None or not key.is_busy:
            return True
        if not key.step():
            return False
        self._public = key.public
        self._signature = key.result
        self._forget_key()
        self._keep_public(self._public)
        if self._head is not None:
            self._record(self._head, self._signature)
        return True

    def reply(self) -> tuple:
        """Return the values of SIGN_REPLY once `step` has said that the job is done."""
        if self._head is None or not self._signature:
            raise ValueError("nothing has been signed")
        return self._head + (self._signature,)

    def public(self) -> bytes:
        """Return the public key; empty while it is not computed, or when the board has none."""
        return self._public

    def drop(self) -> None:
        """Give the job up, if there is one."""
        if self._key is not None:
            self._key.drop()
            self._forget_key()
        self._head = None

    def _forget_key(self) -> None:
        """Let the key go, and its code; what it has made stays."""
        self._key = None
        once.let_go()

    def _free_key(self) -> "Ed25519":
        if not self._seed:
            raise ValueError("this board has no signing key")
        if self._key is None:
            from dewarlog_firmware.ed25519 import Ed25519

            self._key = Ed25519(self._seed, self._public)
        if self._key.is_busy:
            raise ValueError("a signature is being made")
        return self._key

    def _keep_public(self, public: bytes) -> None:
        if self._is_kept:
            return
        self._is_kept = True
        try:
            write_whole(self._path, public + _public_proof(self._seed, public))
        except OSError:
            pass  # it is computed anew after the next boot

    def _record(self, head: tuple, signature: bytes) -> None:
        """Put the signature into the log it is of, while that is open."""
        logbook = self._logbook
        run, _, blocks, _, uptime_s, uptime_ms, utc_s, clock_state = head
        if not logbook.is_open or run != logbook.recorder.run:
            return
        values = (blocks, uptime_s, uptime_ms, utc_s, clock_state, self._nonce, signature)
        logbook.at(*self._now())
        try:
            logbook.emit(layout.KIND_SIGNATURE, values)
            logbook.commit()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise
            # The log is full and says so; what was signed holds for who asked.


def _public_proof(seed: bytes, public: bytes) -> bytes:
    return proof.hmac_sha256(seed, _PUBLIC + public)[: proof.PROOF_BYTES]


def _load_public(path: str, seed: bytes) -> bytes:
    """Return the public key kept at `path`; empty when there is none, or not of this seed."""
    try:
        with open(path, "rb") as file:
            data = file.read(PUBLIC_BYTES + proof.PROOF_BYTES + 1)
    except OSError:
        return b""
    public = data[:PUBLIC_BYTES]
    if not proof.same(_public_proof(seed, public), data[PUBLIC_BYTES:]):
        return b""
    return public
