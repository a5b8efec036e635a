meta:
  id: dewarlog
  title: dewarlog log file
  file-extension: dwl
  license: MIT
  endian: le
  encoding: UTF-8
doc: |
  A dewarlog log: the sealed blocks of one run of a dry-shipper logger, then, where the run was still
  open, its journal. Normative text: SPEC.md beside this file; field names are those of its tables.

  Kaitai Struct reads and shows; it checks no CRC and no chain. A damaged log is for `dewarlog check`.
seq:
  - id: items
    type: item
    repeat: eos
types:
  item:
    seq:
      - id: content
        type:
          switch-on: magic
          cases:
            'magics::block': block
            'magics::journal': journal
            _: unreadable
    instances:
      magic:
        pos: _io.pos
        type: u4
        enum: magics

  unreadable:
    doc: Bytes that begin neither a block nor a journal; everything from here on.
    seq:
      - id: bytes
        size-eos: true

  # --- blocks (SPEC.md section 4) ---------------------------------------------------------------
  block:
    seq:
      - id: header
        type: block_header
      - id: body
        type: sections
        size: header.length - 84
      - id: seal
        type: block_seal

  sections:
    seq:
      - id: sections
        type: section
        repeat: eos

  section:
    seq:
      - id: kind
        type: u1
        enum: section_kinds
      - id: length
        type: u2
      - id: payload
        size: length
        type:
          switch-on: kind
          cases:
            'section_kinds::span': span
            'section_kinds::column': column
            'section_kinds::states': state_runs
            'section_kinds::raw': raw_sets
            'section_kinds::events': events
            'section_kinds::identity': identity
            'section_kinds::text': text
            'section_kinds::sampling': sampling
            'section_kinds::channel': channel
            'section_kinds::rule': rule
            'section_kinds::shock_settings': shock_settings
            'section_kinds::tilt_settings': tilt_settings
            'section_kinds::calibration': calibration
            'section_kinds::arming': arming
            'section_kinds::handling': handling
            'section_kinds::shock_head': shock_head

  column:
    doc: |
      A column of values, coded (SPEC.md 4.6). `coded` is one parameter byte for each 256 values, the
      remainder plane and the unary plane; how many values there are says the block's `span` or
      `shock_head`.
    seq:
      - id: channel
        type: u1
        doc: or 255, for the whole sample
      - id: quantity
        type: u1
        enum: quantities
      - id: first
        type: s2
        doc: the first value, where the predictor starts
      - id: coded
        size-eos: true

  state_runs:
    seq:
      - id: runs
        type: state_run
        repeat: eos

  raw_sets:
    seq:
      - id: sets
        type: raw_set
        repeat: eos

  text:
    seq:
      - id: which
        type: u1
        enum: texts
      - id: text
        type: str
        size-eos: true

  calibration:
    seq:
      - id: channel
        type: u1
      - id: point
        type: u1
        doc: 0 ice point, 1 LN2 point, 2 other bath
      - id: reference_count
        type: s2
        doc: 1/128 degC; what the probe should have read
      - id: indicated_count
        type: s2
        doc: 1/128 degC; what it read, without any offset
      - id: u_count
        type: u2
        doc: 1/128 degC; standard uncertainty of the comparison
      - id: pressure_pa
        type: u4
        doc: 'Pa; of the air over liquid nitrogen; 0: not needed'
      - id: utc_s
        type: u4
        doc: s
      - id: serial
        size: 12
        doc: 'of the probe then: another one now makes this void'
      - id: reference
        type: short_text

  arming:
    seq:
      - id: utc_s
        type: u4
        doc: s; the host's clock
      - id: planned_s
        type: u4
        doc: s; how long the trip is to take
      - id: static_hold_s
        type: u4
        doc: 's; what the charge gives at rest; 0: not known'
      - id: charge_g
        type: u4
        doc: 'g; liquid nitrogen by weight; 0: not weighed'
      - id: overridden
        type: u2
        doc: 'bits of what stood against it: 1 probe not cold, 2 probe not stable, 4 probe fault, 8 charge, 16 calibration, 32 clock, 64 memory, 128 supply, 256 log not pulled, 512 sensors'
      - id: actor
        type: short_text
      - id: reason
        type: short_text

  # --- events (section 5) -----------------------------------------------------------------------
  events:
    seq:
      - id: head
        type: events_head
      - id: events
        type: event
        repeat: expr
        repeat-expr: head.count

  event:
    seq:
      - id: head
        type: event_head
      - id: body
        size: head.length
        type:
          switch-on: head.kind
          cases:
            1: boot
            2: stop
            3: clock_read
            4: clock_sync
            5: gap
            6: probe_state
            7: excursion_begin
            8: excursion_extreme
            9: excursion_end
            10: shock
            11: tilt
            12: supply
            13: custody
            14: pull
            15: sensor
            16: radio
            17: handoff
            18: acknowledge
            19: access
            20: lock
            21: firmware
            22: setting
            23: pin
            24: signature
            25: seal_key
            26: profile
            27: selftest
            28: erase

  custody:
    seq:
      - id: step
        type: u1
        doc: 0 pack-out, 1 depart, 2 handoff, 3 receive, 4 store, 5 remove, 6 thaw start, 7 infuse, 8 note
      - id: utc_s
        type: u4
        doc: s; the host's clock
      - id: actor
        type: short_text
      - id: place
        type: short_text
      - id: note
        type: short_text

  handoff:
    seq:
      - id: utc_s
        type: u4
        doc: s; the host's clock
      - id: verdict
        type: u1
        doc: 0 USE, 1 HOLD, 2 NO DATA, 3 NOT INTACT
      - id: role
        type: u1
        doc: of the receiver; 0 courier, 1 depot, 2 receiving site, 3 sender, 4 other
      - id: blocks
        type: u4
        doc: blocks the receiver's host held and had checked
      - id: chain
        size: 32
        doc: the chain value after that many blocks
      - id: giver
        type: short_text
      - id: receiver
        type: short_text
      - id: place
        type: short_text

  acknowledge:
    seq:
      - id: state
        type: u1
        doc: 'bits of what was seen: 1 recording, 2 excursion, 4 fault, 8 clock unset, 16 low supply, 32 memory full, 64 held, 128 warning'
      - id: utc_s
        type: u4
        doc: s; the host's clock
      - id: actor
        type: short_text
      - id: note
        type: short_text

  access:
    seq:
      - id: result
        type: u1
        doc: 0 unproven, 1 proven, 2 proof refused, 3 token refused, 4 locked out
      - id: link
        type: u1
        doc: 0 USB, 1 radio
      - id: key
        type: u1
        doc: 0 none, 1 courier, 3 reader, 4 admin
      - id: failures
        type: u2
        doc: 'proofs refused since the last that held; 65535: or more'
      - id: token
        size: 8
        doc: 'id of the token; zero: the key itself, or none'
      - id: holder
        type: short_text

  profile:
    seq:
      - id: purpose
        type: u1
        doc: 0 provision, 1 calibrate, 2 arm, 3 other
      - id: utc_s
        type: u4
        doc: s; the host's clock
      - id: before_crc32
        type: u4
        doc: 'of /profile.json; 0: there was none'
      - id: crc32
        type: u4
      - id: actor
        type: short_text
      - id: note
        type: short_text

  setting:
    seq:
      - id: section
        type: u1
        doc: kind of section of block 0
      - id: index
        type: u1
        doc: which of its kind in block 0, from 0
      - id: flags
        type: u1
        doc: 1 the old payload is cut, 2 the new one is
      - id: before_run
        type: u4
        doc: the run that had the old one
      - id: before_bytes
        type: u1
        doc: byte
      - id: before
        size: before_bytes
      - id: after
        size-eos: true

  short_text:
    seq:
      - id: length
        type: u1
      - id: text
        type: str
        size: length

  # --- journal (section 6) ----------------------------------------------------------------------
  journal:
    seq:
      - id: head
        type: journal_head
      - id: records
        type: journal_record
        repeat: until
        repeat-until: not _.is_whole or _io.size - _io.pos < 7
        if: _io.size - _io.pos >= 7
      - id: torn_tail
        size-eos: true
        doc: |
          What power failed in the middle of. A record whose CRC is wrong ends the journal as well;
          that is not seen here.

  journal_record:
    seq:
      - id: kind
        type: u1
        enum: record_kinds
      - id: length
        type: u2
      - id: body
        size: length
        if: is_whole
        type:
          switch-on: kind
          cases:
            'record_kinds::sample': journal_sample
            'record_kinds::raw': raw_set
            'record_kinds::event': event
            'record_kinds::span': journal_span
      - id: crc32
        type: u4
        if: is_whole
        doc: of the record before it, continued from the CRC before that
    instances:
      is_whole:
        value: _io.size - _io.pos >= length + 4

  journal_sample:
    seq:
      - id: lateness_ms
        type: s2
      - id: codes
        type: s2
        repeat: eos

  # --- records: the tables of SPEC.md -----------------------------------------------------------
  block_header:
    seq:
      - id: magic
        contents: DWLB
      - id: version
        type: u1
        doc: of the format
      - id: kind
        type: u1
      - id: flags
        type: u2
        doc: 0 in this version
      - id: length
        type: u4
        doc: 'byte; the whole block: header, body and seal'
      - id: run
        type: u4
        doc: number of the run on this board
      - id: block_seq
        type: u4
        doc: 0, 1, 2 ... within the run
      - id: boot
        type: u2
        doc: '1, 2, 3 ... within the run: counts up at each start of the board'
      - id: uptime_ms
        type: u2
        doc: ms; 0 to 999
      - id: uptime_s
        type: u4
        doc: s; when the block's content begins

  block_seal:
    seq:
      - id: chain
        size: 32
        doc: SHA-256(previous chain || header || body)
      - id: key_index
        type: u4
        doc: '0: no sealing key was in use'
      - id: tag
        size: 16
        doc: HMAC-SHA256 seal, first 16 bytes; zero when key_index is 0
      - id: crc32
        type: u4
        doc: CRC-32 of everything before it

  span:
    seq:
      - id: first_sample
        type: u4
        doc: number within the run of the first sample
      - id: count
        type: u2
        doc: 'samples, and values in each column of the block: 1 to 4096'
      - id: interval_ms
        type: u4
        doc: ms; between nominal times

  state_run:
    seq:
      - id: channel
        type: u1
      - id: state
        type: u1
      - id: first
        type: u2
        doc: index within the block
      - id: count
        type: u2

  raw_set:
    seq:
      - id: channel
        type: u1
      - id: fault
        type: u1
        doc: MAX31856 fault status register
      - id: index
        type: u2
        doc: sample index within the block
      - id: voltage_raw
        type: s4
        doc: 19-bit code; volts = code / (gain * 1.6 * 2**17)
      - id: cold_junction_raw
        type: s2
        doc: 1/64 degC

  identity:
    seq:
      - id: device_id
        size: 8
      - id: log_id
        size: 8
        doc: random, made when the run began; never repeats
      - id: firmware_major
        type: u1
      - id: firmware_minor
        type: u1
      - id: firmware_patch
        type: u1
      - id: micropython_major
        type: u1
      - id: micropython_minor
        type: u1
      - id: micropython_patch
        type: u1
      - id: began_utc_s
        type: u4
        doc: s; the board's clock when the run began, or UTC_UNKNOWN

  sampling:
    seq:
      - id: interval_ms
        type: u4
        doc: ms
      - id: fast_interval_ms
        type: u4
        doc: 'ms; while a rule is pending or active; 0: never faster'
      - id: conversions
        type: u2
        doc: per sample; above 1 the min and max columns exist
      - id: gain
        type: u1
        doc: 'voltage gain of the converter: 8 or 32'
      - id: full_policy
        type: u1

  channel:
    seq:
      - id: channel
        type: u1
      - id: probe_type
        type: u1
        doc: 'ASCII letter: T, K or E'
      - id: placement
        type: u1
      - id: offset_count
        type: s2
        doc: 1/128 degC; calibration, added by the board after linearising
      - id: calibration_u_count
        type: u2
        doc: 1/128 degC; standard uncertainty of that calibration
      - id: calibrated_utc_s
        type: u4
        doc: 's; UTC_UNKNOWN: never'
      - id: calibration_due_utc_s
        type: u4
        doc: s
      - id: serial
        size: 12
        doc: probe serial, ASCII, zero-padded

  rule:
    seq:
      - id: rule
        type: u1
        doc: 0 to 7
      - id: kind
        type: u1
      - id: mode
        type: u1
      - id: severity
        type: u1
      - id: channel_mask
        type: u1
        doc: 'bit n: channel n'
      - id: threshold
        type: s2
        doc: 1/128 degC; for a rate, K/h
      - id: hysteresis
        type: u2
        doc: in the unit of the threshold
      - id: dwell_s
        type: u4
        doc: s
      - id: rate_window_s
        type: u2
        doc: s

  shock_settings:
    seq:
      - id: rate_hz
        type: u2
        doc: Hz
      - id: count_mg
        type: u2
        doc: mg; acceleration of one count
      - id: range_g
        type: u2
        doc: g
      - id: trigger_count
        type: u2
        doc: counts on any axis that wake the capture
      - id: quiet_ms
        type: u2
        doc: 'ms; below the trigger this long: the shock has ended'
      - id: pre_trigger
        type: u2
        doc: samples kept before the trigger
      - id: window
        type: u2
        doc: samples kept at most
      - id: band_1_g
        type: u2
        doc: g; lower edges of the severity bands, on the resultant peak
      - id: band_2_g
        type: u2
        doc: g
      - id: band_3_g
        type: u2
        doc: g
      - id: hold_band
        type: u1
        doc: 'a shock in this band or above means HOLD; 0: never'
      - id: hold_velocity_change_mm_s
        type: u2
        doc: mm/s; and it must reach this

  tilt_settings:
    seq:
      - id: edge_1_deg
        type: u1
        doc: deg; 0-30, 30-60, 60-120, above 120 from upright
      - id: edge_2_deg
        type: u1
        doc: deg
      - id: edge_3_deg
        type: u1
        doc: deg
      - id: hold_band
        type: u1
        doc: 'minutes in this band or above count; 0: never HOLD'
      - id: hold_minutes
        type: u2
        doc: min
      - id: period_s
        type: u2
        doc: s

  handling:
    seq:
      - id: thaw_to_infusion_min
        type: u2
        doc: 'min; from thaw start to infuse at most; 0: not told'
      - id: calibration_policy
        type: u1
        doc: past its due date; 0 warn, 1 refuse

  shock_head:
    seq:
      - id: shock
        type: u2
        doc: number of the shock within the run
      - id: count
        type: u2
        doc: samples in each of the three columns that follow
      - id: trigger
        type: u2
        doc: index of the sample that woke the capture
      - id: rate_hz
        type: u2
        doc: Hz
      - id: count_mg
        type: u2
        doc: mg
      - id: flags
        type: u1

  events_head:
    seq:
      - id: first_event
        type: u4
        doc: number within the run of the first event
      - id: count
        type: u2

  event_head:
    seq:
      - id: kind
        type: u1
      - id: length
        type: u1
        doc: byte; of the body that follows this head
      - id: uptime_ms
        type: u2
        doc: ms
      - id: uptime_s
        type: u4
        doc: s

  boot:
    seq:
      - id: cause
        type: u1
      - id: boot
        type: u2
      - id: recovered_samples
        type: u2
        doc: found in the journal after the last stop
      - id: dropped_bytes
        type: u2
        doc: byte; torn tail of the journal, not readable
      - id: utc_s
        type: u4
        doc: s
      - id: clock_state
        type: u1

  stop:
    seq:
      - id: cause
        type: u1

  clock_read:
    seq:
      - id: utc_s
        type: u4
        doc: 's; what the clock chip said: true time is in [utc_s, utc_s + 1)'
      - id: clock_state
        type: u1

  clock_sync:
    seq:
      - id: utc_s
        type: u4
        doc: s; what the host said
      - id: utc_ms
        type: u2
        doc: ms
      - id: error_ms
        type: u2
        doc: ms; what the host says it may be wrong by
      - id: before_utc_s
        type: u4
        doc: s; what the clock chip said before it was set
      - id: before_state
        type: u1

  gap:
    seq:
      - id: stream
        type: u1
      - id: cause
        type: u1
      - id: length_ms
        type: u2
        doc: ms; 0 to 999
      - id: length_s
        type: u4
        doc: 's; GAP_LENGTH_UNKNOWN: no clock to tell'
      - id: missed
        type: u4
        doc: samples that should have been there

  probe_state:
    seq:
      - id: channel
        type: u1
      - id: state
        type: u1
      - id: before
        type: u1
      - id: fault
        type: u1
      - id: sample
        type: u4
        doc: the first sample in the new state

  excursion_begin:
    seq:
      - id: rule
        type: u1
      - id: channel
        type: u1
      - id: value
        type: s2
        doc: at the declaring sample, in the unit of the rule's threshold
      - id: onset
        type: u4
        doc: first sample of this stay beyond the threshold
      - id: sample
        type: u4
        doc: the sample at which the dwell was reached

  excursion_extreme:
    seq:
      - id: rule
        type: u1
      - id: channel
        type: u1
      - id: value
        type: s2
      - id: onset
        type: u4
      - id: sample
        type: u4
        doc: where the extreme stands

  excursion_end:
    seq:
      - id: rule
        type: u1
      - id: channel
        type: u1
      - id: duration_ms
        type: u2
        doc: ms; 0 to 999
      - id: duration_s
        type: u4
        doc: s; beyond the threshold in this stay, gaps and faults not counted
      - id: onset
        type: u4
      - id: sample
        type: u4
        doc: the first sample back inside

  shock:
    seq:
      - id: shock
        type: u2
      - id: band
        type: u1
      - id: flags
        type: u1
      - id: peak_x
        type: s2
        doc: counts, gravity removed
      - id: peak_y
        type: s2
      - id: peak_z
        type: s2
      - id: peak
        type: u2
        doc: resultant, counts
      - id: duration_us
        type: u4
        doc: us
      - id: velocity_change_mm_s
        type: u2
        doc: mm/s; resultant

  tilt:
    seq:
      - id: band
        type: u1
        doc: the band entered, or still in
      - id: angle_deg
        type: u1
        doc: deg; from upright
      - id: band_0_s
        type: u4
        doc: s; totals since the run began
      - id: band_1_s
        type: u4
        doc: s
      - id: band_2_s
        type: u4
        doc: s
      - id: band_3_s
        type: u4
        doc: s

  supply:
    seq:
      - id: supply_mv
        type: u2
        doc: mV
      - id: low
        type: u1

  pull:
    seq:
      - id: block_seq
        type: u4
        doc: the last block the host confirmed it holds
      - id: utc_s
        type: u4
        doc: s

  sensor:
    seq:
      - id: part
        type: u1
      - id: state
        type: u1

  radio:
    seq:
      - id: state
        type: u1
        doc: 0 off (flight mode), 1 on
      - id: cause
        type: u1
        doc: 0 profile, 1 host, 2 time over, 3 fault
      - id: minutes
        type: u2
        doc: 'min; how long it stays so; 0: until something else says so'

  lock:
    seq:
      - id: state
        type: u1
        doc: 0 open, 1 locked
      - id: cause
        type: u1
        doc: 0 profile, 1 host

  firmware:
    seq:
      - id: before_major
        type: u1
      - id: before_minor
        type: u1
      - id: before_patch
        type: u1
      - id: before_micropython_major
        type: u1
      - id: before_micropython_minor
        type: u1
      - id: before_micropython_patch
        type: u1
      - id: major
        type: u1
      - id: minor
        type: u1
      - id: patch
        type: u1
      - id: micropython_major
        type: u1
      - id: micropython_minor
        type: u1
      - id: micropython_patch
        type: u1

  pin:
    seq:
      - id: blocks
        type: u4
      - id: chain
        size: 32
        doc: the chain value after that many blocks

  signature:
    seq:
      - id: blocks
        type: u4
      - id: uptime_s
        type: u4
        doc: s
      - id: uptime_ms
        type: u2
        doc: ms
      - id: utc_s
        type: u4
        doc: s
      - id: clock_state
        type: u1
      - id: nonce
        size: 16
        doc: of the host that asked
      - id: signature
        size: 64
        doc: Ed25519 (SPEC.md 7.10)

  seal_key:
    seq:
      - id: state
        type: u1
        doc: 0 in use, 1 new, 2 lost
      - id: key_index
        type: u4
        doc: 'of the next block''s seal; 0: none'

  selftest:
    seq:
      - id: test
        type: u1
        doc: SPEC.md section 5 names them
      - id: index
        type: u1
        doc: which of several
      - id: verdict
        type: u1
        doc: 0 pass, 1 fail, 2 not there
      - id: value
        type: s4
        doc: in the unit of the test
      - id: least
        type: s4
        doc: passes from here
      - id: most
        type: s4
        doc: to here

  erase:
    seq:
      - id: run
        type: u4
      - id: log_id
        size: 8
      - id: blocks
        type: u4
        doc: it had
      - id: confirmed
        type: u1
        doc: '1: a host had confirmed to hold all of it'

  journal_head:
    seq:
      - id: magic
        contents: DWLJ
      - id: version
        type: u1
      - id: columns
        type: u1
        doc: i16 values in each sample record, lateness not counted
      - id: boot
        type: u2
      - id: run
        type: u4
      - id: block_seq
        type: u4
        doc: blocks sealed when this journal was opened
      - id: first_sample
        type: u4
      - id: first_event
        type: u4
      - id: uptime_ms
        type: u2
        doc: ms; when the journal was opened
      - id: uptime_s
        type: u4
        doc: s
      - id: crc32
        type: u4

  journal_span:
    seq:
      - id: interval_ms
        type: u4
        doc: ms
      - id: uptime_ms
        type: u2
        doc: ms; nominal time of the first sample
      - id: uptime_s
        type: u4
        doc: s


enums:
  magics:
    0x424c5744: block
    0x4a4c5744: journal
  section_kinds:
    1: span
    2: column
    3: states
    4: raw
    5: events
    16: identity
    17: text
    18: sampling
    19: channel
    20: rule
    21: shock_settings
    22: tilt_settings
    23: calibration
    24: arming
    25: handling
    32: shock_head
  quantities:
    0: reading
    1: min
    2: max
    3: cold_junction
    4: lateness
    5: acceleration
  texts:
    1: board
    2: dewar
    3: shipment
    4: profile
    5: contact
    6: instruction
    7: chain_of_identity
    8: hardware
    9: account
    10: purchase_order
    11: cost_centre
    12: consignee
  record_kinds:
    1: sample
    2: raw
    3: event
    4: state
    5: span
