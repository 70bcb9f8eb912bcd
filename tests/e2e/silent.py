#!/usr/bin/env python3
"""usage: silent.py PROGRAM
Live, in a network namespace made here: a cable that is pulled, an interface that never hears anything and one that
falls silent are events and alerts, each once and with figures. It waits for minutes to pass: four of them."""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import service  # noqa: E402
import ward  # noqa: E402
from service import check, lines  # noqa: E402

TALK = """
import socket, struct, sys, time
sys.path.insert(0, sys.argv[1])
from health import datagram
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("near", 0))
for n in range(10000):
    s.send(datagram(n + 1, 10 + n % 20))
    time.sleep(0.5)
"""


def told(out, action, name):
    return [e for e in lines(out / "events.jsonl") if e["event.category"] == "sensor" and e["event.action"] == action and
            e["sensor.interface"] == name]


def health_alerts(out):
    return sorted((a["rule"]["id"], a["event"]["kind"]) for a in lines(out / "alerts.jsonl")
                  if a["rule"]["category"] == "sensor_health")


def watched(net, program, folder):
    net.cable("near2", "still")
    net.cable("near3", "pulled")
    s = service.Sensor(net, program, folder / "silent", ward.TOP / "policies", workers=2,
                       interfaces=("far", "still", "pulled"), config="limits: {steady_minutes: 1}\n")
    out = folder / "silent" / "out"
    talker = net.run(sys.executable, "-c", TALK, str(Path(__file__).resolve().parent))
    net.ip("-n", net.name, "link", "set", "near3", "down")
    check("a cable that is pulled is told", s.wait(lambda: told(out, "link_down", "pulled")), s.said())
    check("and logged", "interface pulled is down: it is waited for" in s.said(), s.said())
    check("an interface that hears nothing is told", s.wait(lambda: told(out, "silent", "still"), 150), s.said())
    time.sleep(5)
    talker.kill()
    talker.wait()
    check("one that falls silent is told", s.wait(lambda: told(out, "silent", "far"), 150), s.said())
    net.ip("-n", net.name, "link", "set", "near3", "up")
    check("a cable that is put in again is told", s.wait(lambda: told(out, "link_up", "pulled")), s.said())
    code, _ = s.end()
    check("it ends", code == 0, f"{code} {s.said()}")
    still, far = told(out, "silent", "still")[0], told(out, "silent", "far")[0]
    check("never heard", still["sensor.packets_per_minute"] == 0 and still["sensor.value"] >= 60, still)
    check("what it carried", 100 <= far["sensor.packets_per_minute"] <= 130 and 60 <= far["sensor.value"] <= 130, far)
    events = [(e["event.action"], e["sensor.interface"]) for e in lines(out / "events.jsonl")
              if e["event.category"] == "sensor"]
    check("each is told once, in the order of time", events == [("link_down", "pulled"), ("silent", "still"),
                                                               ("silent", "far"), ("link_up", "pulled")], events)
    alerts = health_alerts(out)
    check("they are alerts", alerts == [("sensor_link_down", "alert"), ("sensor_silent_interface", "alert"),
                                        ("sensor_silent_interface", "alert")], alerts)


if __name__ == "__main__":
    sys.exit(service.run(watched))
