#!/usr/bin/env python3
"""usage: live.py PROGRAM PROBE
Capture from interfaces, in a network namespace of its own with a pair of veth interfaces: PROBE (live_probe.c) reads
what a sender here replays. Needs root."""
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

INSIDE = "WARD_LIVE_NETNS"
A, B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def namespace_or_skip():
    """Runs this script once more in a network namespace, which ends with it."""
    if os.environ.get(INSIDE):
        return
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        ward.skip("needs root and network namespaces")
    os.execvpe("unshare", ["unshare", "-n", sys.executable, *sys.argv], os.environ | {INSIDE: "1"})


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_pair(sender, receiver):
    done = subprocess.run(["ip", "link", "add", sender, "mtu", "9000", "type", "veth", "peer", "name", receiver, "mtu",
                           "9000"], capture_output=True, text=True)
    if done.returncode != 0:
        ward.skip(f"no veth interfaces here: {done.stderr.strip()}")
    for name in (sender, receiver):
        off = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")  # or it would talk by itself
        if off.exists():
            off.write_text("1")
        ip("link", "set", name, "arp", "off", "up")


def frames_of(path):
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    if struct.unpack(order + "I", data[20:24])[0] != 1:
        return []
    frames, at = [], 24
    while at + 16 <= len(data):
        n = struct.unpack(order + "IIII", data[at:at + 16])[2]
        frames.append(data[at + 16:at + 16 + n])
        at += 16 + n
    return frames


def captures():
    """Every golden capture's frames that fit a veth and are whole."""
    return [f for p in sorted((ward.TOP / "pcaps").glob("*/*.pcap")) for f in frames_of(p) if 14 < len(f) <= 9014]


def ipv4(src, dst, proto, payload, more=0):
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, more, 64, proto, 0) + src + dst + payload


def conversations(n):
    """Of n pairs of hosts both directions, in everything the kernel's program looks into."""
    frames = []
    for i in range(n):
        a, b = bytes([10, 9, i >> 8, i & 255]), bytes([10, 8, 0, i % 7])
        for x, y in ((a, b), (b, a)):
            macs = (B, A) if x == a else (A, B)
            inner = ipv4(x, y, 17, struct.pack(">HHHH", 4000, 4000, 8 + 40, 0) + bytes(40))
            ether = macs[0] + macs[1] + b"\x08\x00" + inner
            outer = [bytes([192, 168, 0, k]) for k in ((1, 2) if x == a else (2, 1))]
            vxlan = struct.pack(">HHHHII", 50000 + i, 4789, 16 + len(ether), 0, 0x08000000, i << 8) + ether
            erspan = bytes.fromhex("100088be 00000001 10010001 00000000") + ether
            for body in (b"\x08\x00" + inner, b"\x81\x00\x00\x64\x08\x00" + inner,
                         b"\x88\xa8\x00\x64\x81\x00\x00\x65\x08\x00" + inner,
                         b"\x08\x00" + ipv4(x, y, 17, inner[20:], 0x2000), b"\x08\x00" + ipv4(x, y, 17, bytes(64), 8),
                         b"\x08\x00" + ipv4(*outer, 17, vxlan), b"\x08\x00" + ipv4(*outer, 47, erspan),
                         b"\x08\x00" + ipv4(*outer, 47, b"\x00\x00\x08\x00" + inner),
                         b"\x08\x00" + ipv4(*outer, 4, inner), b"\x88\x47\x00\x01\x01\x40" + inner):
                frames.append((i, macs[0] + macs[1] + body))
    return frames


