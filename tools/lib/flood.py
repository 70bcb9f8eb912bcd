#!/usr/bin/env python3
"""usage: flood.py WARDWATCH PACKETS [CASE...]
Hostile captures of so many packets, one case after the other, each read by wardwatch with its default limits. Judged:
the exit status; peak memory (200 MiB at most, whatever comes); the time for a packet (a long one counts as several)
against that of the first quarter of the same capture (superlinear behaviour) and of a benign capture of as many packets
(the case `loop`); for `flood` and `loop`, that what is found in pcaps/ward.pcap is found all the same. For tools/soak."""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

from capture import dicom
from capture.net import ACK, PSH, START_NS, SYN

TOP = Path(__file__).resolve().parent.parent.parent
WARD = TOP / "pcaps/ward.pcap"
PEAK_MIB = 200
GROWTH = 1.6  # of the time for a packet, from a quarter of the capture to the whole
DEARER = 24  # than a benign packet; an HL7 message of a new patient is 16 times as dear
LEAST_MS = 1000  # times below say nothing: 16384 devices are half a second to write
GAP_NS = 20_000  # between two frames
MAC_A, MAC_B = bytes.fromhex("000569000001"), bytes.fromhex("000569000002")
HOST_A, HOST_B = bytes((10, 1, 0, 1)), bytes((10, 1, 0, 2))
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


# ---- frames: no checksums, which is what offload looks like --------------------------------------------------

def ether(kind, payload, smac=MAC_A, dmac=MAC_B):
    return dmac + smac + struct.pack("!H", kind) + payload


def ip4(src, dst, proto, payload, ident=0, flags=0):
    return ether(0x0800, struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident & 0xFFFF, flags, 64, proto, 0) +
                 src + dst + payload)


def udp(sport, dport, data):
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def tcp(sport, dport, seq, ack, flags, data=b""):
    return struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 80, flags, 65535, 0, 0) + data


class Talk:
    """A TCP conversation of the two hosts, from its handshake on."""
    port = 10000

    def __init__(self, dport):
        Talk.port = Talk.port + 1 if Talk.port < 60000 else 10001
        self.sport, self.dport, self.seq, self.ident = Talk.port, dport, 1000, 0

    def begin(self):
        yield self.client(SYN)
        yield ip4(HOST_B, HOST_A, 6, tcp(self.dport, self.sport, 5000, 1001, SYN | ACK))
        self.seq = 1001

    def client(self, flags, data=b"", seq=None):
        self.ident += 1
        seq = self.seq if seq is None else seq
        return ip4(HOST_A, HOST_B, 6, tcp(self.sport, self.dport, seq, 5001, flags, data), self.ident)

    def send(self, data, size=1400):
        for at in range(0, len(data), size):
            yield self.client(ACK | PSH, data[at:at + size])
            self.seq += len(data[at:at + size])


def ward_frames():
    data, at = WARD.read_bytes(), 24
    while at < len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        yield seconds * 10**9 + micros * 1000, data[at + 16:at + 16 + size]
        at += 16 + size


# ---- cases: frames, or (ns, frame) where the time matters ------------------------------------------------------

