#!/usr/bin/env python3
"""usage: overload.py PROGRAM
The sensor live under more than it can take, in a network namespace made here: what it says it lost and what it counted
are together what was sent, exactly, wherever it says so; what had come before the end is still read; policies read anew
under load cost no packet."""
import json
import re
import shutil
import signal
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import service  # noqa: E402
import ward  # noqa: E402
from service import check  # noqa: E402

SENDER = """
import socket, struct, sys, time
data, at, frames = open(sys.argv[1], "rb").read(), 24, []
while at + 16 <= len(data):
    n = struct.unpack("<I", data[at + 8:at + 12])[0]
    frames.append(data[at + 16:at + 16 + n])
    at += 16 + n
count, a_second = int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("near", 0))
from_s = time.monotonic()
for i in range(count):
    s.send(frames[i % len(frames)])
    if a_second and i % 16 == 0:
        time.sleep(max(0, from_s + i / a_second - time.monotonic()))
"""
WARD = ward.TOP / "pcaps" / "ward.pcap"
POLICIES = ward.TOP / "policies"
LAST = 30  # packets whose events a small ring holds, should the hub come to nothing before them


def send(net, count, a_second=0, capture=WARD):
    return net.run(sys.executable, "-c", SENDER, capture, str(count), str(a_second))


def figures(sensor):
    """Packets counted, and lost; the kernel's losses are asked for once a second."""
    status = sensor.status() or {"counters": {}}
    return status["counters"].get("packets", 0), status["counters"].get("capture_lost", 0), status


def metric(text, name):
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))


def summary(sensor):
    return json.loads((sensor.folder / "out" / "summary.json").read_text())


def ended(sensor, how=signal.SIGTERM):
    code, took = sensor.end(how)
    check("it ends well and soon", code == 0 and took < 10, f"{code} after {took:.1f} s: {sensor.said()}")


def lost_is_told(net, program, folder):
    """A burst at a sensor that does not read, and has little room: the kernel drops most of it."""
    count = 6000
    for workers in (1, 2):
        s = service.Sensor(net, program, folder / f"lost{workers}", POLICIES, workers, "limits: {capture_kib: 256}\n")
        s.process.send_signal(signal.SIGSTOP)
        send(net, count).wait()
        s.process.send_signal(signal.SIGCONT)
        what = f"of {count} on {workers}:"
        check(f"{what} all are counted or lost", s.wait(lambda: sum(figures(s)[:2]) == count), figures(s)[:2])
        seen, lost, status = figures(s)
        check(f"{what} most are lost, not all", 0 < seen < count / 2, seen)
        check(f"{what} by interface", status["interfaces"]["dropped"] == [lost] and
              status["interfaces"]["packets"] == [seen], status["interfaces"])
        check(f"{what} by worker", sum(status["workers"]["packets"]) == seen, status["workers"])
        ended(s)
        at_end = summary(s)
        check(f"{what} summary", (at_end["packets"], at_end["capture_lost"]) == (seen, lost), at_end)
        text = (s.folder / "m.prom").read_text()
        named = metric(text, "wardwatch_packets_total"), metric(text, "wardwatch_capture_lost_total")
        check(f"{what} metrics", named == (seen, lost), named)
        told = [e["sensor.value"] for e in service.lines(s.folder / "out" / "events.jsonl")
                if e["event.category"] == "sensor" and e.get("sensor.counter") == "capture_lost"]
        check(f"{what} the event", told == [lost], f"{told} {lost}")
        rules = [a["rule"]["id"] for a in service.lines(s.folder / "out" / "alerts.jsonl")]
        check(f"{what} the alert", any("loss" in r for r in rules if r.startswith("sensor_")), rules)


def syns(path, count):
    """A capture of connections that stay open."""
    from health import SYN, segment, write
    write(path, [(0, segment(i, i, SYN, 0, 0, b"")) for i in range(1, count + 1)])


def metric_of(text, name, **labels):
    """Of one sample."""
    found = [float(v) for at, v in re.findall(rf"^{name}{{([^}}]*)}} (\S+)$", text, re.M)
             if all(f'{k}="{w}"' in at for k, w in labels.items())]
    return found[0] if len(found) == 1 else found