class Probe:
    def __init__(self, *arguments, prefix=()):
        self.folder = tempfile.TemporaryDirectory(prefix="ward-live-")
        self.process = subprocess.Popen([*prefix, sys.argv[2], "-o", self.folder.name, *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.is_ready = self.process.stdout.readline() == "ready\n"

    def end(self, by_itself=False):
        """Exit status; then the frames of each worker are in workers, the figures in stats."""
        if not by_itself:
            self.process.send_signal(signal.SIGTERM)
        out, self.stderr = self.process.communicate(timeout=60)
        self.stats = [json.loads(line) for line in out.splitlines()]
        self.workers = []
        for path in sorted(Path(self.folder.name).glob("frames.*")):
            lines = [line.split() for line in path.read_text().splitlines()]
            self.workers.append([(int(i), int(n), int(ts), bytes.fromhex(data)) for i, n, ts, _, _, data in lines])
        self.folder.cleanup()
        return self.process.returncode

    def frames(self):
        return [f[3] for w in self.workers for f in w]

    def total(self, key):
        return sum(s[key] for s in self.stats)


def send(frames, name="ward0", pause=0.0005):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((name, 0))
        for i, f in enumerate(frames):
            s.send(f)
            if pause and i % 8 == 0:
                time.sleep(pause)


def must(holds, what, detail=""):
    if not holds:
        sys.exit(f"{what}: {detail}")


def same(got, wanted, what):
    missing, extra = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
    must(not missing and not extra, what, f"{missing.total()} missing, {extra.total()} too many of {len(wanted)}: "
         f"{[f.hex() for f in (*missing, *extra)][:2]}")


def test_all_once():
    """Each frame once, unchanged, numbered and timed, on one worker and on two."""
    frames = captures()
    for workers in ("1", "2"):
        p, before = Probe("-w", workers, "ward1"), time.time_ns()
        send(frames)
        must(p.end() == 0, "ends well", p.stderr)
        same(p.frames(), frames, f"all frames, {workers} workers")
        for w in p.workers:
            must(w, "each worker has some")
            must([f[1] for f in w] == list(range(1, len(w) + 1)), "numbers")
            must(all(before < f[2] < time.time_ns() for f in w), "times")
            must(any(f[2] % 1000 for f in w), "nanoseconds")
        must(p.total("received") == len(frames) and p.total("dropped") == 0, "figures", p.stats)


def one_worker_each(p, sent):
    """Whatever two hosts send, and whatever it is wrapped in, one worker has it."""
    same(p.frames(), [f for _, f in sent], "all frames")
    pair_of = {f: i for i, f in sent}
    seen = {}
    for number, w in enumerate(p.workers):
        for f in w:
            seen.setdefault(pair_of[f[3]], Counter())[number] += 1
    must(all(len(c) == 1 for c in seen.values()), "one worker each", {i: c for i, c in seen.items() if len(c) > 1})
    shares = Counter(next(iter(c)) for c in seen.values())
    must(min(shares[0], shares[1]) >= len(seen) / 4, "shared out", shares)


def test_pairs():
    sent = conversations(100)
    p = Probe("-w", "2", "ward1")
    send([f for _, f in sent])
    must(p.end() == 0, "ends well", p.stderr)
    one_worker_each(p, sent)


def test_own_host():
    """One direction comes in, the other goes out of the interface."""
    sent = [(i, f) for i, f in conversations(100) if f[12:14] not in (b"\x81\x00", b"\x88\xa8")]
    p = Probe("-w", "2", "ward1")
    send([f for _, f in sent if f[:6] == B])
    send([f for _, f in sent if f[:6] == A], "ward1")
    must(p.end() == 0, "ends well", p.stderr)
    one_worker_each(p, sent)


def test_pieces():
    """A driver may leave all but the first bytes of a large packet in pages of their own, and copy small ones. (A
    program that reads what is in them by SKF_NET_OFF fails before Linux 6.16.)"""
    sent = conversations(100)
    with open("/dev/net/tun", "r+b", buffering=0) as tap:
        tap_napi_frags = 0x0002 | 0x1000 | 0x0010 | 0x0020
        fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"ward8", tap_napi_frags))  # TUNSETIFF
        Path("/proc/sys/net/ipv6/conf/ward8/disable_ipv6").write_text("1")
        ip("link", "set", "ward8", "mtu", "9000", "arp", "off", "up")
        p = Probe("-w", "2", "ward8")
        for n, (_, f) in enumerate(sent):
            cut = len(f) if n % 3 == 0 else 42 if n % 3 == 1 else 14
            os.writev(tap.fileno(), [f[:cut], f[cut:]] if cut < len(f) else [f])
            if n % 8 == 0:
                time.sleep(0.0005)
        must(p.end() == 0, "ends well", p.stderr)
        one_worker_each(p, sent)