@case
def loop(n, _):
    """The ward's capture again and again, ten minutes later each time: benign, and what the others are measured by."""
    frames = list(ward_frames())
    for turn in range(n // len(frames)):
        for ns, frame in frames:
            yield ns + turn * 600 * 10**9, frame


@case
def flood(n, rnd):
    """SYNs from random addresses to one server, in two minutes in the midst of the ward's ten."""
    begin = START_NS + 60 * 10**9
    step = 120 * 10**9 // n
    ward, sent = list(ward_frames()), 0
    for ns, frame in ward:
        while sent < n and begin + sent * step < ns:
            syn = tcp(rnd.randrange(1024, 65536), 104, rnd.getrandbits(32), 0, SYN)
            yield begin + sent * step, ip4(rnd.randbytes(4), bytes((10, 60, 20, 10)), 6, syn, rnd.getrandbits(16))
            sent += 1
        yield ns, frame


@case
def fragments(n, rnd):
    """Eight bytes of a datagram each, and never the rest."""
    for i in range(n):
        yield ip4(rnd.randbytes(4), HOST_B, 17, rnd.randbytes(8), rnd.getrandbits(16), 0x2000 | rnd.randrange(4096))


@case
def fragments_shuffled(n, rnd):
    """Datagrams of 500 pieces of eight bytes that come in no order, but come all."""
    for ident in range(n // 500):
        places = list(range(500))
        rnd.shuffle(places)
        for at in places:
            yield ip4(HOST_A, HOST_B, 17, rnd.randbytes(8), ident, at | (0x2000 if at < 499 else 0))


@case
def fragments_overlapping(n, rnd):
    """Pieces over one another, with other bytes."""
    for i in range(n):
        yield ip4(HOST_A, HOST_B, 17, rnd.randbytes(8 * rnd.randrange(1, 20)), i // 400, 0x2000 | rnd.randrange(8000))


@case
def tags(n, rnd):
    """VLAN tags, up to three hundred of them in a frame."""
    kinds = [b"\x81\x00", b"\x88\xa8", b"\x91\x00"]
    inner = ip4(HOST_A, HOST_B, 17, udp(4000, 4001, b"tags"))
    for i in range(n):
        head = b"".join(rnd.choice(kinds) + struct.pack("!H", rnd.getrandbits(12)) for _ in range(rnd.choice((1, 2, 3, 50, 300)) if i % 16 == 0 else 2))
        yield inner[:12] + head + inner[12:]


@case
def tunnels(n, rnd):
    """IP in IP, up to forty deep."""
    frame = ip4(HOST_A, HOST_B, 17, udp(4000, 4001, b"deep"))
    deep = [frame]
    for level in range(40):
        deep.append(ip4(HOST_A, HOST_B, 4, deep[-1][14:], level))
    for _ in range(n):
        yield rnd.choice(deep)[:24] + rnd.randbytes(2) + deep[rnd.randrange(1, 41)][26:]


@case
def bytes_shuffled(n, rnd):
    """A message without an end in segments of one byte that come in no order."""
    talk = Talk(2575)
    yield from talk.begin()
    yield from talk.send(b"\x0bMSH|^~\\&|A|B|C|D|20260301080000||ADT^A01|1|P|2.3\rZZZ|")
    for window in range(0, n, 2000):
        places = list(range(window, min(window + 2000, n)))
        rnd.shuffle(places)
        for at in places:
            yield talk.client(ACK, b"x", talk.seq + at)


@case
def bytes_every_second(n, _):
    """Segments of one byte with a hole of one byte between each two."""
    talk = Talk(2575)
    yield from talk.begin()
    yield from talk.send(b"\x0bMSH|^~\\&|A|B|C|D|20260301080000||ADT^A01|1|P|2.3\rZZZ|")
    for at in range(n):
        yield talk.client(ACK, b"x", talk.seq + 1 + 2 * at)


@case
def drip(n, _):
    """Messages without an end, byte by byte, to each dissector of streams."""
    starts = [(2575, b"\x0bMSH|^~\\&|A|B|C|D|20260301080000||ADT^A01|1|P|2.3\rPID|||", b"x"),
              (104, dicom.associate_rq("A", "B", [(dicom.VERIFICATION, [dicom.IMPLICIT])])[:2] + b"\x00\x0f\xff\xff" + dicom.association_head("B", "A"), b"\x21"),
              (443, b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + bytes(32) + b"\x00", b"\x01"),
              (23, b"\xff\xfd\x18\xff\xfa\x18", b"\x00"), (21, b"USER ", b"a"), (53, b"\xff\xff\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", b"\x01")]
    for dport, start, byte in starts:
        talk = Talk(dport)
        yield from talk.begin()
        yield from talk.send(start)
        for _ in range(n // len(starts)):
            yield talk.client(ACK, byte)
            talk.seq += 1


@case
def names(n, rnd):
    """DNS answers, each with a name and an address of its own."""
    for i in range(n):
        name = b"\x0c" + b"%012d" % i + b"\x04ward\x00"
        answer = struct.pack("!HHHHHH", i & 0xFFFF, 0x8180, 1, 1, 0, 0) + name + struct.pack("!HHHHHIH", 1, 1, 0xC00C, 1, 1, 60, 4) + rnd.randbytes(4)
        yield ip4(HOST_B, HOST_A, 17, udp(53, 1024 + i % 60000, answer), i)


@case
def macs(n, rnd):
    """ARP answers, each of a network card and an address of its own."""
    for i in range(n):
        mac = b"\x00\x25\x90" + struct.pack("!I", i)[1:] if i % 2 else b"\x02" + rnd.randbytes(5)
        yield ether(0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + struct.pack("!BI", 10, i)[:1] + struct.pack("!I", i)[1:] + MAC_B + HOST_B, mac)


@case
def titles(n, _):
    """Associations, each of an AE title of its own."""
    for i in range(n // 3):
        talk = Talk(104)
        yield from talk.begin()
        yield from talk.send(dicom.associate_rq("AE%010d" % i, "PACS", [(dicom.CT_STORAGE, [dicom.IMPLICIT])], uid="1.2.%d" % i))


@case
def senders(n, rnd):
    """HL7 messages, each of an application, a facility and a patient of its own."""
    talk = Talk(2575)
    yield from talk.begin()
    for i in range(n):
        yield from talk.send(b"\x0bMSH|^~\\&|APP%d|FAC%d|HIS|WARD|20260301080000||ADT^A01|%d|P|2.3\rPID|1||%010d^^^H^MR||Name%d^Given%d||19%02d0101|F\r\x1c\r" %
                             (i, i, i, i, i, rnd.randrange(10**6), i % 100))


@case
def contexts(n, _):
    """Presentation contexts, four thousand in an association."""
    many = [(dicom.CT_STORAGE + ".%d" % i, [dicom.IMPLICIT]) for i in range(128)]
    body = b"".join(dicom.item(0x20, struct.pack("!Bxxx", (2 * i + 1) & 0xFF) + dicom.item(0x30, many[i % 128][0]) + dicom.item(0x40, dicom.IMPLICIT)) for i in range(4000))
    request = dicom.pdu(1, dicom.association_head("PACS", "CT") + body)
    for _ in range(n // 4000):
        talk = Talk(104)
        yield from talk.begin()
        yield from talk.send(request)


@case
def strides(n, _):
    """Conversations whose addresses and ports differ by powers of two: what weak hashes throw together."""
    for i in range(n):
        step = 1 << i % 12
        src = struct.pack("!I", 10 << 24 | (i // 12 * step) & 0xFFFFFF)
        yield ip4(src, HOST_B, 17, udp((i * step) & 0xFFFF, 9, b"stride"), i)


@case
def same(n, _):
    """One packet again and again, too late for a copy of the mirror's."""
    frame = ip4(HOST_A, HOST_B, 17, udp(4000, 4001, b"again and again"), 7)
    for i in range(n):
        yield START_NS + i * 11 * 10**6, frame


# ---- running ---------------------------------------------------------------------------------------------------

def write(path, quarter_path, frames):
    """All frames to path, the first quarter of them to quarter_path too. How much work they are, (all, quarter):
    a frame, and again for each 250 bytes, which is what the benign ones are long."""
    ends, works, work = array("Q"), array("Q"), 0
    with open(path, "wb") as whole:
        end = whole.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for i, item in enumerate(frames, 1):
            ns, frame = item if isinstance(item, tuple) else (START_NS + i * GAP_NS, item)
            end += whole.write(struct.pack("<IIII", ns // 10**9, ns % 10**9 // 1000, len(frame), len(frame)) + frame)
            work += 1 + len(frame) // 250
            ends.append(end)
            works.append(work)
    last = max(len(ends) // 4, 1) - 1
    with open(path, "rb") as whole, open(quarter_path, "wb") as quarter:
        quarter.write(whole.read(ends[last]))
    return len(ends), work, works[last]


class Run:
    def __init__(self, program, path):
        with tempfile.TemporaryDirectory(prefix="flood-") as folder:
            # Through a small shell: what is forked from here begins with the peak memory of this process.
            child = subprocess.Popen(["sh", "-c", '"$@"; exit $?', "sh", program, "-q", "-r", str(path), "-o", folder],
                                     stdin=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
            self.ms = (used.ru_utime + used.ru_stime) * 1000
            read = lambda name: [json.loads(line) for line in open(f"{folder}/{name}")]  # noqa: E731
            self.summary = read("summary.json")[0] if self.status == 0 else {}
            self.mib = self.summary.get("peak_kib", 0) / 1024
            self.alerts = read("alerts.jsonl") if self.status == 0 else []
            self.devices = read("devices.jsonl") if self.status == 0 else []

    def findings(self):
        """Each rule with the two sides it is about."""
        return {(a["rule"]["id"], a.get("source", {}).get("ip"), a.get("destination", {}).get("ip")) for a in self.alerts}

    def things(self):
        """Each known device: its MAC addresses and its type."""
        return {(tuple(d["host"].get("mac", ())), d["wardwatch"]["device"]["type"]) for d in self.devices}


def judge(name, run, each, each_quarter, benign, alone):
    """What is wrong with it, as sentences. Times: ns for a piece of work."""
    if run.status:
        yield f"exit status {run.status}"
    if run.mib > PEAK_MIB:
        yield f"{run.mib:.0f} MiB, not {PEAK_MIB}"
    if run.ms > LEAST_MS and each > GROWTH * each_quarter:
        yield f"a packet takes {each / each_quarter:.1f} times as long as in the first quarter"
    if run.ms > LEAST_MS and each > DEARER * benign:
        yield f"a packet takes {each / benign:.0f} times as long as a benign one"
    if name in ("flood", "loop"):
        lost = alone.findings() - run.findings()
        if lost:
            yield f"{len(lost)} findings of {len(alone.findings())} are lost, as {sorted(lost, key=str)[0]}"
        lost = alone.things() - run.things()
        if lost:
            yield f"{len(lost)} devices of {len(alone.things())} are lost or changed, as {sorted(lost)[0]}"
        extra = {f for f in run.findings() - alone.findings() if f[0] != "sensor_table_full"}  # which it says rightly
        if extra:
            yield f"{len(extra)} findings too many, as {sorted(extra, key=str)[0]}"


def main(program, n, chosen):
    folder = TOP / "build/soak"
    folder.mkdir(parents=True, exist_ok=True)
    path, quarter_path = folder / "whole.pcap", folder / "quarter.pcap"
    path.write_bytes(WARD.read_bytes()[:24])
    start_ms = min(Run(program, path).ms for _ in range(3))
    alone, benign, failed = Run(program, WARD), 0, []
    print(f"{'case':22} {'packets':>8} {'ns each':>8} {'quarter':>8} {'MiB':>5} {'alerts':>6} {'devices':>7}  limits reached")
    for name in dict.fromkeys(["loop", *(chosen or CASES)]):
        packets, work, work_quarter = write(path, quarter_path, CASES[name](n, random.Random(1)))
        run, quarter = Run(program, path), Run(program, quarter_path)
        each, each_quarter = ((r.ms - start_ms) * 1e6 / k for r, k in ((run, work), (quarter, work_quarter)))
        benign = benign or each
        full = " ".join(f"{k}:{v}" for k, v in run.summary.get("full", {}).items())
        print(f"{name:22} {packets:8} {each:8.0f} {each_quarter:8.0f} {run.mib:5.0f} {len(run.alerts):6} {len(run.devices):7}  {full}")
        problems = list(judge(name, run, each, each_quarter, benign, alone))
        for problem in problems:
            print(f"        FAILED: {problem}")
        failed += [name] if problems else []
        sys.stdout.flush()
    path.unlink()
    quarter_path.unlink()
    print(f"failed: {' '.join(failed)}" if failed else "all cases are good")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
