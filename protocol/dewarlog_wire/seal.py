"""The sealing key's one-way steps: what a board has forgotten, nobody can make it say.

Place in the line: beside block; below recorder, and the host's check of seals. State i gives key
i and state i + 1, and neither gives state i back. The board keeps the newest state alone; a host
that was given an older one can make every key since. Format: protocol/SPEC.md section 4.9.
"""

from dewarlog_wire.proof import hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    Readable = bytes | bytearray | memoryview

STATE_BYTES = 32
TAG_BYTES = 16
FIRST_INDEX = 1
KEY_TEXT = b"dewarlog seal key"
NEXT_TEXT = b"dewarlog seal next"


def next_state(state: "Readable") -> bytes:
    """Return the state behind this one."""
    return hmac_sha256(state, NEXT_TEXT)


def block_tag(state: "Readable", chain: "Readable") -> bytes:
    """Return the seal of the block with this chain value, by the key of this state."""
    return hmac_sha256(hmac_sha256(state, KEY_TEXT), chain)[:TAG_BYTES]
