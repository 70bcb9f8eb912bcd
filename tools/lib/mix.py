#!/usr/bin/env python3
"""usage: mix.py OUT COPIES CAPTURE...
One pcap of all the packets of Ethernet pcap files in the order of their times, in so many copies side by side, each
copy with IPv4 and MAC addresses of its own (checksums kept right). For tools/bench."""
import struct
import sys

ETHERNET = 1
MAGICS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}


def packets(path):
    """(ns, wire length, bytes) of a pcap file of Ethernet frames; nothing of any other file."""
    data = open(path, "rb").read()
    for order in "<>":
        if len(data) >= 24 and struct.unpack_from(order + "I", data)[0] in MAGICS:
            break
    else:
        return
    scale = MAGICS[struct.unpack_from(order + "I", data)[0]]
    if struct.unpack_from(order + "I", data, 20)[0] != ETHERNET:
        return
    at, head = 24, struct.Struct(order + "IIII")
    while at + 16 <= len(data):
        seconds, part, size, wire = head.unpack_from(data, at)
        if at + 16 + size > len(data):
            return
        yield seconds * 10**9 + part * scale, wire, data[at + 16:at + 16 + size]
        at += 16 + size


def adjust(data, at, before, after):
    """The checksum at `at` for bytes that changed from before to after (RFC 1624 equation 3)."""
    total = ~struct.unpack_from("!H", data, at)[0] & 0xFFFF
    for i in range(0, len(before), 2):
        total += (~(before[i] << 8 | before[i + 1]) & 0xFFFF) + (after[i] << 8 | after[i + 1])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", data, at, ~total & 0xFFFF)


def renamed(frame, copy):
    """The frame with the addresses of that copy: 10.x becomes (10 + copy).x, a MAC's fifth byte is moved on."""
    if copy == 0 or len(frame) < 34:
        return frame
    data = bytearray(frame)
    for mac in (0, 6):
        if not data[mac] & 1:
            data[mac + 4] = (data[mac + 4] + copy) & 0xFF
    at = 12
    while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8") and at + 24 < len(data):
        at += 4
    ip = at + 2
    if data[at:at + 2] != b"\x08\x00" or len(data) < ip + 20:
        return bytes(data)
    before = bytes(data[ip + 12:ip + 20])
    for host in (12, 16):
        if data[ip + host] < 224 and data[ip + host] != 0:
            data[ip + host] = (data[ip + host] + copy) % 223 + 1
    after = bytes(data[ip + 12:ip + 20])
    l4, proto = ip + (data[ip] & 15) * 4, data[ip + 9]
    adjust(data, ip + 10, before, after)
    first = struct.unpack_from("!H", data, ip + 6)[0] & 0x1FFF == 0
    if first and proto == 6 and len(data) >= l4 + 18:
        adjust(data, l4 + 16, before, after)
    if first and proto == 17 and len(data) >= l4 + 8 and data[l4 + 6:l4 + 8] != b"\0\0":
        adjust(data, l4 + 6, before, after)
    return bytes(data)


def main(out, copies, paths):
    every = sorted((p for path in paths for p in packets(path)), key=lambda p: p[0])
    with open(out, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, ETHERNET))
        for ns, wire, frame in every:
            for copy in range(copies):
                file.write(struct.pack("<IIII", ns // 10**9, ns % 10**9 // 1000, len(frame), wire) + renamed(frame, copy))
    print(f"{out}: {len(every) * copies} packets")


main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