def test_filter():
    frames = captures()
    arp = [f for f in frames if f[12:14] == b"\x08\x06"]
    must(0 < len(arp) < len(frames), "some are ARP")
    for workers in ("1", "2"):
        p = Probe("-w", workers, "-f", "arp", "ward1")
        send(frames)
        must(p.end() == 0, "ends well", p.stderr)
        same(p.frames(), arp, "what the filter wants")


def test_two_interfaces():
    make_pair("ward2", "ward3")
    p = Probe("-w", "2", "ward1", "ward3")
    frames = captures()[:200]
    send(frames)
    send(frames, "ward2")
    must(p.end() == 0, "ends well", p.stderr)
    same(p.frames(), frames * 2, "of both")
    must(Counter(f[0] for w in p.workers for f in w) == {0: len(frames), 1: len(frames)}, "which interface")
    ip("link", "del", "ward2")


def test_down_and_up():
    frames = captures()[:100]
    for workers in ("1", "2"):
        p = Probe("-w", workers, "ward1")
        send(frames)
        ip("link", "set", "ward1", "down")
        time.sleep(0.3)
        ip("link", "set", "ward1", "up")
        time.sleep(0.2)
        ip("link", "set", "ward0", "down")  # the cable
        time.sleep(0.1)
        ip("link", "set", "ward0", "up")
        time.sleep(0.2)
        must(p.process.poll() is None, "still there")
        ticks = Path(f"/proc/{p.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        must(sum(map(int, ticks)) < os.sysconf("SC_CLK_TCK") * 0.4, "does not spin while it is down", ticks)
        send(frames)
        must(p.end() == 0, "ends well", p.stderr)
        same(p.frames(), frames * 2, "before and after")
        must(all(s["downs"] == 1 and s["up"] and not s["gone"] for s in p.stats), "says so", p.stats)


def test_renamed():
    """It is the same interface: while it is up, and while it is down."""
    frames = captures()[:100]
    for workers in ("1", "2"):
        p = Probe("-w", workers, "ward1")
        send(frames)
        ip("link", "set", "ward1", "name", "ward1b")
        send(frames)
        ip("link", "set", "ward1b", "down")
        ip("link", "set", "ward1b", "name", "ward1")
        time.sleep(0.3)
        ip("link", "set", "ward1", "up")
        time.sleep(0.2)
        ip("link", "set", "ward1", "down")
        ip("link", "set", "ward1", "name", "ward1b")
        ip("link", "set", "ward1b", "up")
        time.sleep(0.2)
        send(frames)
        code = p.end() if p.process.poll() is None else p.end(by_itself=True)
        ip("link", "set", "ward1b", "down")
        ip("link", "set", "ward1b", "name", "ward1")
        ip("link", "set", "ward1", "up")
        must(code == 0, "ends well", p.stderr)
        same(p.frames(), frames * 3, "under every name")
        must(all(s["downs"] == 2 and s["up"] and not s["gone"] for s in p.stats), "says so", p.stats)


TALK = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    s.sendto(b"not for the sensor", ("127.0.0.1", 9))
    time.sleep(0.001)
"""


def test_down_at_start():
    """Is waited for, beside one that is up; whatever other interface has to be up for that is not read."""
    make_pair("ward6", "ward7")
    ip("link", "set", "lo", "up")
    frames = captures()[:200]
    for workers in ("1", "2"):
        ip("link", "set", "ward7", "down")
        talk = subprocess.Popen([sys.executable, "-c", TALK])
        p = Probe("-w", workers, "ward1", "ward7")
        must(p.is_ready, "starts", p.process.poll())
        send(frames)
        time.sleep(0.3)
        ticks = Path(f"/proc/{p.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        must(sum(map(int, ticks)) < os.sysconf("SC_CLK_TCK") * 0.4, "does not spin while it is down", ticks)
        ip("link", "set", "ward7", "up")
        time.sleep(0.2)
        ours = conversations(50)
        send([f for _, f in ours], "ward6")
        must(p.end() == 0, "ends well", p.stderr)
        talk.kill()
        talk.wait()
        must("ward7" in p.stderr and "is down: it is read once it is up" in p.stderr, "says so", p.stderr)
        same(p.frames(), frames + [f for _, f in ours], "both interfaces' frames")
        must(Counter(f[0] for w in p.workers for f in w)[1] == len(ours), "which interface")
        if workers == "2":
            p.workers = [[f for f in w if f[0] == 1] for w in p.workers]
            one_worker_each(p, ours)
        must(all(s["downs"] == 0 and s["up"] for s in p.stats), "that was no going down", p.stats)
    ip("link", "set", "ward7", "down")
    p = Probe("ward7")
    ip("link", "del", "ward6")
    must(p.end(by_itself=True) == 3 and "interface ward7 is no longer there" in p.stderr, "may go", p.stderr)


def test_buffer():
    """What the kernel gave is known."""
    for kib in ("512", "16384"):
        p = Probe("-b", kib, "-w", "2", "ward1")
        must(p.end() == 0 and all(s["buffers_kib"] == 2 * int(kib) for s in p.stats), "buffers", p.stats)


def test_snap():
    frames = captures()
    p = Probe("-s", "256", "ward1")
    send(frames)
    must(p.end() == 0, "ends well", p.stderr)
    same(p.frames(), [f[:256] for f in frames], "the first bytes of each")


def test_gone():
    for workers in ("1", "2"):
        make_pair("ward4", "ward5")
        p = Probe("-w", workers, "ward1", "ward5")
        send(captures()[:20], "ward4")
        time.sleep(0.2)
        ip("link", "del", "ward5")
        must(p.end(by_itself=True) == 3, "exit status", p.process.returncode)
        must("interface ward5 is no longer there" in p.stderr, "says which", p.stderr)
        must(len(p.frames()) == 20, "what came before is kept")


def test_overload():
    """A reader that is too slow: what was lost is what the kernel says."""
    frames = [f for f in captures() if len(f) > 500] * 40
    for workers in ("1", "2"):
        p = Probe("-w", workers, "-b", "512", "-d", "300", "ward1")
        send(frames, pause=0)
        time.sleep(0.2)
        must(p.end() == 0, "ends well", p.stderr)
        must(p.total("dropped") > 0, "some are lost", p.stats)
        must(p.total("received") + p.total("dropped") == len(frames), "received and lost are all", p.stats)


def test_refused():
    def says(words, *arguments, prefix=()):
        p = Probe(*arguments, prefix=prefix)
        must(not p.is_ready, "must not start", arguments)
        status = p.end(by_itself=True)
        must(status == 1 and words in p.stderr and p.stderr.count("\n") == 1, f"says '{words}'", p.stderr)

    says("there is no such interface: did you mean ward1?", "warf1")
    says("there is no such interface; there are: ", "quite-different")
    says("is named twice", "ward1", "ward1")
    says("the capture filter 'tcp prt 80' is not understood", "-f", "tcp prt 80", "ward1")
    says("CAP_NET_RAW", "ward1", prefix=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))


def main():
    namespace_or_skip()
    make_pair("ward0", "ward1")
    for test in (test_all_once, test_pairs, test_own_host, test_pieces, test_filter, test_two_interfaces,
                 test_down_and_up, test_renamed, test_down_at_start, test_buffer, test_snap, test_gone, test_overload, test_refused):
        started = time.time()
        test()
        print(f"{test.__name__}: {time.time() - started:.1f} s", flush=True)


if __name__ == "__main__":  # jail.py takes its namespace from here
    main()
