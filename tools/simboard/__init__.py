"""A dewarlog board without the board: real firmware, real MicroPython, chips at their registers.

`device/` runs on MicroPython's unix port underneath the unchanged firmware; `launch` starts it
from CPython. Scenario files and their keys: README.md.
"""
