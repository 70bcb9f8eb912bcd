#!/usr/bin/env python3
"""usage: service.py PROGRAM
The sensor live, in a network namespace made here: what it says of a replayed capture is what it says of the file, but
for times; status while it runs; policies read anew, good ones and bad ones; an interface that goes; SIGTERM; several
interfaces; what is configured of the capture and of the store."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

SKIPPED = 77
wrong = 0
sensors = []


def check(what, fine, more=""):
    global wrong
    if not fine:
        print(f"{what} {more}")
        wrong += 1


class Net:
    """A namespace with a cable: frames sent into `near` come out of `far`."""

    def __init__(self):
        self.name = f"ww-service-{os.getpid()}"
        self.ip("netns", "add", self.name)
        self.ip("-n", self.name, "link", "set", "lo", "up")
        self.cable("near", "far")

    def cable(self, near, far):
        self.ip("-n", self.name, "link", "add", near, "type", "veth", "peer", "name", far)
        for end in (near, far):
            # No address of its own: the kernel would speak IPv6 on it.
            subprocess.run(["ip", "netns", "exec", self.name, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"],
                           check=True)
            self.ip("-n", self.name, "link", "set", end, "mtu", "9000", "up")

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def run(self, *command, **more):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], **more)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


# Copies that a mirror made are to be copies again, and no others: those that the file has within 10 ms (design.md
# section 6) follow at once, the like of what is further apart only after a while.
SENDER = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[2] if len(sys.argv) > 2 else "near", 0))
data, at, before = open(sys.argv[1], "rb").read(), 24, {}
while at + 16 <= len(data):
    seconds, micros, n = struct.unpack("<III", data[at:at + 12])
    frame = data[at + 16:at + 16 + n]
    at += 16 + n
    ip = frame[18:]  # behind one tag
    alike = ip[2:8] + ip[9:10] + ip[12:] if frame[16:18] == b"\\x08\\x00" else frame
    recorded = seconds + micros / 1e6
    then, sent = before.get(alike, (0, 0))
    if recorded - then > 0.01:
        time.sleep(max(0.0002, sent + 0.02 - time.monotonic()))
    s.send(frame)
    before[alike] = recorded, time.monotonic()
"""


def lines(path):
    """Those that are whole: the last one may just be written."""
    return [json.loads(line) for line in open(path) if line.endswith("\n")] if path.exists() else []


TIMES = ("@timestamp", "packet", "event.start", "event.duration", "dicom.duration", "hl7.ack_latency")


def timeless(events):
    """What does not depend on when: in any order, since two workers' packets may change places."""
    out = []
    for e in events:
        if e["event.category"] not in ("sensor", "x509"):  # how old a certificate is, is a matter of time
            out.append(json.dumps({k: v for k, v in e.items() if not any(k.startswith(t) for t in TIMES)}))
    return sorted(out)


def sanitized(program):
    return any(b"__%ssan_init" % s in Path(program).read_bytes() for s in (b"a", b"t"))


class Sensor:
    def __init__(self, net, program, folder, policies, workers=2, config="", interfaces=("far",), state=True):
        self.folder, self.socket = folder, folder / "status.sock"
        folder.mkdir()
        (folder / "out").mkdir()
        for path in (folder, folder / "out"):
            shutil.chown(path, "nobody")
        os.chmod(folder.parent, 0o755)
        (folder / "c.yml").write_text(f"sensor: {{user: nobody}}\nstatus: {{socket: {self.socket}}}\n"
                                      f"metrics: {{file: {folder}/m.prom}}\n{config}")
        self.err = open(folder / "err", "w+")
        self.process = net.run(program, "-c", folder / "c.yml", "-p", policies, "-j", str(workers),
                               *(word for name in interfaces for word in ("-i", name)), "--events", "-o", folder / "out",
                               *(("--state", folder / "state.db") if state else ()), stderr=self.err)
        self.program = program
        sensors.append(self)
        for _ in range(200):
            if self.socket.exists() or self.process.poll() is not None:
                break
            time.sleep(0.05)
        check("the sensor starts", self.status() is not None, self.said())

    def status(self):
        run = subprocess.run([self.program, "status", "--json", "--socket", self.socket], capture_output=True,
                             text=True, timeout=20)
        return json.loads(run.stdout) if run.returncode == 0 else None

    def wait(self, until, seconds=20):
        for _ in range(int(seconds / 0.1)):
            if until():
                return True
            time.sleep(0.1)
        return False

    def said(self):
        self.err.flush()
        return Path(self.err.name).read_text()

    def pid(self):
        """`ip netns exec` becomes the program."""
        return self.process.pid

    def end(self, how=signal.SIGTERM):
        began = time.monotonic()
        self.process.send_signal(how)
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        return code, time.monotonic() - began


