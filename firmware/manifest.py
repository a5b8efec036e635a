"""Freeze the logger into a MicroPython image: `make BOARD=... FROZEN_MANIFEST=this file`.

Frozen code runs from flash and leaves the RAM to the ring and the log. The port's own list comes
first: without it the image would lack what the port freezes by default.
docs.micropython.org, "MicroPython manifest files".
"""

include("$(PORT_DIR)/boards/manifest.py")
package("dewarlog_wire", base_path="../protocol")
package("dewarlog_firmware")
module("boot.py")
module("main.py")
