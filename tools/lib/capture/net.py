"""Frames on a wire of our own: hosts, conversations and a clock. What a capture script calls.

Everything is deterministic: the clock starts at 2026-03-01T08:00:00Z and moves by 200 us with each frame unless
a script waits; IP ids, ports and sequence numbers count."""
import ipaddress
import struct

START_NS = 1772352000 * 10**9
FRAME_NS = 200_000
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(src, dst, proto, n):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, n)
    return src + dst + struct.pack("!IxxxB", n, proto)


def l4_sum(src, dst, proto, segment):
    return checksum(pseudo_header(src, dst, proto, len(segment)) + segment)


class Host:
    """A machine: a network card, addresses, a VLAN; `router` is the way out of its network."""

    def __init__(self, mac, ip, vlan=0, ip6=None, router=None):
        self.mac, self.ip, self.vlan, self.ip6, self.router = mac, ip, vlan, ip6, router
        self.ip_id = (int(mac[-2:], 16) << 8 | 1) & 0xFFFF
        self.next_port = 49152 + int(mac[-2:], 16) * 16


def ip4_header(src, dst, proto, ttl, segment):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), src.ip_id, 0x4000, ttl, proto, 0)
    head += ipaddress.ip_address(src.ip).packed + ipaddress.ip_address(dst.ip).packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


class Capture:
    """Packets in the order they were seen, with the clock."""

    def __init__(self):
        self.now_ns = START_NS
        self.frames = []
        self.mirror_twice = False  # the mirror port gives every frame twice
        self.both_vlans = False  # what a router passes on is seen a second time, behind it
        self.lose_next = 0  # so many frames are not captured

    def wait(self, seconds):
        self.now_ns += round(seconds * 10**9)

    def at(self, clock):
        """Moves to HH:MM:SS of the day; never back."""
        hours, minutes, seconds = clock.split(":")
        ns = START_NS + round(((int(hours) - 8) * 3600 + int(minutes) * 60 + float(seconds)) * 10**9)
        assert ns >= self.now_ns, f"{clock} lies before the last frame"
        self.now_ns = ns

    def frame(self, smac, dmac, ethertype, payload, vlan=0):
        tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
        data = mac_bytes(dmac) + mac_bytes(smac) + tag + struct.pack("!H", ethertype) + payload
        data = data.ljust(60, b"\0")
        if self.lose_next:
            self.lose_next -= 1
        else:
            self.frames.append((self.now_ns, data))
            if self.mirror_twice:
                self.frames.append((self.now_ns + 15_000, data))
        self.now_ns += FRAME_NS

    def ip(self, src, dst, proto, segment, v6=False, ttl=64, dmac=None):
        """One IP datagram; leaves for the router when the other host is in another VLAN."""
        if dmac is None:
            dmac = dst.mac if dst.vlan == src.vlan else src.router.mac
        if v6:
            head = struct.pack("!IHBB", 6 << 28, len(segment), proto, ttl)
            head += ipaddress.ip_address(src.ip6).packed + ipaddress.ip_address(dst.ip6).packed
            return self.frame(src.mac, dmac, 0x86DD, head + segment, src.vlan)
        src.ip_id = (src.ip_id + 1) & 0xFFFF
        lost = self.lose_next
        self.frame(src.mac, dmac, 0x0800, ip4_header(src, dst, proto, ttl, segment) + segment, src.vlan)
        if self.both_vlans and src.router and dmac == src.router.mac:
            self.lose_next = lost
            behind = ip4_header(src, dst, proto, ttl - 1, segment)
            self.frame(dst.router.mac, dst.mac, 0x0800, behind + segment, dst.vlan)

    def udp(self, src, dst, dport, payload, sport=None, v6=False, dmac=None):
        sport = sport or take_port(src)
        a, b = packed_pair(src, dst, v6)
        head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
        total = l4_sum(a, b, 17, head + payload) or 0xFFFF
        self.ip(src, dst, 17, head[:6] + struct.pack("!H", total) + payload, v6, dmac=dmac)
        return sport

    def icmp6(self, src, dst, icmp_type, body, dmac=None):
        a, b = packed_pair(src, dst, True)
        head = struct.pack("!BBH", icmp_type, 0, 0) + body
        total = l4_sum(a, b, 58, head)
        self.ip(src, dst, 58, head[:2] + struct.pack("!H", total) + body, True, ttl=255, dmac=dmac)

    def arp(self, op, src, target_ip, target_mac="00:00:00:00:00:00", dmac=BROADCAST, sender_ip=None):
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, op)
        body += mac_bytes(src.mac) + ipaddress.ip_address(sender_ip or src.ip).packed
        body += mac_bytes(target_mac) + ipaddress.ip_address(target_ip).packed
        self.frame(src.mac, dmac, 0x0806, body, src.vlan)

    def who_has(self, src, dst):
        """An ARP question and its answer."""
        self.arp(1, src, dst.ip)
        self.arp(2, dst, src.ip, src.mac, src.mac)

    def tcp(self, client, server, port, sport=None, **options):
        return Tcp(self, client, server, port, sport or take_port(client), **options)

    def write(self, path):
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for ns, data in sorted(self.frames, key=lambda f: f[0]):
                out.write(struct.pack("<IIII", ns // 10**9, ns % 10**9 // 1000, len(data), len(data)) + data)


def take_port(host):
    host.next_port += 1
    return host.next_port


def packed_pair(src, dst, v6):
    pair = (src.ip6, dst.ip6) if v6 else (src.ip, dst.ip)
    return tuple(ipaddress.ip_address(a).packed for a in pair)


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Tcp:
    """A conversation: handshake at once (unless `midstream`), then send (client) and reply (server)."""

    def __init__(self, capture, client, server, port, sport, v6=False, mss=1460, midstream=False):
        self.capture, self.v6, self.mss = capture, v6, mss
        self.end = {"client": (client, sport), "server": (server, port)}
        self.seq = {"client": 1000000 + sport, "server": 7000000 + port}
        if not midstream:
            self.handshake()

    def segment(self, side, flags, data=b"", seq=None):
        other = "server" if side == "client" else "client"
        (src, sport), (dst, dport) = self.end[side], self.end[other]
        ack = self.seq[other] if flags & ACK else 0
        options = struct.pack("!BBH", 2, 4, self.mss) if flags & SYN else b""
        seq = self.seq[side] if seq is None else seq
        head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                           (20 + len(options)) << 2, flags, 64240, 0, 0) + options
        total = l4_sum(*packed_pair(src, dst, self.v6), 6, head + data)
        self.capture.ip(src, dst, 6, head[:16] + struct.pack("!H", total) + head[18:] + data, self.v6)

    def handshake(self):
        self.segment("client", SYN)
        self.seq["client"] += 1
        self.segment("server", SYN | ACK)
        self.seq["server"] += 1
        self.segment("client", ACK)

    def talk(self, side, data):
        """Data of one side in segments of at most mss bytes, acknowledged by the other."""
        for i in range(0, len(data), self.mss):
            part = data[i:i + self.mss]
            self.segment(side, ACK | (PSH if i + self.mss >= len(data) else 0), part)
            self.seq[side] += len(part)
        self.segment("server" if side == "client" else "client", ACK)

    def send(self, *parts):
        self.talk("client", b"".join(parts))

    def reply(self, *parts):
        self.talk("server", b"".join(parts))

    def fin(self, side="client"):
        for who in (side, "server" if side == "client" else "client"):
            self.segment(who, FIN | ACK)
            self.seq[who] += 1
        self.segment(side, ACK)

    def reset(self, side="client"):
        self.segment(side, RST | ACK)
