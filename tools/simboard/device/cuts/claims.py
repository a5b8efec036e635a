"""What must hold on the flash after every boot that follows a cut: a list, to be added to.

Each claim takes the rig: `rig.witness` knows what was recorded and what of it was durable,
`rig.app` is the firmware's App that has just opened its run, `rig.flash.image` the whole chip. It
raises ClaimBroken. To claim more, write one more function and put it into CLAIMS.
"""

import struct
import sys

from dewarlog_firmware import app as firmware
from dewarlog_firmware.chips import PART_DEVICE_KEY
from dewarlog_firmware.device_key import KEY_PATH
from dewarlog_firmware.lock import LOCK_PATH
from dewarlog_firmware.shock_sampler import SENSOR_FAULT
from dewarlog_wire import block, layout, reader_names
from dewarlog_wire.crc import crc32
from simboard.device.console import CTRL_C
from simboard.device.cuts.broken import need
from simboard.device.cuts.stored import (
    StoredBlock,
    read_file,
    read_journal,
    read_segments,
    run_folders,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.cuts.rig import Rig
    from simboard.device.cuts.witness import RunWitness

_ROOT = firmware.LOG_ROOT
_OF_HOSTS = (
    layout.KIND_CLOCK_SYNC,
    layout.KIND_CUSTODY,
    layout.KIND_PULL,
    layout.KIND_HANDOFF,
    layout.KIND_ACKNOWLEDGE,
    layout.KIND_SIGNATURE,
)
_BY_HOST = reader_names.LOCK_CAUSE_NAMES.index("host")


def every_durable_block_is_there_and_equal(rig: "Rig") -> None:
    """Sealed blocks: each stored one is byte for byte what was sealed, in an unbroken chain."""
    stored = run_folders(_ROOT)
    for run in rig.witness.runs.values():
        if run.number in rig.witness.removed_runs:
            continue
        need(
            run.number in stored or not run.durable_blocks,
            "run %d has %d durable blocks and no folder",
            run.number,
            run.durable_blocks,
        )
        if run.number in stored:
            _check_blocks(rig, run)


def _check_blocks(rig: "Rig", run: "RunWitness") -> None:
    blocks, wrong = read_segments(_ROOT, run.number)
    rot = rig.witness.rot
    is_rotten = rot is not None and rot.run == run.number
    for name, offset, fault in wrong:
        need(
            is_rotten and rot.name == name and offset <= rot.at,
            "run %d: %s is damaged at byte %d: %s",
            run.number,
            name,
            offset,
            fault,
        )
    wanted, sample, event = 0, 0, 0
    chain = layout.CHAIN_START
    for stored in blocks:
        while wanted < stored.seq and (wanted in run.removed_blocks or is_rotten):
            if wanted in run.removed_blocks:
                sample, event = _counted_on(run, wanted, sample, event)
            wanted += 1
            chain = None
        need(stored.seq == wanted, "run %d: block %d, not %d", run.number, stored.seq, wanted)
        need(wanted < len(run.blocks), "run %d: block %d was never sealed", run.number, wanted)
        need(
            stored.data == run.blocks[wanted],
            "run %d: block %d is not the one that was sealed",
            run.number,
            wanted,
        )
        need(
            (wanted == 0) == (stored.kind == layout.BLOCK_RUN),
            "run %d: block %d is of kind %d",
            run.number,
            wanted,
            stored.kind,
        )
        block.check_block(stored.data, 0, chain)
        if stored.span is not None:
            first, count = stored.span
            need(
                first == sample or is_rotten,
                "run %d: samples %d to %d missing",
                run.number,
                sample,
                first - 1,
            )
            sample = first + count
        if stored.events is not None:
            first, count = stored.events
            need(
                first == event or is_rotten,
                "run %d: events %d to %d missing",
                run.number,
                event,
                first - 1,
            )
            event = first + count
        chain = stored.chain
        wanted += 1
        rig.witness.checks += 1
    while wanted in run.removed_blocks:
        sample, event = _counted_on(run, wanted, sample, event)
        wanted += 1
    if is_rotten:
        return
    need(
        wanted >= run.durable_blocks,
        "run %d: %d blocks are there, %d were durable",
        run.number,
        wanted,
        run.durable_blocks,
    )
    if run.closed and run is not rig.witness.open_run:
        need(
            sample >= run.durable_samples and event >= run.durable_events,
            "run %d is closed with %d samples and %d events sealed; %d and %d were durable",
            run.number,
            sample,
            event,
            run.durable_samples,
            run.durable_events,
        )


def _counted_on(run: "RunWitness", seq: int, sample: int, event: int) -> tuple:
    """Return the numbers of the sample and the event that follow a block that was given up."""
    removed = _block_of(run, seq)
    return (
        sum(removed.span) if removed.span else sample,
        sum(removed.events) if removed.events else event,
    )


def _block_of(run: "RunWitness", seq: int) -> StoredBlock:
    """Return a block as it was sealed: one that was removed stays in the witness."""
    data = run.blocks[seq]
    return StoredBlock(data, block.check_block(data, 0, None))


def the_journal_continues_the_blocks(rig: "Rig") -> None:
    """The open journal: whole, and it holds exactly what is not yet sealed."""
    run = rig.witness.open_run
    found = read_journal(_ROOT, run.number)
    need(found is not None, "run %d has no journal", run.number)
    head, records, torn = found
    recorder = rig.app.logbook.recorder
    need(not torn, "run %d: %d bytes of the journal are torn after a boot", run.number, torn)
    need(
        head[3:6] == (recorder.blocks, recorder.first_sample, recorder.first_event),
        "run %d: the journal begins at %r, the recorder at %r",
        run.number,
        head[3:6],
        (recorder.blocks, recorder.first_sample, recorder.first_event),
    )
    sample, event = recorder.first_sample, recorder.first_event
    for kind, body in records:
        if kind == layout.JOURNAL_SAMPLE:
            values = struct.unpack("<%dh" % (len(body) // 2), body)
            said = run.samples[sample]
            need((values[0], values[1:]) == said, "run %d: sample %d differs", run.number, sample)
            sample += 1
        elif kind == layout.JOURNAL_EVENT:
            event_kind, _, ms, s = struct.unpack_from(layout.EVENT_HEAD.format, body, 0)
            said = (event_kind, body[layout.EVENT_HEAD.size :], s, ms)
            need(said == run.events[event], "run %d: event %d differs", run.number, event)
            event += 1
    need(
        sample >= run.durable_samples and event >= run.durable_events,
        "run %d: blocks and journal hold %d samples and %d events, %d and %d were durable",
        run.number,
        sample,
        event,
        run.durable_samples,
        run.durable_events,
    )
    rig.witness.checks += len(records)


def every_boot_and_hole_is_told(rig: "Rig") -> None:
    """A boot that recorded samples stands in the log with the gap that it ended."""
    run = rig.witness.open_run
    told = set()
    for number in range(len(run.events)):
        kind, body, _, _ = run.events[number]
        if kind != layout.KIND_BOOT:
            continue
        boot = struct.unpack(layout.EVENT_BOOT.format, body)[1]
        told.add(boot)
        if boot:
            kinds = [event[0] for event in run.events[number + 1 : number + 3]]
            if kinds and kinds[0] == layout.KIND_SEAL_KEY:
                kinds.pop(0)
            follows = kinds[0] if kinds else None
            need(follows == layout.KIND_GAP, "run %d: boot %d tells no gap", run.number, boot)
    need(run.boots <= told, "run %d: samples of boots %r, told %r", run.number, run.boots, told)


def what_was_given_up_is_told(rig: "Rig") -> None:
    """The last word on overwritten samples that is still stored counts each of them, and no more.

    But for the oldest segment behind the first, which is told before it goes.
    """
    run = rig.witness.open_run
    rot = rig.witness.rot
    if rot is not None and rot.run == run.number:
        return  # the event itself may be damaged: the boot tells that bytes were dropped
    lost, gone = 0, set()
    for seq in run.removed_blocks:
        removed = _block_of(run, seq)
        lost += removed.span[1] if removed.span else 0
        if removed.events:
            gone.update(range(removed.events[0], sum(removed.events)))
    told = None
    for number in range(len(run.events)):
        kind, body, _, _ = run.events[number]
        if kind == layout.KIND_GAP and number not in gone:
            gap = struct.unpack(layout.EVENT_GAP.format, body)
            if gap[1] == layout.GAP_OVERWRITTEN:
                told = gap[4]
    if told is None:
        need(not run.removed_blocks, "run %d: no word is left of what was overwritten", run.number)
        return
    stored = read_segments(_ROOT, run.number)[0]
    names = sorted({found.segment for found in stored})
    going = 0
    for found in stored:
        if found.segment == names[1] and found.span:
            going += found.span[1]
    need(
        told in (lost, lost + going),
        "run %d: %d samples were overwritten, %d are told",
        run.number,
        lost,
        told,
    )


def small_files_are_old_or_new(rig: "Rig") -> None:
    """Key, radio state and run states: what was there before, or what was being written."""
    for path, (durable, writing) in rig.witness.small.items():
        found = read_file(path)
        allowed = [durable]
        if writing is not None:
            allowed.append(writing)
        if path == firmware.RADIO_PATH:
            allowed.append(None)  # a new run, or the profile's own state, deletes it
        if rig.witness.is_rotten(path):
            continue  # its CRC tells the firmware
        need(found in allowed, "%s holds %r, of %r", path, found, allowed)
        if writing is not None:
            rig.witness.small[path] = (found, None)
        rig.witness.checks += 1


def a_confirmed_run_stays_confirmed(rig: "Rig") -> None:
    """A CONFIRM that was answered outlasts the cut."""
    flash = rig.app.logbook.flash
    for run in rig.witness.runs.values():
        if run.confirmed_blocks and run.number not in rig.witness.removed_runs:
            state = flash.read_state(run.number)
            rot = rig.witness.rot
            if rot is not None and rot.name == "state" and state is None:
                continue  # its CRC told: nothing is known, so nothing is given up
            need(
                state is not None and state.confirmed_blocks >= run.confirmed_blocks,
                "run %d: a host confirmed %d blocks, the board knows of %r",
                run.number,
                run.confirmed_blocks,
                None if state is None else state.confirmed_blocks,
            )


def every_stored_block_has_its_seal(rig: "Rig") -> None:
    """Tags hold by the states that follow from the first; none serves two blocks or is left out.

    A block that was given up keeps its number: what the witness has of it tells.
    """
    seals = rig.witness.seals
    seen = set()
    for number in run_folders(_ROOT):
        for stored in read_segments(_ROOT, number)[0]:
            index = seals.need_seal(number, stored.seq, stored.data)
            need(index not in seen, "key index %d stands under two stored blocks", index)
            seen.add(index)
    last = 0
    for number in sorted(rig.witness.runs):
        run = rig.witness.runs[number]
        blocks = run.blocks if run.durable_blocks else []  # else it never began
        for seq, data in enumerate(blocks):
            index = seals.need_seal(number, seq, data)
            need(
                index == last + 1 or rig.witness.has_log_rot,
                "run %d: block %d has key index %d behind %d",
                number,
                seq,
                index,
                last,
            )
            last = index
    if not rig.witness.has_log_rot:
        need(seals.index == last + 1, "the key is at %d, the last block had %d", seals.index, last)


def no_earlier_state_is_anywhere(rig: "Rig") -> None:
    """The whole flash, littlefs' spent blocks included, has no state before the newest."""
    rig.witness.seals.need_all_forgotten()


def the_lock_is_as_it_was_left(rig: "Rig") -> None:
    """Claimed and locked are as the file says, and Ctrl-C does what the lock says."""
    data = read_file(LOCK_PATH)
    wanted = (False, False) if data is None else (data[0] != 0, data[1] != 0)
    if rig.witness.is_rotten(LOCK_PATH) and crc32(data[:-4]) != _crc_in(data):
        wanted = (True, True)  # the safe side
    lock = rig.app.guard.lock
    found = (lock.is_claimed, lock.is_locked)
    need(found == wanted, "the lock is %r after a boot, its file says %r", found, wanted)
    stops = rig.board.console.interrupt_char
    need(stops == (-1 if lock.is_locked else CTRL_C), "Ctrl-C is %d, the lock %r", stops, found)


def _crc_in(data: bytes) -> int:
    return struct.unpack_from("<I", data, len(data) - 4)[0]


def a_new_key_is_nobodys(rig: "Rig") -> None:
    """A board whose key is another since SEED is not claimed: its owner's key would be gone."""
    after = rig.witness.seeding
    rig.witness.seeding = None
    if after is not None and read_file(KEY_PATH) == after:
        lock = rig.app.guard.lock
        need(not lock.is_claimed, "the board has a new key, and is claimed by the old one")


def what_was_answered_is_still_told(rig: "Rig") -> None:
    """Each custody step that a host was told is recorded has its pin behind it."""
    for run, number, follows in rig.witness.promised:
        found = run.events[number + 1][:2] if number + 1 < len(run.events) else None
        rot = rig.witness.rot
        if rot is not None and rot.run == run.number:
            continue
        need(found == follows, "run %d: behind event %d stands %r", run.number, number, found)


def every_host_is_named(rig: "Rig") -> None:
    """An event that only a host brings about has a word on who spoke before it, in its boot."""
    run = rig.witness.open_run
    is_named = False
    for number in range(len(run.events)):
        kind, body, _, _ = run.events[number]
        if kind == layout.KIND_BOOT:
            is_named = False
        elif kind == layout.KIND_ACCESS:
            is_named = is_named or body[0] in (layout.ACCESS_OPEN, layout.ACCESS_PROVEN)
        elif kind in _OF_HOSTS or (kind == layout.KIND_LOCK and body[1] == _BY_HOST):
            need(is_named, "run %d: nobody is named for event %d", run.number, number)


def another_firmware_and_profile_are_told(rig: "Rig") -> None:
    """Versions that the board remembers are in the log; so are settings that are others."""
    kinds = set()
    for run in rig.witness.runs.values():
        kinds.update([event[0] for event in run.events])
    if rig.witness.small_file(rig.firmware_path) == _versions_file(rig.versions.VERSION):
        is_told = rig.witness.is_rotten(rig.firmware_path)
        is_told = (
            is_told or rig.first_version == rig.versions.VERSION or layout.KIND_FIRMWARE in kinds
        )
        need(is_told, "the board has another firmware, and no log says so")
    run = rig.witness.open_run
    former = rig.witness.runs.get(run.number - 1)
    if former is None or not former.durable_blocks or not run.durable_samples:
        return
    if _settings_of(former.blocks[0]) != _settings_of(run.blocks[0]):
        told = [event[0] for event in run.events]
        need(
            layout.KIND_SETTING in told,
            "run %d has other settings and does not say so",
            run.number,
        )


def excursions_are_those_without_a_cut(rig: "Rig") -> None:
    """The device's own excursion events are those of an engine that never lost power."""
    rig.witness.check_excursions(_unpack)


def _unpack(kind: int, body: bytes) -> tuple:
    return struct.unpack(layout.EVENTS[kind].format, body)


def _settings_of(data: bytes) -> set:
    found = block.check_block(data, 0, None)
    settings = set()
    for kind, start, end in block.sections(data, found.body_start, found.body_end):
        if kind != layout.SECTION_IDENTITY:
            settings.add((kind, data[start:end]))
    return settings


def _versions_file(versions: tuple) -> bytes:
    data = bytes(versions) + bytes(sys.implementation.version[:3])
    return data + struct.pack("<I", crc32(data))


def the_device_key_is_the_first(rig: "Rig") -> None:
    """It is never another; a board whose key is damaged says so and proves nothing."""
    run = rig.witness.open_run
    faults = [event[1] for event in run.events if event[0] == layout.KIND_SENSOR]
    told = bytes((PART_DEVICE_KEY, SENSOR_FAULT)) in faults
    is_damaged = rig.witness.is_rotten(KEY_PATH)
    need(is_damaged or not told, "run %d: the device key is told to be damaged", run.number)
    has_key = any(rig.app.guard.keys.secret(key) for key in layout.KEY_NAMES)
    need(has_key != is_damaged, "a board whose device key is damaged proves what it likes")


CLAIMS = [
    every_durable_block_is_there_and_equal,
    the_journal_continues_the_blocks,
    every_boot_and_hole_is_told,
    what_was_given_up_is_told,
    small_files_are_old_or_new,
    a_confirmed_run_stays_confirmed,
    excursions_are_those_without_a_cut,
    every_stored_block_has_its_seal,
    no_earlier_state_is_anywhere,
    the_lock_is_as_it_was_left,
    a_new_key_is_nobodys,
    what_was_answered_is_still_told,
    every_host_is_named,
    another_firmware_and_profile_are_told,
    the_device_key_is_the_first,
]