def counter(sensor, name):
    text = json.dumps(sensor.status() or {})
    found = json.loads(text).get("counters", {})
    return found.get(name)


def replayed(net, program, folder):
    capture, policies = ward.TOP / "pcaps" / "ward.pcap", ward.TOP / "policies"
    subprocess.run([program, "-q", "-p", policies, "--events", "-o", folder / "off", "-r", capture], check=True)
    s = Sensor(net, program, folder / "live", policies)
    net.run(sys.executable, "-c", SENDER, capture).wait()
    rights = dict(line.split(":", 1) for line in open(f"/proc/{s.pid()}/status"))
    check("no capability is left", int(rights["CapEff"], 16) == 0 and int(rights["CapBnd"], 16) == 0, rights)
    check("nor can one be gained", rights["NoNewPrivs"].strip() == "1")
    check("it is nobody", rights["Uid"].split()[1] == str(pwd.getpwnam("nobody").pw_uid), rights["Uid"])
    if not sanitized(program):
        tasks = [dict(line.split(":", 1) for line in open(t)) for t in
                 map(str, Path(f"/proc/{s.pid()}/task").glob("*/status"))]
        check("every thread has a filter", len(tasks) == 5 and all(t["Seccomp"].strip() == "2" for t in tasks), tasks)
    check("all packets are counted", s.wait(lambda: counter(s, "packets") == 800), s.said())
    check("the last packet's time stays a packet's", s.wait(lambda: s.status()["idle_seconds"] >= 2, 6), s.status())
    code, took = s.end()
    check("SIGTERM ends it well and soon", code == 0 and took < 10, f"{code} after {took:.1f} s: {s.said()}")
    live, off = folder / "live" / "out", folder / "off"
    told = json.loads((live / "summary.json").read_text())
    spans = [datetime.fromisoformat(told[k].rstrip("Z")).timestamp() for k in ("first", "last")]
    check("from the first packet to the last", spans[1] - spans[0] < told["seconds"] - 2, told)
    known = subprocess.run([program, "devices", "--state", folder / "live" / "state.db", "--json"], capture_output=True,
                           text=True, check=False)
    kept = sorted(json.loads(line)["device"]["id"] for line in known.stdout.splitlines())
    check("what it knew is kept", kept == sorted(x["device"]["id"] for x in lines(live / "devices.jsonl")),
          known.stdout + known.stderr)
    # Two minutes of ten are idle time in the file: there conversations end, live they are still open.
    a, b = timeless(lines(live / "events.jsonl")), timeless(lines(off / "events.jsonl"))
    check("the same events", a == b, "\n".join(sorted(set(a) ^ set(b))[:4])[:3000])
    alerts = [sorted({(x["rule"]["name"], x["source"].get("ip"), x["destination"].get("ip"))
                      for x in lines(d / "alerts.jsonl")}) for d in (live, off)]
    check("the same alerts", alerts[0] == alerts[1], set(alerts[0]) ^ set(alerts[1]))
    devices = [sorted(x["device"]["id"] for x in lines(d / "devices.jsonl")) for d in (live, off)]
    check("the same devices", devices[0] == devices[1], devices)


def reloaded(net, program, folder):
    policies = folder / "policies"
    shutil.copytree(ward.TOP / "policies", policies)
    s = Sensor(net, program, folder / "reload", policies, 1)
    bad = policies / "weak-auth" / "bad.yml"
    bad.write_text("title: [\n")
    s.process.send_signal(signal.SIGHUP)
    check("bad policies are said", s.wait(lambda: "stay in force" in s.said()), s.said())
    check("with file and line", "bad.yml:" in s.said(), s.said())
    out = folder / "reload" / "out" / "alerts.jsonl"
    check("and raise an alert", s.wait(lambda: any(x["rule"]["name"].startswith("New policies are wrong")
                                                  for x in lines(out))))
    bad.unlink()
    (policies / "weak-auth" / "telnet-login-in-clear.yml").unlink()
    s.process.send_signal(signal.SIGHUP)
    check("good ones are taken", s.wait(lambda: "read anew" in s.said()), s.said())
    for _ in range(20):
        s.process.send_signal(signal.SIGHUP)
        net.run(sys.executable, "-c", SENDER, ward.TOP / "pcaps" / "ward.pcap").wait()
    names = {x["rule"]["name"] for x in lines(out)}
    check("the rule that went says nothing", "Telnet login in clear" not in names)
    check("the others go on", "Patient data in clear over HL7" in names, names)
    code, took = s.end()
    check("it ends", code == 0 and took < 10, f"{code} {s.said()}")


