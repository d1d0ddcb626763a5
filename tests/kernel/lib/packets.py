#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures to send: packets.py mixed|flood FILE. Made before a VM boots: under
emulation it would take seconds.

mixed: 1000 packets of 60 to 1459 bytes, of many flows in both directions
flood: 3000 packets of 200 bytes, every third is UDP"""
import struct
import sys


def ip(size, i, proto, src, dst):
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, size - 14, i, 0, 64, proto, 0, src, dst)


def mixed():
    for i in range(1000):
        size = 60 + i * 7 % 1400
        flow = i // 2 % 50
        a, b = bytes([10, 0, 0, 1 + flow % 7]), bytes([10, 0, 1, 1 + flow % 5])
        ports = [1000 + flow, 53 if flow % 2 else 80]
        if i % 2:
            a, b = b, a
            ports.reverse()
        packet = ip(size, i, 17, a, b) + struct.pack(">HHHH", *ports, size - 34, 0)
        yield packet + bytes([i & 255]) * (size - len(packet))


def flood():
    for i in range(3000):
        packet = ip(200, i, 253 if i % 3 else 17, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
        packet += struct.pack(">HHHHI", 1000, 2000, 166, 0, i)
        yield packet + b"x" * (200 - len(packet))


with open(sys.argv[2], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for number, data in enumerate({"mixed": mixed, "flood": flood}[sys.argv[1]]()):
        out.write(struct.pack("<IIII", number, 0, len(data), len(data)) + data)
