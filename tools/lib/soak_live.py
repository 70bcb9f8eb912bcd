#!/usr/bin/env python3
"""usage: soak_live.py live|flood|day [PACKETS] [PER-SECOND]
Ten million packets, and what has to hold then: nothing lost, memory flat after the first minute, counters that add up.
For tools/soak, which has the details. Each takes about two minutes; needs root but for `day`."""
import json
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import live  # noqa: E402

WARD_PCAP = live.TOP / "pcaps/ward.pcap"
FLAT_KIB = 1024  # that memory may grow by after the first minute: the kernel counts pages in batches for each thread
MINUTE = 60
wrong = 0


def check(what, fine, more=""):
    global wrong
    print(f"  {'ok    ' if fine else 'FAILED'} {what}{': ' if more != '' else ''}{more}", flush=True)
    wrong += not fine


def flows(status):
    return dict(zip(status["tables"]["name"], status["tables"]["used"]))["flows"]


class Watch:
    """Samples of the sensor's memory and counters while it runs."""

    def __init__(self, sensor):
        self.sensor, self.from_s, self.samples, self.odd = sensor, time.monotonic(), [], []

    def age(self):
        return time.monotonic() - self.from_s

    def look(self):
        c = (status := self.sensor.status())["counters"]
        self.samples.append((self.age(), self.sensor.rss_kib()))
        if c["conversations"] != c["conversations_ended"] + flows(status) or sum(status["workers"]["packets"]) != c["packets"]:
            self.odd.append((c, flows(status)))

    def judge(self):
        late = [kib for s, kib in self.samples if s >= MINUTE]
        if late:
            check(f"memory is flat after {MINUTE} s", max(late) - late[0] <= FLAT_KIB,
                  f"{self.samples[0][1] / 1024:.1f} MiB at the beginning, {late[0] / 1024:.1f} then, "
                  f"{max(late) / 1024:.1f} at most ({len(late)} samples)")
        else:
            print("         too short to judge memory")
        check(f"in each of {len(self.samples)} looks: conversations begun = ended + active, workers' packets = all",
              not self.odd, self.odd[:1] or "")


def account(sensor, sent, overload=False):
    """The end: everything that was sent is somewhere, and in all three places it is said."""
    check("all that was sent is counted or lost", sensor.settle(sent))
    summary, metrics = sensor.end()
    seen, lost = summary["packets"], summary["capture_lost"]
    check("sent = counted + lost", sent == seen + lost, f"{sent} = {seen} + {lost}")
    check("metrics say the same", metrics == [seen, lost], metrics if metrics != [seen, lost] else "")
    check("no packet is lost, nor an event" + " (not asked: overload)" * overload,
          (lost, summary["events_lost"]) == (0, 0) or overload,
          f"{lost} packets, {summary['events_lost']} events; {summary['events']} came")
    check("conversations begun = ended", summary["conversations"] == summary["conversations_ended"], summary["conversations"])
    print(f"         tables that were full: {json.dumps(summary.get('full', {}))}")
    return summary


def reload(sensor, watch):
    """SIGHUP; the seconds until the new rules are in force."""
    before, from_s = sensor.said().count("read anew"), time.monotonic()
    sensor.process.send_signal(signal.SIGHUP)
    sensor.wait(lambda: sensor.said().count("read anew") > before, 30)
    watch.look()
    return time.monotonic() - from_s


def soak_live(packets, speed):
    """All captures, mixed, on two workers; policies are read anew in the first minute, so that what that leaves counts
    as memory too."""
    frames, sensor = live.mixed(5), live.Sensor(2)
    sending, watch, took = live.Sending(frames, speed, packets=packets), Watch(sensor), []
    while not sending.is_over():
        watch.look()
        if watch.age() > 15 + 10 * len(took) and len(took) < 4:
            took.append(reload(sensor, watch))
        time.sleep(0.5)
    sent, size, seconds = sending.end()
    print(f"live: {sent} packets in {seconds:.0f} s, {sent / seconds:.0f}/s, {size * 8 / seconds / 1e6:.0f} Mbit/s")
    print(f"         policies read anew {len(took)} times, in {', '.join(f'{t:.2f}' for t in took)} s")
    check("all of them under load", len(took) == 4 and sensor.said().count("read anew") == 4)
    watch.judge()
    account(sensor, sent)
    sensor.drop()


def findings(alerts):
    return {(a["rule"]["id"], a.get("source", {}).get("ip"), a.get("destination", {}).get("ip")) for a in alerts}


def things(devices):
    return {(tuple(d["host"].get("mac", ())), d["wardwatch"]["device"]["type"]) for d in devices}


