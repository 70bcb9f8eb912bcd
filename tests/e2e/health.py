#!/usr/bin/env python3
"""usage: health.py PROGRAM
What the sensor did not see it says itself: captures made here that hear one side, come twice, jump in time, need more
room than there is, or of which a VLAN falls silent, give the events of category sensor and the alerts of
policies/sensor-health, others none."""
import ipaddress
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

SYN, ACK, PUSH = 2, 16, 8


def segment(number, client, flags, seq, ack, data, reverse=False):
    """An Ethernet frame of a conversation of `client` with a server."""
    a, b = (ipaddress.ip_address(x).packed for x in (f"10.0.{client >> 8}.{client & 255}", "10.1.0.1"))
    ports = (40000, 7000)
    if reverse:
        a, b, ports = b, a, ports[::-1]
    tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, flags, 8192, 0, 0) + data
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), number & 0xffff or 1, 0, 64, 6, 0, a, b)
    return bytes.fromhex("020000000001 020000000002 0800") + ip + tcp


def write(path, frames):
    """(seconds, frame) each."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for t, frame in frames:
            f.write(struct.pack("<IIII", int(t), int(t * 1000000) % 1000000, len(frame), len(frame)) + frame)


def conversations(n, sides, start=1770000000):
    """n of them, each a handshake and eight packets of data; of `sides` 1 the server is not heard."""
    frames, number = [], 0
    for c in range(1, n + 1):
        both = [(SYN, 0, 0, b"", False), (SYN | ACK, 0, 1, b"", True)]
        both += [(ACK | PUSH, 1 + 10 * i, 1, b"x" * 10, False) for i in range(8)]
        both += [(ACK, 1, 81, b"", True)]
        for flags, seq, ack, data, reverse in both:
            number += 1
            if sides == 2 or not reverse:
                frames.append((start + number * 0.02, segment(number, c, flags, seq, ack, data, reverse)))
    return frames


def datagram(number, vlan):
    tag = struct.pack(">HHH", 0x8100, vlan, 0x0800)
    udp = struct.pack(">HHHH", 40000, 40001, 8 + 32, 0) + bytes(32)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xffff or 1, 0, 64, 17, 0,
                     bytes((10, 2, vlan, 1)), bytes((10, 2, vlan, 2)))
    return bytes.fromhex("020000000001 020000000002") + tag + ip + udp


def vlans(*talks, start=1770000000):
    """(vlan, seconds between packets, from minute, to minute) each; every capture goes on for 25 minutes."""
    times = sorted((s, vlan) for vlan, every, begin, end in talks for s in range(begin * 60, end * 60, every))
    return [(start + s, datagram(n, vlan)) for n, (s, vlan) in enumerate(times, 1)]


STOPS = vlans((10, 5, 0, 25), (20, 2, 0, 12))


def figures(program, folder):
    """What is told of a VLAN that falls silent."""
    run = [json.loads(line) for line in open(folder / "a VLAN stops" / "events.jsonl")]
    told = [e for e in run if e["event.category"] == "sensor"]
    want = {"sensor.vlan": 20, "sensor.packets_per_minute": 30, "sensor.bytes_per_minute": 30 * len(datagram(1, 20))}
    fine = len(told) == 1 and all(told[0].get(k) == v for k, v in want.items()) and \
        300 <= told[0]["sensor.value"] <= 420 and told[0]["sensor.interface"].endswith("a VLAN stops.pcap")
    if not fine:
        print(f"figures: {told} instead of {want}")
    return not fine


def said(program, folder, name, frames, config=""):
    """Counters of the sensor's events, and the names of alerts of sensor health."""
    path, out = folder / f"{name}.pcap", folder / name
    write(path, frames)
    (folder / f"{name}.yml").write_text(config or "{}\n")
    subprocess.run([program, "-c", folder / f"{name}.yml", "-p", ward.TOP / "policies", "-r", path, "-q", "--events",
                    "-o", out], check=True, timeout=60)
    events = [json.loads(line) for line in open(out / "events.jsonl")]
    alerts = [json.loads(line) for line in open(out / "alerts.jsonl")]
    return ({(e["event.action"], e["sensor.counter"]) for e in events if e["event.category"] == "sensor"},
            {a["rule"]["id"] for a in alerts if a["rule"]["category"] == "sensor_health"})


def main():
    program, bad = sys.argv[1], 0
    two = conversations(150, 2)
    half = len(two) // 2
    twice = [f for frame in two for f in (frame, (frame[0] + 0.0001, frame[1]))]
    back = two[:half] + [(t - 3600, frame) for t, frame in two[half:]]
    cases = [
        ("ordinary", two, "", set(), set()),
        ("a few of one side", conversations(10, 1), "", set(), set()),
        ("one side", conversations(150, 1), "", {("one_sided", "tcp_one_sided")}, {"sensor_one_sided"}),
        ("twice", twice, "", {("duplicates", "duplicates")}, {"sensor_duplicates"}),
        ("back", back, "", {("clock_jump", "clock")}, {"sensor_clock_jump"}),
        ("little room", two, "limits: {flows: 64, devices: 64}\n", {("table_full", "flows"), ("table_full", "devices")},
         {"sensor_table_full"}),
    ]
    cases += [
        ("a VLAN stops", STOPS, "", {("silent", "vlan")}, {"sensor_silent_vlan"}),
        ("a VLAN comes back", vlans((10, 5, 0, 25), (20, 5, 0, 12), (20, 5, 20, 25)), "",
         {("silent", "vlan"), ("heard_again", "vlan")}, {"sensor_silent_vlan"}),
        ("a VLAN with a packet now and then", vlans((10, 5, 0, 25), (20, 17, 0, 12)), "", set(), set()),
        ("all stop", vlans((10, 5, 0, 12), (20, 5, 0, 12), (10, 5, 20, 24), (20, 5, 20, 25)), "", set(), set()),
        ("soon enough", vlans((10, 5, 0, 25), (20, 5, 0, 12)), "limits: {silent_vlan_s: 1200}\n", set(), set()),
        ("steady later", vlans((10, 5, 0, 25), (20, 5, 0, 12)), "limits: {steady_minutes: 20}\n", set(), set()),
    ]
    with tempfile.TemporaryDirectory() as temp:
        for name, frames, config, events, alerts in cases:
            got = said(program, Path(temp), name, frames, config)
            if got != (events, alerts):
                print(f"{name}: {got} instead of {(events, alerts)}")
                bad += 1
        bad += figures(program, Path(temp))
    print(f"{len(cases)} captures, {bad} wrong")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
