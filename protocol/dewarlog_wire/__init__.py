"""Every byte dewarlog stores or sends, defined once for the board and for the host.

Runs unchanged on MicroPython and CPython and imports nothing of ours but itself.
Normative text: protocol/SPEC.md. Reasons: protocol/DESIGN.md.
"""

FORMAT_VERSION = 1
PROTOCOL_VERSION = 1
