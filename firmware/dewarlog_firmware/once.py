"""Modules that a board needs for a while: let go of when their work is done.

Outside the line: app calls it at the boot, bench behind a profile it has read, signer behind a
signature. Frozen code costs nothing,
but what importing it makes (functions, classes, names) is heap, and stays as long as `sys.modules`
has it. An import that comes later makes it anew.

So these are imported inside the functions that need them, and nothing that stays refers to what is
theirs: neither a function nor a class, unless it comes from `namedtuple`.
"""

import sys

import dewarlog_firmware

LET_GO = (
    "changes",
    "config",
    "device_key",
    "ed25519",
    "former_run",
    "opening",
    "profile",
    "profile_reader",
    "provenance",
    "sha512",
)


def let_go() -> None:
    """Forget those that are loaded; the next collection has their heap back.

    On a board only: tests on CPython hold the modules themselves.
    """
    if sys.implementation.name != "micropython":
        return
    for name in LET_GO:
        if sys.modules.pop("dewarlog_firmware." + name, None) is not None:
            delattr(dewarlog_firmware, name)
