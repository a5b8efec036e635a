"""Drivers, one file per part. Each takes its bus and pins as arguments and knows nothing else.

Every register constant cites the datasheet that says so. A method marked "interrupt-safe"
allocates nothing, touches no float and no integer of 2**30 or more.
"""