def threads(pid):
    return sorted((task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir())


def gone(net, program, folder):
    s = Sensor(net, program, folder / "gone", ward.TOP / "policies")
    check("threads have names", s.wait(lambda: {"ww-tell", "ww-file", "ww-work-1", "ww-work-2", "wardwatch"} <= set(threads(s.pid()))),
          threads(s.pid()))
    net.ip("-n", net.name, "link", "set", "far", "down")
    time.sleep(0.5)
    net.ip("-n", net.name, "link", "set", "far", "up")
    net.run(sys.executable, "-c", SENDER, ward.TOP / "pcaps" / "ward.pcap").wait()
    check("a link that comes back is read again", s.wait(lambda: (counter(s, "packets") or 0) > 700), s.said())
    net.ip("-n", net.name, "link", "del", "far")
    try:
        code = s.process.wait(15)
    except subprocess.TimeoutExpired:
        s.process.kill()
        code = None
    check("an interface that goes ends it with 3", code == 3, f"{code} {s.said()}")
    check("and it is named", "far" in s.said(), s.said())


def frames_of(capture):
    data, at, frames = Path(capture).read_bytes(), 24, []
    while at + 16 <= len(data):
        n = int.from_bytes(data[at + 8:at + 12], "little")
        frames.append(data[at + 16:at + 16 + n])
        at += 16 + n
    return frames


def several(net, program, folder):
    """Two interfaces: one figure each, one judgement; the store is the configuration's. One goes."""
    first, second = ward.TOP / "pcaps" / "ward.pcap", ward.TOP / "pcaps" / "telnet" / "login.pcap"
    net.cable("near2", "far2")
    s = Sensor(net, program, folder / "several", ward.TOP / "policies", interfaces=("far", "far2"), state=False,
               config=f"store: {{file: {folder}/several/kept.db}}\n")
    net.run(sys.executable, "-c", SENDER, first).wait()
    net.run(sys.executable, "-c", SENDER, second, "near2").wait()
    packets, octets = ([f(frames_of(c)) for c in (first, second)] for f in (len, lambda x: sum(map(len, x))))
    check("all packets are counted", s.wait(lambda: counter(s, "packets") == sum(packets)), s.said())
    time.sleep(0.5)
    seen = s.status()["interfaces"]
    check("each interface has its figures", seen["name"] == ["far", "far2"] and seen["packets"] == packets and
          seen["bytes"] == octets and seen["up"] == [True, True] and seen["dropped"] == [0, 0], seen)
    named = {f'wardwatch_capture_{what}_total{{interface="{name}"}} {n}' for what, ns in
             (("packets", packets), ("bytes", octets)) for name, n in zip(("far", "far2"), ns)}
    check("and in the metrics", s.wait(lambda: named <= set((folder / "several" / "m.prom").read_text().split("\n"))),
          (folder / "several" / "m.prom").read_text())
    net.ip("-n", net.name, "link", "del", "far2")
    try:
        code = s.process.wait(15)
    except subprocess.TimeoutExpired:
        code = None
    check("one that goes ends it with 3", code == 3, f"{code} {s.said()}")
    check("which is named", "interface far2 is no longer there" in s.said() and "interface far is" not in s.said(), s.said())
    protocols = {e["event.category"] for e in lines(folder / "several" / "out" / "events.jsonl")}
    check("both were read", {"dicom", "telnet"} <= protocols, protocols)
    known = subprocess.run([program, "devices", "--state", folder / "several" / "kept.db", "--json"], check=False,
                           capture_output=True, text=True)
    check("what it knew is kept", len(known.stdout.splitlines()) > 5, known.stdout + known.stderr)


def promiscuity(net, name):
    shown = subprocess.run(["ip", "-n", net.name, "-d", "link", "show", name], capture_output=True, text=True, check=True)
    return shown.stdout.partition("promiscuity ")[2].split()[0]


def configured(net, program, folder):
    """What the capture is to be like, by the configuration; and --state goes before store.file."""
    capture = ward.TOP / "pcaps" / "ward.pcap"
    # One tag before IPv4, no options; that of what comes in the kernel takes off before the filter looks.
    wanted = [f for f in frames_of(capture) if f[12:14] == b"\x81\x00" and f[16:18] == b"\x08\x00" and f[27] == 6 and
              2575 in (int.from_bytes(f[38:40], "big"), int.from_bytes(f[40:42], "big"))]
    s = Sensor(net, program, folder / "configured", ward.TOP / "policies", config="live: {filter: tcp port 2575, "
               f"promiscuous: off}}\nlimits: {{snap_bytes: 256, capture_kib: 4096}}\nstore: {{file: {folder}/unused.db}}\n")
    check("not promiscuous", promiscuity(net, "far") == "0", promiscuity(net, "far"))
    net.run(sys.executable, "-c", SENDER, capture).wait()
    check("the filter's packets", s.wait(lambda: counter(s, "packets") == len(wanted)), f"{counter(s, 'packets')}, {len(wanted)}")
    cut = sum(len(f) > 256 for f in wanted)
    check("cut at the snap length", 0 < cut == counter(s, "packets_cut"), f"{cut} {counter(s, 'packets_cut')}")
    check("the buffers that were asked for", "packets wait in 8 MiB" in s.said(), s.said())
    s.end()
    check("--state goes before", (folder / "configured" / "state.db").exists() and not (folder / "unused.db").exists())
    bad = folder / "bad.yml"
    bad.write_text("live:\n  promiscuous: on\n  filter: tcp prt 80\n")
    run = net.run(program, "-c", bad, "-i", "far", stderr=subprocess.PIPE, text=True)
    _, err = run.communicate(timeout=20)
    check("a wrong filter", run.returncode == 1 and f"{bad}:3:11: C027 the capture filter 'tcp prt 80'" in err, err)


def down_at_start(net, program, folder):
    net.cable("near3", "far3")
    net.ip("-n", net.name, "link", "set", "far3", "down")
    s = Sensor(net, program, folder / "down", ward.TOP / "policies", interfaces=("far", "far3"))
    check("it is said", "far3: " in s.said() and "is down: it is read once it is up" in s.said(), s.said())
    check("and shown", s.wait(lambda: s.status()["interfaces"]["up"] == [True, False]), s.status())
    net.run(sys.executable, "-c", SENDER, ward.TOP / "pcaps" / "ward.pcap").wait()
    check("the other is read", s.wait(lambda: counter(s, "packets") == 800), s.said())
    net.ip("-n", net.name, "link", "set", "far3", "up")
    check("then it is up", s.wait(lambda: s.status()["interfaces"]["up"] == [True, True]), s.status())
    net.run(sys.executable, "-c", SENDER, ward.TOP / "pcaps" / "ward.pcap", "near3").wait()
    check("and read", s.wait(lambda: counter(s, "packets") == 1600), s.said())
    code, _ = s.end()
    check("it ends", code == 0, f"{code} {s.said()}")
    net.ip("-n", net.name, "link", "del", "near3")


def refused(net, program, folder):
    for arguments, says in ((["-i", "nosuch0"], "no such interface"), (["-i", "far", "-r", "x.pcap"], "-i and -r"),
                            (["-i", "far", "-i", "far"], "twice")):
        run = net.run(program, *arguments, stderr=subprocess.PIPE, text=True)
        _, err = run.communicate(timeout=20)
        check(f"{arguments}", run.returncode == 1 and says in err, f"{run.returncode} {err}")


def run(*tests):
    """Each test gets a network namespace's two ends, the program, and a folder. The exit code."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("needs root and ip(8)")
        return SKIPPED
    try:
        net = Net()
    except (subprocess.CalledProcessError, FileNotFoundError) as e:
        print(f"no network namespaces here: {e}")
        return SKIPPED
    try:
        with tempfile.TemporaryDirectory() as name:
            for test in tests:
                from_s = time.monotonic()
                test(net, sys.argv[1], Path(name))
                print(f"{test.__name__}: {time.monotonic() - from_s:.1f} s", flush=True)
    finally:
        for s in sensors:
            s.process.kill()
        net.close()
    return wrong != 0


if __name__ == "__main__":
    sys.exit(run(refused, replayed, reloaded, configured, several, down_at_start, gone))
