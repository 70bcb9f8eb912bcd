#!/usr/bin/env python3
"""usage: shake.py PROGRAM CAPTURE [TRANSFORMATION...]
Gives the program the golden capture in every disguise that a network, a mirror port or an evader can put on it.
The same events must come out, or exactly the difference that the disguise explains (design.md section 11)."""
import gzip
import json
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "lib"), str(Path(__file__).resolve().parent)]
import ward  # noqa: E402
import packets as pk  # noqa: E402

PSH, ACK = 8, 16


def split(p, sizes):
    """A data segment as several, at the same time, with IP ids of their own; FIN only on the last."""
    out, at = [], 0
    while at < len(p.data):
        part = p.data[at:at + next(sizes)]
        last = at + len(part) >= len(p.data)
        out.append(p.with_(data=part, seq=p.seq + at, flags=p.flags if last else p.flags & ~(PSH | 1)))
        at += len(part)
    return out


def each_data(capture, change):
    """Every TCP segment with data replaced by the packets that change(p) gives."""
    return [q for p in capture for q in (change(p) if p.is_tcp_data() else [p])]


def sizes_of(seed, least, most):
    rng = random.Random(seed)
    while True:
        yield rng.randint(least, most)


def renumbered(capture):
    """IP ids that differ, so that a copy is no mirror duplicate."""
    return [p.with_(ip_id=n & 0xFFFF) if p.l4 is not None else p for n, p in enumerate(capture, 1)]


def in_bytes(capture):
    return renumbered(each_data(capture, lambda p: split(p, sizes_of(0, 1, 1))))


def at_random(seed):
    return lambda capture: renumbered(each_data(capture, lambda p: split(p, sizes_of(seed, 1, 40 * seed))))


def joined(capture):
    """Neighbouring segments of one direction as one, as a card with receive offload hands them over."""
    out = []
    for p in capture:
        before = out[-1] if out else None
        if p.is_tcp_data() and before and before.is_tcp_data() and before.seq + len(before.data) == p.seq and \
                (before.src, before.sport, before.dst, before.dport) == (p.src, p.sport, p.dst, p.dport) and \
                len(before.data) + len(p.data) < 60000:
            out[-1] = p.with_(data=before.data + p.data, seq=before.seq, flags=before.flags | p.flags)
        else:
            out.append(p)
    return out


