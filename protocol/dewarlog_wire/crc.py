"""CRC-32, the one checksum of every block, journal record and frame.

Place in the line: beside layout. CRC-32/ISO-HDLC: poly 0x04C11DB7, init 0xFFFFFFFF, reflected in
and out, xorout 0xFFFFFFFF, check 0xCBF43926 over b"123456789". Chosen because both ports carry it
in C (binascii.crc32) and hosts have it in zlib.

What each stored CRC covers (protocol/SPEC.md):
    block    header, body, chain, key index and tag, that is everything before the CRC itself
    journal  the head up to its CRC; each record's head and body, continued from the CRC before
    frame    everything before the CRC itself
    transfer the payload bytes of one READ, from its first offset
"""

from binascii import crc32 as _crc32

CHECK_INPUT = b"123456789"
CHECK_VALUE = 0xCBF43926


def crc32(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """Return the CRC-32 of `data`, continued from `value`, the CRC of what came before it."""
    return _crc32(data, value)
