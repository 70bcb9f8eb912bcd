#!/usr/bin/env python3
"""usage: siem_rsyslog.py PROGRAM file|stream|list
tools/siem/rsyslog-*.conf as they are but for addresses and folders, with a real rsyslogd. stream and list need
imhiredis, which Debian 12 does not package: RSYSLOGD=/path/to/rsyslogd names one that has it."""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import redis_server as redis  # noqa: E402
import ward  # noqa: E402

KEY = "wardwatch:{ward-east}:alert"
SECONDS = 60
RSYSLOGD = os.environ.get("RSYSLOGD") or shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def configuration(folder, name, **changes):
    """The file with its own words exchanged; each has to be there."""
    text = (ward.TOP / "tools/siem" / f"rsyslog-{name}.conf").read_text()
    for old, new in changes.values():
        if old not in text:
            sys.exit(f"rsyslog-{name}.conf has no {old!r}")
        text = text.replace(old, new)
    path = folder / "rsyslog.conf"
    path.write_text(f'global(workDirectory="{folder}")\n' + text)
    checked = subprocess.run([RSYSLOGD, "-N1", "-f", path], capture_output=True, text=True, timeout=60)
    if "imhiredis" in checked.stderr and "could not load module" in checked.stderr:
        ward.skip("this rsyslogd has no imhiredis")
    if checked.returncode or "warning" in checked.stderr or "error" in checked.stderr.lower():
        sys.exit(f"rsyslogd -N1: {checked.stderr}")
    return path


def start(path):
    return subprocess.Popen([RSYSLOGD, "-n", "-f", path, "-i", path.parent / "rsyslogd.pid"], stderr=subprocess.DEVNULL)


def wait_for(what, test):
    end = time.monotonic() + SECONDS
    while not test():
        if time.monotonic() > end:
            sys.exit(f"{what}: not in {SECONDS} s")
        time.sleep(0.05)


class SyslogServer(threading.Thread):
    """Reads RFC 5424 frames with octet counting; messages after the header."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.messages = self.listener.getsockname()[1], []

    def run(self):
        while True:
            f = self.listener.accept()[0].makefile("rb")
            while digits := self.number(f):
                frame = f.read(int(digits))
                head, message = frame.split(b" - - - ", 1)
                if not head.startswith(b"<133>1 2") or b" wardwatch" not in head:
                    self.messages.append(b"a bad header: " + head)
                self.messages.append(message)

    @staticmethod
    def number(f):
        digits = b""
        while (c := f.read(1)) not in (b" ", b""):
            digits += c
        return digits


def file_case(folder, lines):
    server = SyslogServer()
    server.start()
    source = folder / "alerts.jsonl"
    source.write_bytes(b"")
    path = configuration(folder, "file", target=('target="siem.example.net" port="6514"',
                                                 f'target="127.0.0.1" port="{server.port}"'),
                         file=("/var/lib/wardwatch/out/alerts.jsonl", str(source)))
    process = start(path)
    try:
        with open(source, "ab") as f:
            for line in lines:
                f.write(line + b"\n")
                f.flush()
        wait_for("at the syslog server", lambda: len(server.messages) >= len(lines))
    finally:
        process.terminate()
        process.wait(timeout=20)
    if server.messages != lines:
        sys.exit(f"{len(server.messages)} messages, not equal to the lines: {server.messages[:1]}")


def redis_case(folder, lines, name):
    out, rnd = folder / "alerts.jsonl", random.Random(7)
    got = lambda: out.read_bytes().splitlines() if out.exists() else []  # noqa: E731
    with redis.Server(folder) as server:
        client = redis.Client(server.port)
        changes = {"port": ('port="6379"', f'port="{server.port}"'),
                   "file": ("/var/log/wardwatch/alerts.jsonl", str(out))}
        if name == "stream":
            changes["claim"] = ('autoclaimIdleTime="60000"', 'autoclaimIdleTime="500"')
        path = configuration(folder, name, **changes)
        process = start(path)
        for i, line in enumerate(lines):
            doc = json.loads(line)
            if name == "list":
                client("RPUSH", KEY, line)
            else:
                client("XADD", KEY, "MAXLEN", "~", 1000000, f"{1772352000000 + i}-0", "body", line, "id",
                       doc["event"]["id"], "kind", doc["event"]["kind"], "level", doc["wardwatch"]["level"], "v", 1)
            if name == "stream" and i % 20 == 19:
                time.sleep(rnd.uniform(0, 0.3))
                process.kill()
                process.wait()
                process = start(path)
        try:
            wait_for("in the file", lambda: set(got()) == set(lines) and (
                client("LLEN", KEY) if name == "list" else client("XPENDING", KEY, "siem")[0]) == 0)
        finally:
            process.terminate()
            process.wait(timeout=20)
        if name == "list" and got() != lines:
            sys.exit("not in order")
        print(f"{len(got()) - len(lines)} came twice")


def main():
    if not RSYSLOGD:
        ward.skip("no rsyslogd")
    run = ward.Run(sys.argv[1], ward.TOP / "pcaps/ward.pcap")
    run.must_be_good("ward")
    lines = []
    for n in range(10):  # some with an ending as long as documents may become
        for line in run.files["alerts.jsonl"].splitlines():
            doc = json.loads(line)
            doc["event"]["id"], doc["message"] = f"e1-{len(lines):020x}", doc["message"] + " é" * (15000 if n == 5 else 1)
            lines.append(json.dumps(doc, ensure_ascii=False, separators=(",", ":")).encode())
    with tempfile.TemporaryDirectory(prefix="ward-") as folder:
        if sys.argv[2] == "file":
            file_case(Path(folder), lines)
        else:
            redis_case(Path(folder), lines, sys.argv[2])


main()
