"""Firmware of the dewar logger: senses, records and hands over what happened to one shipment.

One line, one direction: sensors -> ring -> recorder -> flash_log -> server -> link. `app` and
`board` stand outside the line and wire it up.
"""

VERSION = (0, 1, 0)