def ward_alone():
    """What there is to find in the ward's capture, by file: tests/e2e/service.py holds that live it is the same."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([live.WARD, "-q", "-r", WARD_PCAP, "-p", live.TOP / "policies", "-o", folder], check=True)
        read = lambda name: [json.loads(line) for line in open(f"{folder}/{name}")]  # noqa: E731
        return findings(read("alerts.jsonl")), things(read("devices.jsonl"))


def soak_flood(packets, speed):
    """SYNs from random addresses on one worker, and ten times the ward's 800 packets in between."""
    syns, turns = packets // 8000, 10
    sensor = live.Sensor(1)
    sending, watch = live.Sending(WARD_PCAP, speed, packets=turns * 800 * (syns + 1), syns=syns), Watch(sensor)
    while not sending.is_over():
        watch.look()
        time.sleep(0.5)
    sent, size, seconds = sending.end()
    print(f"flood-live: {sent - turns * 800} SYNs and {turns} times the ward's 800 packets in {seconds:.0f} s, "
          f"{sent / seconds:.0f}/s, {size * 8 / seconds / 1e6:.0f} Mbit/s")
    watch.judge()
    account(sensor, sent, speed > SPEED["flood"])
    found, known = ward_alone()
    got = findings(sensor.lines("alerts.jsonl"))
    check(f"all {len(found)} findings of the ward are there", found <= got, sorted(found - got, key=str)[:3] or "")
    extra = {f for f in got - found if not f[0].startswith("sensor_")}
    check("and none too many", not extra, sorted(extra, key=str)[:3] or "")
    print(f"         of the sensor itself: {', '.join(sorted({f[0] for f in got if f[0].startswith('sensor_')}))}")
    missing = known - things(sensor.lines("devices.jsonl"))
    check(f"all {len(known)} devices of the ward are known", not missing, sorted(missing)[:3] or "")
    sensor.drop()


def turns_of(path, turns):
    """The capture again and again, ten minutes later each time, as parts of a pcap file."""
    data, at, places = bytearray(path.read_bytes()), 24, []
    yield bytes(data[:24])
    del data[:24]
    at = 0
    while at < len(data):
        places.append(at)
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    begin = [struct.unpack_from("<I", data, p)[0] for p in places]
    for turn in range(turns):
        for place, second in zip(places, begin):
            struct.pack_into("<I", data, place, second + 600 * turn)
        yield bytes(data)


def run_turns(path, turns):
    """Through standard input; the summary, and memory after each turn."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([live.WARD, "-q", "-r", "-", "-p", live.TOP / "policies", "-o", folder],
                                   stdin=subprocess.PIPE)
        kib = []
        for part in turns_of(path, turns):
            process.stdin.write(part)
            process.stdin.flush()
            kib.append(int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]))
        process.stdin.close()
        if process.wait() != 0:
            sys.exit("wardwatch failed")
        return json.loads(Path(folder, "summary.json").read_text()), kib[1:]


def soak_day(packets, _):
    """A day's time stamps, as only a file can have them: wards side by side, each with addresses of its own, their ten
    minutes 144 times."""
    live.build()
    turns, path = 144, live.WORK / "wards.pcap"
    copies = max(packets // (turns * 800), 1)
    subprocess.run([sys.executable, live.TOP / "tools/lib/mix.py", path, str(copies), WARD_PCAP], check=True,
                   stdout=subprocess.DEVNULL)
    sent, from_s = turns * copies * 800, time.monotonic()
    one, two = run_turns(path, 1)[0], run_turns(path, 2)[0]
    all_, kib = run_turns(path, turns)
    print(f"day: {copies} wards, {sent} packets from {all_['first']} to {all_['last']}, in {time.monotonic() - from_s:.0f} s")
    check("all are counted", all_["packets"] == sent, all_["packets"])
    late = kib[turns // 4:]  # a conversation that was not closed is over after an hour of silence
    check("memory is flat after six hours", max(late) - late[0] <= FLAT_KIB,
          f"{kib[0] / 1024:.1f} MiB after ten minutes, {late[0] / 1024:.1f} then, {max(late) / 1024:.1f} at most")
    check("conversations begun = ended", all_["conversations"] == all_["conversations_ended"], all_["conversations"])
    for name in ("conversations", "events", "stream_bytes", "gaps", "overlaps", "duplicates", "tcp_ended"):
        each = two[name] - one[name]
        check(f"{name}: the same in each ten minutes", all_[name] == one[name] + each * (turns - 1),
              f"{all_[name]}, {each} each")
    print(f"         tables that were full: {json.dumps(all_.get('full', {}))}; {all_['alerts']} alerts, "
          f"{all_['alerts_folded']} repeats folded")
    path.unlink()


SPEED = {"live": 100_000, "flood": 50_000, "day": 0}


def main():
    kind = sys.argv[1]
    packets, speed = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 10_000_000), (3, SPEED[kind])))
    if kind != "day":
        live.enter()
    {"live": soak_live, "flood": soak_flood, "day": soak_day}[kind](packets, speed)
    print(f"{wrong} failed" if wrong else "all is good")
    return wrong != 0


sys.exit(main())
