"""Captures taken apart and put together again: what the transformations of shake.py work on."""
import ipaddress
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools/lib"))
from capture.net import checksum, l4_sum  # noqa: E402

ETHERNET, RAW, COOKED, COOKED2 = 1, 101, 113, 276
IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806


class Packet:
    """One frame. `l4` is None unless it carries TCP or UDP over IP; tcp fields are plain attributes."""

    def __init__(self, ns, frame):
        self.ns, self.tags, at = ns, [], 12
        self.dmac, self.smac = frame[:6], frame[6:12]
        while struct.unpack_from("!H", frame, at)[0] in (0x8100, 0x88A8):
            self.tags.append(frame[at:at + 4])
            at += 4
        self.ethertype, self.body = struct.unpack_from("!H", frame, at)[0], frame[at + 2:]
        self.l4, self.proto = None, None
        if self.ethertype == IP4:
            size = struct.unpack_from("!H", self.body, 2)[0]
            self.ip_id, self.ttl, self.proto = struct.unpack_from("!HxxBB", self.body, 4)
            self.src, self.dst = self.body[12:16], self.body[16:20]
            self.l4 = self.body[20:size]
        elif self.ethertype == IP6:
            size, self.proto, self.ttl = struct.unpack_from("!HBB", self.body, 4)
            self.ip_id, self.src, self.dst = 0, self.body[8:24], self.body[24:40]
            self.l4 = self.body[40:40 + size]
        if self.proto == 6:
            self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window = \
                struct.unpack_from("!HHIIBBH", self.l4)
            head = offset >> 4 << 2
            self.options, self.data = self.l4[20:head], self.l4[head:]
        elif self.proto == 17:
            self.sport, self.dport = struct.unpack_from("!HH", self.l4)
            self.data = self.l4[8:]

    def is_tcp_data(self):
        return self.proto == 6 and len(self.data) > 0

    def with_(self, **changes):
        other = Packet.__new__(Packet)
        other.__dict__.update(self.__dict__, **changes)
        return other

    def segment(self):
        """The transport's bytes with a fresh checksum."""
        if self.proto == 6:
            head = struct.pack("!HHIIBBHHH", self.sport, self.dport, self.seq & 0xFFFFFFFF, self.ack,
                               (20 + len(self.options)) << 2, self.flags, self.window, 0, 0) + self.options
            total = l4_sum(self.src, self.dst, 6, head + self.data) ^ getattr(self, "spoil", 0)
            return head[:16] + struct.pack("!H", total) + head[18:] + self.data
        if self.proto == 17:
            head = struct.pack("!HHHH", self.sport, self.dport, 8 + len(self.data), 0)
            total = l4_sum(self.src, self.dst, 17, head + self.data) or 0xFFFF
            return head[:6] + struct.pack("!H", total) + self.data
        return self.l4

    def network(self):
        """The bytes of the network layer: an IP datagram, or the ARP body as it was."""
        if self.l4 is None:
            return self.body
        return ip_datagram(self, self.segment())

    def frame(self):
        head = self.dmac + self.smac + b"".join(self.tags) + struct.pack("!H", self.ethertype)
        return (head + self.network()).ljust(60, b"\0")


def ip_datagram(p, payload, proto=None, flags=0x4000):
    proto = p.proto if proto is None else proto
    if len(p.src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), proto, p.ttl) + p.src + p.dst + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), p.ip_id, flags, p.ttl, proto, 0) + p.src + p.dst
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def read(path):
    data = Path(path).read_bytes()
    out, at = [], 24
    while at < len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        out.append(Packet(seconds * 10**9 + micros * 1000, data[at + 16:at + 16 + size]))
        at += 16 + size
    return out


def write(path, frames, link=ETHERNET):
    """frames: [(nanoseconds, bytes)]"""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link))
        for ns, data in frames:
            out.write(struct.pack("<IIII", ns // 10**9, ns % 10**9 // 1000, len(data), len(data)) + data)


def write_big_nanoseconds(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, ETHERNET))
        for ns, data in frames:
            out.write(struct.pack(">IIII", ns // 10**9, ns % 10**9, len(data), len(data)) + data)


def write_pcapng(path, frames):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    with open(path, "wb") as out:
        out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        out.write(block(1, struct.pack("<HHI", ETHERNET, 0, 0)))
        for ns, data in frames:
            micros = ns // 1000
            out.write(block(6, struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(data), len(data)) + data))


def v6_of(address):
    return ipaddress.ip_address("fd00:60::").packed[:12] + address


# ---- tunnels: a frame inside another ----

OUTER = bytes.fromhex("001c73aa0002 001c73aa0001".replace(" ", ""))
A, B = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])


def outer_ip(proto, payload, ip_id):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ip_id & 0xFFFF, 0x4000, 63, proto, 0) + A + B
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return OUTER + struct.pack("!H", IP4) + head + payload


def outer_udp(port, payload, ip_id):
    return outer_ip(17, struct.pack("!HHHH", 51515, port, 8 + len(payload), 0) + payload, ip_id)


TUNNELS = {
    "gre": lambda p, n: outer_ip(47, struct.pack("!HH", 0, p.ethertype) + p.network(), n),
    "gre_key": lambda p, n: outer_ip(47, struct.pack("!HHII", 0x3000, p.ethertype, 77, n) + p.network(), n),
    "gre_ethernet": lambda p, n: outer_ip(47, struct.pack("!HH", 0, 0x6558) + p.frame(), n),
    "erspan1": lambda p, n: outer_ip(47, struct.pack("!HH", 0, 0x88BE) + p.frame(), n),
    "erspan2": lambda p, n: outer_ip(47, struct.pack("!HHI", 0x1000, 0x88BE, n) + struct.pack("!HHI", 0x1000, 77, 3) + p.frame(), n),
    "erspan3": lambda p, n: outer_ip(47, struct.pack("!HHI", 0x1000, 0x22EB, n) + struct.pack("!HHIHH", 0x2000, 77, n, 0, 0) + p.frame(), n),
    "vxlan": lambda p, n: outer_udp(4789, struct.pack("!II", 0x08000000, 4097 << 8) + p.frame(), n),
    "geneve": lambda p, n: outer_udp(6081, struct.pack("!HHI", 0, 0x6558, 4097 << 8) + p.frame(), n),
    "mpls": lambda p, n: p.dmac + p.smac + struct.pack("!HII", 0x8847, 100 << 12 | 64, 200 << 12 | 0x100 | 64) + p.network(),
    "pppoe": lambda p, n: p.dmac + p.smac + struct.pack("!HBBHHH", 0x8864, 0x11, 0, 1, len(p.network()) + 2,
                                              0x0021 if p.ethertype == IP4 else 0x0057) + p.network(),
    "ip_in_ip": lambda p, n: outer_ip(4 if p.ethertype == IP4 else 41, p.network(), n),
}
NEEDS_IP = {"mpls", "pppoe", "ip_in_ip", "gre", "gre_key"}
