"""Runs the built wardwatch on a capture and gives what it wrote. Shared by the Python tests.

Exit status 77 means skipped (CMake: SKIP_RETURN_CODE)."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
SHARED = next((p for p in (TOP.parent / "shared",) if (p / "captures").is_dir()), None)
SECONDS = 120  # no capture takes longer, sanitizers included
SKIPPED = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def lab_or_skip():
    if SHARED is None:
        skip("no ../shared/captures beside this checkout")
    return SHARED / "captures/lab"


class Run:
    """One run: exit status, what it printed, and the lines of each file it wrote."""

    def __init__(self, program, *inputs, options=(), stdin=None, policies=TOP / "policies"):
        with tempfile.TemporaryDirectory(prefix="ward-") as folder:
            command = [program, *[a for i in inputs for a in ("-r", str(i))], "-p", str(policies), "--events",
                       "-o", folder, *options]
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, stdin=stdin or subprocess.DEVNULL,
                                  env=os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"})
            self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
            self.files = {p.name: p.read_bytes() for p in Path(folder).iterdir()}

    def lines(self, name):
        return [json.loads(line) for line in self.files.get(name, b"").splitlines()]

    def summary(self):
        return json.loads(self.files.get("summary.json", b"{}"))

    def must_be_good(self, name):
        if self.status != 0:
            sys.exit(f"{name}: exit status {self.status}: {self.stderr.decode(errors='replace').strip()}")


# What a shaken capture may change: who, when, where (engine-notes.md section 7).
PLACE = ("@timestamp", "packet", "source.", "destination.", "network.", "event.start", "event.end", "event.duration",
         "event.id", "client.", "server.")
# Categories that a protocol's dissector writes beside its own.
BESIDE = {"tls": {"x509"}}


def facts(events, proto):
    """The events of that protocol (its credentials and patient data too) without place and time."""
    own = {proto} | BESIDE.get(proto, set())
    for event in events:
        category = event["event.category"]
        about = event.get("credential.protocol") if category == "credential" else event.get("phi.container")
        if category in own or (category in ("credential", "phi") and about == proto):
            yield {k: v for k, v in event.items() if not k.startswith(PLACE)}


def devices(run):
    """For protocols that only make devices known: who there is, by address; tunnels' own ends left out."""
    for device in run.lines("devices.jsonl"):
        ips = [ip for ip in device.get("host", {}).get("ip", []) if not ip.startswith("192.0.2.")]
        if ips:
            yield {"device": sorted(ips), "router": device["wardwatch"]["device"]["router"]}


def golden_lines(capture, run):
    proto = capture.parent.name
    found = sorted(devices(run), key=str) if proto == "icmp6" else facts(run.lines("events.jsonl"), proto)
    return [json.dumps(line, sort_keys=True, ensure_ascii=False) for line in found]