def reordered(capture):
    """Five parts of each segment in another order."""
    rng = random.Random(7)

    def shuffled(p):
        parts = split(p, sizes_of(0, *[len(p.data) // 5 + 1] * 2))  # at most 8 ranges are held
        rng.shuffle(parts)
        return parts
    return renumbered(each_data(capture, shuffled))


def retransmitted(capture):
    return renumbered(each_data(capture, lambda p: [p, p.with_()]))


def partly_retransmitted(capture):
    """After each segment its second half once more, and one that begins before and ends behind what is known."""
    def again(p):
        half = len(p.data) // 2
        head, tail = p.with_(data=p.data[:half + 1], flags=p.flags & ~1), p.with_(data=p.data[half:], seq=p.seq + half)
        return [head, p.with_(data=p.data[half // 2:half + 1], seq=p.seq + half // 2, flags=p.flags & ~1), tail, tail.with_()]
    return renumbered(each_data(capture, lambda p: again(p) if len(p.data) > 3 else [p]))


def kept_alive(capture):
    """Behind each segment a keep-alive: one zero byte at the sequence number before the next."""
    return renumbered(each_data(capture, lambda p: [
        p, p.with_(data=b"\0", seq=p.seq + len(p.data) - 1, flags=ACK)] if not p.flags & 1 else [p]))


def with_garbage(capture):
    """Before each segment with data one in its place with a wrong checksum, and one from far below the window, and a
    RST with a wrong one. The first data of each direction stay clean: only then is a wrong checksum no fault of a
    network card's."""
    clean, out = set(), []
    for p in capture:
        ends = (p.src, p.sport, p.dst, p.dport) if p.is_tcp_data() else None
        if ends and ends in clean:
            junk = bytes(b ^ 0x55 for b in p.data)
            out.append(p.with_(data=junk, spoil=0x5A5A, flags=p.flags & ~1))
            out.append(p.with_(data=junk, seq=p.seq - 900_000, flags=p.flags & ~1))
            out.append(p.with_(data=b"", spoil=0x5A5A, flags=4))
        clean.add(ends)
        out.append(p)
    return renumbered(out)


def without_farewell(capture):
    """No FIN and no RST: the conversations end with the capture, or with silence."""
    return [p.with_(flags=p.flags & ~5) if p.is_tcp_data() else p for p in capture
            if p.is_tcp_data() or p.proto != 6 or not p.flags & 5]


def fragmented(capture, backwards=False):
    """IPv4 fragments of 64 bytes of payload; datagrams have ids of their own."""
    out = []
    for p in renumbered(capture):
        if p.ethertype != pk.IP4 or len(p.segment()) <= 64:
            out.append((p.ns, p.frame()))
            continue
        whole = p.segment()
        parts = []
        for at in range(0, len(whole), 64):
            more = 0x2000 if at + 64 < len(whole) else 0
            datagram = pk.ip_datagram(p, whole[at:at + 64], flags=more | at // 8)
            head = p.dmac + p.smac + b"".join(p.tags) + b"\x08\x00"
            parts.append((p.ns, (head + datagram).ljust(60, b"\0")))
        out += parts[::-1] if backwards else parts
    return out


def as_ip6(capture):
    return [p if len(p.src) == 16 else p.with_(src=pk.v6_of(p.src), dst=pk.v6_of(p.dst), ethertype=pk.IP6)
            for p in capture]


def on_other_port(capture):
    """The server's port is another one; it is the lower of the two here."""
    def moved(port, other):
        return port + 21000 if port < other else port
    return [p.with_(sport=moved(p.sport, p.dport), dport=moved(p.dport, p.sport)) for p in capture]


def in_vlan(*tags):
    return lambda capture: [p.with_(tags=[bytes.fromhex(t) for t in tags]) for p in capture]


def behind_router(p):
    return p.with_(tags=[bytes.fromhex("81000063")], **({"ttl": p.ttl - 1} if p.ethertype == pk.IP4 else {}))


def mirrored(capture):
    """Each frame again 15 us later, from a second port of the switch: TTL one less, another VLAN."""
    return sorted(((p.ns + late, q.frame()) for p in capture
                   for late, q in ((0, p), (15_000, behind_router(p)))), key=lambda f: f[0])


def tunnel(name):
    return lambda capture: [(p.ns, pk.TUNNELS[name](p, n)) for n, p in enumerate(capture, 1)]


def cooked_type(p):
    """An 802.3 length stands there as 4: what follows is 802.2."""
    return (4 if p.ethertype < 0x600 else p.ethertype).to_bytes(2, "big")


def cooked(capture):
    return [(p.ns, b"\0\0\0\1\0\6" + p.smac + b"\0\0" + cooked_type(p) + p.network()) for p in capture]


def cooked2(capture):
    return [(p.ns, cooked_type(p) + bytes([0, 0, 0, 0, 0, 2, 0, 1, 0, 6]) + p.smac + b"\0\0" + p.network())
            for p in capture]


def raw_ip(capture):
    return [(p.ns, p.network()) for p in capture]


ALL, TCP, IP, V4 = "any", "tcp", "ip", "v4"
# name: (what it needs, transformation); the events stay the same.
SAME = {
    "one byte a segment": (TCP, in_bytes),
    "random splits 1": (TCP, at_random(1)),
    "random splits 2": (TCP, at_random(2)),
    "random splits 3": (TCP, at_random(5)),
    "joined segments": (TCP, joined),
    "reordered": (TCP, reordered),
    "retransmitted": (TCP, retransmitted),
    "partly retransmitted": (TCP, partly_retransmitted),
    "kept alive": (TCP, kept_alive),
    "garbage between": (TCP, with_garbage),
    "no farewell": (TCP, without_farewell),
    "another port": ("port", on_other_port),
    "mirror duplicates": (ALL, mirrored),
    "fragments": (V4, fragmented),
    "fragments backwards": (V4, lambda c: fragmented(c, True)),
    "over IPv6": ("v6", as_ip6),
    "VLAN": (ALL, in_vlan("8100401e")),
    "QinQ": (ALL, in_vlan("88a803e8", "8100001e")),
    **{name: (IP if name in pk.NEEDS_IP else ALL, tunnel(name)) for name in pk.TUNNELS},
    "raw IP": (IP, raw_ip),
    "Linux cooked": (ALL, cooked),
    "Linux cooked 2": (ALL, cooked2),
    "pcapng": (ALL, lambda c: c),
    "gzip": (ALL, lambda c: c),
    "big endian nanoseconds": (ALL, lambda c: c),
}
LINKS = {"raw IP": pk.RAW, "Linux cooked": pk.COOKED, "Linux cooked 2": pk.COOKED2}


def fits(need, capture, proto):
    """Can this capture wear that disguise?"""
    # A conflict's facts are those of the segment that made it: its stream is not cut anew.
    tcp = any(p.is_tcp_data() for p in capture) and proto != "tcp"
    ip = all(p.l4 is not None for p in capture)
    return {ALL: True, TCP: tcp, IP: ip, V4: ip and all(p.ethertype == pk.IP4 for p in capture),
            "port": tcp,
            "v6": ip and proto not in ("dhcp", "icmp6", "arp", "ftp")}[need]  # FTP says IPv4 addresses itself


def write(path, name, made):
    frames = [f if isinstance(f, tuple) else (f.ns, f.frame()) for f in made]
    if name == "pcapng":
        pk.write_pcapng(path, frames)
    elif name == "big endian nanoseconds":
        pk.write_big_nanoseconds(path, frames)
    else:
        pk.write(path, frames, LINKS.get(name, pk.ETHERNET))
    if name == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes()))


# ---- what makes a difference, and which ----


def conflicting(capture):
    """After each segment of four bytes and more another with other bytes in the middle of its place."""
    def lie(p):
        middle = len(p.data) // 2
        other = p.data[:middle] + bytes([p.data[middle] ^ 0x20]) + p.data[middle + 1:]
        return [p, p.with_(data=other)] if len(p.data) >= 4 else [p]
    return renumbered(each_data(capture, lie))


def data_segments(capture):
    return [n for n, p in enumerate(capture) if p.is_tcp_data()]


def without(capture, lost):
    return [p for n, p in enumerate(capture) if n not in lost]


def by_sender(events, proto):
    """Which events each side sent, in order: facts that need the lost bytes may be missing from them."""
    out = {"source": [], "destination": []}
    for e in events:
        if e["event.category"] == proto:
            out[e["event.sender"]].append((e["event.action"], e.get("hl7.control_id"), e.get("dicom.dimse.command")))
    return out


def is_subsequence(short, long):
    rest = iter(long)
    return all(any(x == y for y in rest) for x in short)


def complain_of_rest(whole, events, proto, mark, least):
    """What is left of the capture after a loss: in order, up to the end, with the mark where something is missing."""
    found = by_sender(events, proto)
    for side, all_of_it in whole.items():
        if not is_subsequence(found[side], all_of_it):
            return f"events of the {side} that the whole capture does not have, or not in that order"
        if len(found[side]) < len(all_of_it) - least:
            return f"{len(found[side])} of the {side}'s {len(all_of_it)} events"
        missing = len(found[side]) < len(all_of_it)
        if missing and found[side][-1:] == all_of_it[-1:] and not any(
                mark in e.get("event.flags", []) for e in events if e["event.category"] == proto and e["event.sender"] == side):
            return f"events of the {side} are missing and none says {mark}"
    return None


def differences(capture, proto, expected):
    """name -> (packets, check(lines, all events) -> complaint or None)."""
    if not any(p.is_tcp_data() for p in capture):
        return
    def told(lines, events):
        conflicts = sum(e["event.category"] == "tcp" and e["event.action"] == "overlap_conflict" for e in events)
        if lines == expected and conflicts:
            return None
        return f"{conflicts} conflicts told; {first_difference(expected, lines)}"
    if proto != "tcp":
        yield "conflicting overlap", conflicting(capture), told
    conversations = {frozenset([(p.src, p.sport), (p.dst, p.dport)]) for p in capture}
    if proto not in ("hl7", "dicom") or len(conversations) > 1:
        return  # between conversations there is no order to hold
    segments = data_segments(capture)
    whole = by_sender([json.loads(line) for line in expected], proto)
    for lost in segments[2:-2:max(1, len(segments) // 5)]:
        yield f"segment {lost} lost", without(capture, {lost}), \
            lambda lines, events: complain_of_rest(whole, events, proto, "after_gap", 2)
    yield "start in the middle", capture[segments[len(segments) // 2]:], \
        lambda lines, events: complain_of_rest(whole, events, proto, "midstream", len(expected))


def jobs(path, proto, expected, folder, only):
    capture = pk.read(path)
    number = 0
    for name, (need, change) in SAME.items():
        if fits(need, capture, proto) and (not only or name in only):
            number += 1
            file = folder / f"{number}.pcap"
            write(file, name, change(capture))
            yield name, file, lambda lines, events: None if lines == expected else first_difference(expected, lines)
    for name, made, check in differences(capture, proto, expected):
        if not only or name in only:
            number += 1
            file = folder / f"{number}.pcap"
            write(file, name, made)
            yield name, file, check


def first_difference(expected, found):
    for n, (a, b) in enumerate(zip(expected + [None], found + [None])):
        if a != b:
            return f"{len(found)} events for {len(expected)}; event {n + 1}:\n  expected {a}\n  found    {b}"
    return f"{len(found)} events for {len(expected)}"


def main(program, path, only):
    expected_path = path.with_suffix(".jsonl")
    if not expected_path.exists():
        print(f"{expected_path} is missing")
        return 1
    expected = expected_path.read_text().splitlines()
    if ward.golden_lines(path, ward.Run(program, path, options=["-q"])) != expected:
        print("even as it is the capture gives other events: see its golden test")
        return 1
    bad = 0
    with tempfile.TemporaryDirectory(prefix="shake-") as folder, ThreadPoolExecutor(2) as pool:
        def one(job):
            name, file, check = job
            run = ward.Run(program, file, options=["-q"], policies=ward.TOP / "policies/sensor-health")  # a few: events do not hang on them
            if run.status != 0:
                return name, f"exit status {run.status}: {run.stderr.decode(errors='replace')[-2000:]}"
            return name, check(ward.golden_lines(path, run), run.lines("events.jsonl"))
        done = list(pool.map(one, list(jobs(path, path.parent.name, expected, Path(folder), only))))
    for name, complaint in done:
        if complaint:
            bad += 1
            print(f"{path.stem}, {name}: {complaint}")
    print(f"{len(done) - bad} of {len(done)} disguises seen through")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3:]))
