"""Knows every state that the sealing key has had; looks for what should be forgotten.

The board makes state 1 itself; from there on each state is computed here, by the specification's
own words (dewarlog_wire.seal), and never asked of the board again.
"""

from array import array

import micropython

from dewarlog_wire import block, seal
from simboard.device.cuts.broken import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PART_BYTES = 16


# Machine code: the whole flash is looked through behind each seal.
@micropython.viper
def _find_begins(image: ptr8, begins: ptr8, places: ptr32, count: int) -> int:  # noqa: F821 - viper has types of its own
    """Put the places from places[0] on where a part may begin into `places`; return how many.

    At most 4096: then the last of them is where to go on.
    """
    found = 0
    at = int(places[0])
    while at < count:
        if begins[image[at] | image[at + 1] << 8]:
            places[found] = at
            found += 1
            if found == 4096:
                break
        at += 1
    return found


class Seals:
    """The states, and which of them the board has. `image` is the whole flash."""

    def __init__(self, image: bytearray) -> None:
        self.index = 0  # of the board's state; 0: it has made none yet
        self.is_moving = False  # on to the next one: a cut may leave either
        self._states = []
        self._judged = 0  # the newest state that is looked for
        self._parts = {}  # of states and keys: index
        self._begins = bytearray(1 << 16)  # 1 at the first two bytes of each part
        self._places = array("I", [0] * 4096)
        self._image = image
        self._held = {}  # (key index, chain value): tags that were found right

    def state(self, index: int) -> bytes:
        """Return the state of an index."""
        while len(self._states) < index:
            self._states.append(seal.next_state(self._states[-1]))
        return self._states[index - 1]

    def on_opened(self, key: "Any", has_sealed: bool) -> None:
        """The board has looked for its key at a boot; `has_sealed`: a block of it is durable."""
        need(key.index, "the sealing key was lost")
        secret = bytes(key.secret)
        if not self.index or (not has_sealed and secret != self.state(self.index)):
            # Its first boot, or one after a cut in the midst of that.
            need(key.index == seal.FIRST_INDEX, "the first sealing key has index %d", key.index)
            self._states = [secret]
            self._judged = 0
            self.index = seal.FIRST_INDEX
        allowed = [self.index]
        if self.is_moving:
            allowed.append(self.index + 1)
        need(key.index in allowed, "the sealing key came back at %d of %r", key.index, allowed)
        need(secret == self.state(key.index), "the sealing key of %d is another", key.index)
        self.index = key.index
        self.is_moving = False

    def on_moved(self, key: "Any") -> None:
        """The board has moved on: the state before, and its key, are nowhere."""
        need(key.index == self.index + 1, "the sealing key went from %d on", self.index)
        need(bytes(key.secret) == self.state(key.index), "the key of %d is another", key.index)
        self.index = key.index
        self.is_moving = False
        self.need_all_forgotten()

    def need_all_forgotten(self) -> None:
        """No state before the board's is anywhere on the flash."""
        for index in range(self._judged + 1, self.index):
            self._look_for(index)
        self._judged = max(self._judged, self.index - 1)
        self._need_none_found()

    def _look_for(self, index: int) -> None:
        """From now on look for both halves of a state, and of its key."""
        state = self.state(index)
        key = seal.hmac_sha256(state, seal.KEY_TEXT)
        for whole in (state, key):
            for part in (whole[:_PART_BYTES], whole[_PART_BYTES:]):
                self._parts[part] = index
                self._begins[part[0] | part[1] << 8] = 1

    def _need_none_found(self) -> None:
        image, places = self._image, self._places
        at = -1
        count = len(places)
        while count == len(places):
            places[0] = at + 1
            count = _find_begins(image, self._begins, places, len(image) - _PART_BYTES + 1)
            for number in range(count):
                at = places[number]
                index = self._parts.get(bytes(image[at : at + _PART_BYTES]))
                need(
                    index is None,
                    "state %d or its key is on the flash at %d, of key %d",
                    index,
                    at,
                    self.index,
                )

    def need_seal(self, run: int, seq: int, data: bytes) -> int:
        """Check the seal of one block by the state of its index; return the index."""
        found = block.check_block(data, 0, None)
        index, tag = block.read_seal(data, found)
        need(0 < index <= self.index, "run %d: block %d has key index %d", run, seq, index)
        name = (index, bytes(found.chain))
        if self._held.get(name) != tag:
            wanted = seal.block_tag(self.state(index), name[1])
            need(tag == wanted, "run %d: the seal of block %d does not hold", run, seq)
            self._held[name] = tag
        return index
