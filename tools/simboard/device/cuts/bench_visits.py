"""What a host does to a board on the bench: another profile, runs erased, another device key.

As host's visits. What the board has answered must be durable; until it starts again it promises
nothing more; and what a cut leaves is the old or the new, whole.
"""

import struct

from dewarlog_wire import events, layout, proof
from dewarlog_wire.crc import crc32
from simboard.device.cuts.broken import need
from simboard.device.cuts.stored import run_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.cuts.host import Host, Visit

PROFILE_PATH = "/profile.json"
KEY_PATH = "/key.bin"
_LOG_ROOT = "/log"
_PART_BYTES = 200
_DEWAR = b'"dewar": "'


def put(host: "Host") -> "Visit":
    """Have another profile put in force: one letter of the dewar's name is another."""
    yield from _put(host, 1)


def put_again(host: "Host") -> "Visit":
    """Put the profile in force that the board has: another run begins by it."""
    yield from _put(host, 0)


def _put(host: "Host", change: int) -> "Visit":
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    answer = yield layout.MSG_GET, struct.pack(layout.GET.format, 0)
    if answer is None:
        return
    head = layout.GET_REPLY.size
    total, before_crc = struct.unpack_from(layout.GET_REPLY.format, answer, 0)
    before = bytearray(answer[head:])
    while len(before) < total:
        answer = yield layout.MSG_GET, struct.pack(layout.GET.format, len(before))
        if answer is None:
            return
        before += answer[head:]
    before = bytes(before)
    need(crc32(before) == before_crc, "GET gave another profile than it says")
    at = before.index(_DEWAR) + len(_DEWAR)
    letter = 65 + (before[at] - 65 + change) % 26
    profile = before[:at] + bytes((letter if change else before[at],)) + before[at + 1 :]
    for offset in range(0, total, _PART_BYTES):
        part = profile[offset : offset + _PART_BYTES]
        answer = yield layout.MSG_PUT, struct.pack(layout.PUT.format, total, offset) + part
        if answer is None:
            return
    values = (0, host.utc_s(), before_crc, crc32(profile))
    told = events.texts_body(layout.KIND_PROFILE, values, ("R. Lindqvist", ""))
    witness = host.witness
    run = witness.open_run
    witness.small[PROFILE_PATH] = (before, profile)
    answer = yield layout.MSG_PUT_END, struct.pack(layout.PUT_END.format, total) + told
    if answer is None:
        witness.small[PROFILE_PATH] = (before, None)
        return
    witness.small[PROFILE_PATH] = (profile, None)
    if run is not None:
        kinds = [event[:2] for event in run.events[: run.durable_events]]
        need((layout.KIND_PROFILE, told) in kinds, "PUT_END was answered before its event")
        need(run.closed, "PUT_END was answered, and its run goes on")
    yield from _nothing_more(host)


def seed(host: "Host") -> "Visit":
    """Have another device key made."""
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    witness = host.witness
    before = witness.small_file(KEY_PATH)
    if before is None:
        return
    secret = bytes([(host.clock.now >> at) & 0xFF for at in range(32)])
    key = proof.seeded_key(before[: proof.SECRET_BYTES], secret)
    after = key + struct.pack("<I", crc32(key))
    witness.small[KEY_PATH] = (before, after)
    witness.seeding = after
    answer = yield layout.MSG_SEED, secret
    if answer is None:
        witness.small[KEY_PATH] = (before, None)
        witness.seeding = None
        return
    witness.small[KEY_PATH] = (after, None)
    need(host.lock() == (0, 0), "SEED was answered, the lock is %r", host.lock())
    yield from _nothing_more(host)


def _nothing_more(host: "Host") -> "Visit":
    """Ask a board that is about to start again for what would have to last."""
    body = events.custody_body(1, host.utc_s(), ("R. Lindqvist", "Dock B", ""))
    answer = yield layout.MSG_MARK, body
    need(answer is None, "a board about to start again took a custody step")


def erase(host: "Host") -> "Visit":
    """Erase every run but the open one that a host has confirmed to hold."""
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    witness = host.witness
    run = witness.open_run
    if run is None:
        return
    body = struct.pack(layout.ERASE.format, run.number - 1, 0)
    answer = yield layout.MSG_ERASE, body
    if answer is None:
        return
    told = []
    for kind, event, _, _ in run.events[: run.durable_events]:
        if kind == layout.KIND_ERASE:
            told.append(struct.unpack_from("<I", event, 0)[0])
    erased, _ = struct.unpack(layout.ERASE_REPLY.format, answer)
    need(len(told) >= erased, "%d runs were erased, the log tells of %r", erased, told)
    for number in witness.removed_runs:
        need(number not in run_folders(_LOG_ROOT), "run %d was erased and is there", number)
