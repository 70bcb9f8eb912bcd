"""The release build's sensor on a veth pair in a network namespace of its own, and a sender that replays captures out of
memory: what tools/bench_live and tools/soak (live.py beside it) share. Needs root."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
WORK = TOP / "build/bench"
WARD = TOP / "build/release/wardwatch"
TICKS = os.sysconf("SC_CLK_TCK")
INSIDE = "WARD_LIVE_NETNS"
SENDER, RECEIVER = "ward0", "ward1"


def build(*targets):
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cmake", "-S", TOP, "-B", TOP / "build/release", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    "-DBUILD_TESTING=ON"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", TOP / "build/release", "-j", "2", "--target", "wardwatch", *targets],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", WORK / "replay", TOP / "tools/lib/bench/replay.c", "-lpcap"],
                   check=True)


def enter(*targets):
    """Builds, runs the script once more in a namespace, and makes the cable there."""
    if os.geteuid() != 0:
        sys.exit("needs root, for a network namespace and capture")
    if not os.environ.get(INSIDE):
        build(*targets)
        os.execvpe("unshare", ["unshare", "-n", sys.executable, "-B", *sys.argv], os.environ | {INSIDE: "1"})
    ip = lambda *words: subprocess.run(["ip", *words], check=True)  # noqa: E731
    ip("link", "add", SENDER, "mtu", "9000", "type", "veth", "peer", "name", RECEIVER, "mtu", "9000")
    for name in (SENDER, RECEIVER):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")  # or it would talk by itself
        ip("link", "set", name, "arp", "off", "up")


def mixed(copies):
    """All Ethernet captures there are, as one; each copy with addresses of its own."""
    path = WORK / {1: "one.pcap", 5: "mixed.pcap"}[copies]
    if not path.exists():
        shared = sorted((TOP / "../shared/captures").glob("*/*.pcap"))
        subprocess.run([sys.executable, TOP / "tools/lib/mix.py", path, str(copies),
                        *(shared or sorted((TOP / "pcaps").glob("*/*.pcap")))], check=True, stdout=subprocess.DEVNULL)
    return path


class Sending:
    """A replay under way; end() gives packets, bytes and seconds."""

    def __init__(self, frames, speed, seconds=100000, packets=None, syns=0):
        command = [WORK / "replay", "-k", str(syns), *(["-n", str(packets)] if packets else []), frames, SENDER,
                   str(speed), str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def is_over(self):
        return self.process.poll() is not None

    def end(self):
        out = self.process.communicate()[0]
        if self.process.returncode:
            sys.exit("the sender failed")
        sent, size, ns = map(int, out.split())
        return sent, size, ns / 1e9


def cpu_s(pid):
    """Processor time of a process so far, user's and kernel's."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS


class Sensor:
    """wardwatch -i with all its policies."""

    def __init__(self, workers=1, config="", options=(), nice=0):
        self.folder = Path(tempfile.mkdtemp(prefix="ward-live-"))
        self.out, self.socket = self.folder / "out", self.folder / "status.sock"
        self.out.mkdir()
        for path in (self.folder, self.out):
            shutil.chown(path, "nobody")
        (self.folder / "c.yml").write_text(f"sensor: {{user: nobody}}\nstatus: {{socket: {self.socket}}}\n"
                                           f"metrics: {{file: {self.folder}/m.prom}}\n{config}")
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen([WARD, "-q", "-c", self.folder / "c.yml", "-p", TOP / "policies", "-i", RECEIVER,
                                         "-j", str(workers), "-o", self.out, *options], stderr=self.log,
                                        preexec_fn=lambda: os.nice(nice))
        if not self.wait(lambda: self.socket.exists() and self.status()):
            sys.exit(f"the sensor does not start: {self.said()}")

    def wait(self, until, seconds=20):
        late = time.monotonic() + seconds
        while time.monotonic() < late and self.process.poll() is None:
            if until():
                return True
            time.sleep(0.05)
        return False

    def said(self):
        return (self.folder / "log").read_text()

    def status(self):
        run = subprocess.run([WARD, "status", "--json", "--socket", self.socket], capture_output=True, text=True)
        return json.loads(run.stdout) if run.returncode == 0 else None

    def counters(self):
        return self.status()["counters"]

    def settle(self, sent, seconds=20):
        """Waits until all that was sent is counted or lost: whether that came to pass."""
        def all_there():
            c = self.counters()
            return c["packets"] + c["capture_lost"] == sent
        return self.wait(all_there, seconds)

    def rss_kib(self):
        return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text(), re.M)[1])

    def end(self):
        """The summary, and what the metrics file says of packets and losses."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            sys.exit(f"the sensor failed: {self.said()}")
        text = (self.folder / "m.prom").read_text()
        metrics = [sum(float(v) for v in re.findall(rf"^wardwatch_{name}_total(?:{{[^}}]*}})? (\S+)$", text, re.M))
                   for name in ("packets", "capture_lost")]
        return json.loads((self.out / "summary.json").read_text()), metrics

    def lines(self, name):
        return [json.loads(line) for line in open(self.out / name)]

    def drop(self):
        shutil.rmtree(self.folder)