def drops_have_reasons(net, program, folder):
    """A burst that the kernel holds and the ring does not; and packets that nobody can read."""
    count, bad = 3000, 50  # their ends are decided within the end's ten seconds also under a sanitizer
    syns(folder / "burst.pcap", count)
    s = service.Sensor(net, program, folder / "drops", POLICIES, 1, "limits: {ring_kib: 256}\n")
    s.process.send_signal(signal.SIGSTOP)
    send(net, count, 0, folder / "burst.pcap").wait()
    s.process.send_signal(signal.SIGCONT)
    check("the burst is read", s.wait(lambda: figures(s)[0] == count), figures(s)[:2])
    frame = bytes(12) + b"\x08\x00" + b"\x55" + bytes(39)  # IPv4 of version 5
    (folder / "bad.pcap").write_bytes(bytes(24) + struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    send(net, bad, 500, folder / "bad.pcap").wait()
    check("and what is malformed", s.wait(lambda: figures(s)[0] == count + bad), figures(s)[:2])
    send(net, 800, 2000).wait()
    check("and the ward", s.wait(lambda: figures(s)[0] == count + bad + 800), figures(s)[:2])
    ended(s)
    text, at_end = (s.folder / "m.prom").read_text(), summary(s)
    kernel, ring, parse = (metric_of(text, "wardwatch_capture_drops_total", interface="far", reason=reason)
                           for reason in ("kernel", "ring", "parse"))
    check("at the ring", kernel == 0 < ring <= at_end["events_lost"], f"{kernel} {ring} {at_end['events_lost']}")
    check("and in parsing", parse == bad == metric_of(text, "wardwatch_decode_errors_total", layer="network",
                                                      reason="malformed"), parse)
    names = metric_of(text, "wardwatch_phi_detections_total", protocol="hl7", encrypted="false", **{"class": "patient_name"})
    check("private data by class", names > 0, names)
    models = metric_of(text, "wardwatch_device_changes_total", attribute="model")
    check("changes by attribute", models > 0, models)
    check("rules", 0 < metric(text, "wardwatch_policy_matches_total") <= metric(text, "wardwatch_policy_evaluations_total"))
    check("conversations", metric(text, "wardwatch_flows_created_total") == at_end["conversations"] > count, at_end)


def end_drains(net, program, folder):
    """What came before SIGTERM counts, and so do all conversations, though their ends are more than the ring holds."""
    count = 1500
    syns(folder / "syns.pcap", count)
    s = service.Sensor(net, program, folder / "drain", POLICIES, 1, "limits: {ring_kib: 512}\n")
    send(net, count, 2000, folder / "syns.pcap").wait()
    check("the connections are seen", s.wait(lambda: figures(s)[0] == count), figures(s)[:2])
    before = figures(s)[2]["counters"]["events_lost"]
    s.process.send_signal(signal.SIGSTOP)
    send(net, LAST).wait()
    s.process.send_signal(signal.SIGTERM)
    ended(s, signal.SIGCONT)
    at_end = summary(s)
    check("what came before the end is read", at_end["packets"] == count + LAST, at_end["packets"])
    check("every end is told", at_end["events_lost"] == before, f"{at_end['events_lost']} lost, {before} before")
    check("all that began has ended", at_end["conversations"] == at_end["conversations_ended"] > count, at_end)


def reload_loses_nothing(net, program, folder):
    policies, reloads, count, a_second = folder / "policies", 3, 10000, 2000
    shutil.copytree(POLICIES, policies)
    s = service.Sensor(net, program, folder / "reload", policies, 1)
    sender, took = send(net, count, a_second), []
    for n in range(reloads):
        time.sleep(0.3)
        from_s = time.monotonic()
        s.process.send_signal(signal.SIGHUP)
        check("policies are read anew", s.wait(lambda: s.said().count("read anew") > n), s.said())
        took.append(time.monotonic() - from_s)
    check("under load", sender.poll() is None, "all was sent before the last one")
    sender.wait()
    check("all packets are counted", s.wait(lambda: figures(s)[0] == count), figures(s)[:2])
    counters = figures(s)[2]["counters"]
    check("none is lost, nor an event", (counters["capture_lost"], counters["events_lost"]) == (0, 0), counters)
    print(f"{reloads} reloads in {', '.join(f'{t:.1f}' for t in took)} s each")
    ended(s)
    at_end = summary(s)
    check("and conversations", at_end["conversations"] == at_end["conversations_ended"], at_end)


if __name__ == "__main__":
    sys.exit(service.run(lost_is_told, drops_have_reasons, end_drains, reload_loses_nothing))
