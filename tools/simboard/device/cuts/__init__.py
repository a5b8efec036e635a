"""Power cuts at every flash operation of a scripted hour: what tools/cuts runs on MicroPython."""
