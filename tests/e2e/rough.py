#!/usr/bin/env python3
"""usage: rough.py PROGRAM
The sensor live, roughly handled, in a network namespace made here: signals while it starts, nobody who reads its
output, no room for its state, a folder of policies that is another. It says what is wrong and what to do, and ends."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import service  # noqa: E402
import ward  # noqa: E402
from service import check  # noqa: E402

WARD, POLICIES = ward.TOP / "pcaps" / "ward.pcap", ward.TOP / "policies"


def replay(net):
    net.run(sys.executable, "-c", service.SENDER, WARD).wait()


def started(net, program, folder, *arguments, config="", **more):
    """Without waiting for it."""
    folder.mkdir(exist_ok=True)
    os.chmod(folder.parent, 0o755)
    shutil.chown(folder, "nobody")
    (folder / "c.yml").write_text(f"sensor: {{user: nobody}}\n{config}")
    return net.run(program, "-c", folder / "c.yml", "-p", POLICIES, "-i", "far", *arguments, stderr=subprocess.PIPE,
                   text=True, **more)


def ended(what, process, code, says, seconds=10):
    began = time.monotonic()
    try:
        said = process.communicate(timeout=seconds + 5)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[1]
    took = time.monotonic() - began
    check(what, process.returncode == code and any(s in said for s in says.split("|")) and took < seconds,
          f"{process.returncode} after {took:.1f} s: {said}")


def caught(process):
    """The signals that it catches."""
    for line in open(f"/proc/{process.pid}/status"):
        if line.startswith("SigCgt:"):
            return {n for n in range(1, 64) if int(line.split()[1], 16) >> (n - 1) & 1}
    return set()


def wait_for(until, seconds=20):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.001)


def signals_at_start(net, program, folder):
    p = started(net, program, folder / "early")
    wait_for(lambda: signal.SIGTERM in caught(p))
    check("a reload does not end it while it starts", signal.SIGHUP in caught(p))
    p.send_signal(signal.SIGTERM)
    ended("SIGTERM does, and nobody to tell of alerts was said", p, 0, "nobody hears of alerts")


def values_at_their_ends(net, program, folder):
    p = started(net, program, folder / "most", config="limits: {capture_kib: 2097152}\n")
    ended("a buffer that cannot be", p, 1, "2097151")


def nobody_reads(net, program, folder):
    """The alerts of one ward are more than the pipe takes."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    p = started(net, program, folder / "blocked", "--json", stdout=write)
    os.close(write)
    wait_for(lambda: signal.SIGTERM in caught(p))
    time.sleep(1)
    replay(net)
    time.sleep(1)
    p.send_signal(signal.SIGTERM)
    ended("an output that blocks", p, 1, "does an output block?|Interrupted", 12)  # TSan interrupts it
    os.close(read)


def no_room_for_state(net, program, folder):
    full = folder / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k,mode=777", "none", full], check=False).returncode != 0:
        return
    try:
        p = started(net, program, folder / "state", "--state", full / "s.db", "-o", folder / "state")
        wait_for(lambda: signal.SIGTERM in caught(p))
        time.sleep(1)
        replay(net)
        time.sleep(0.5)
        p.send_signal(signal.SIGTERM)
        ended("a state that cannot be written", p, 1, "cannot be written: the disk is full")
    finally:
        subprocess.run(["umount", full], check=True)


def another_folder(net, program, folder):
    policies = folder / "policies"
    shutil.copytree(POLICIES, policies)
    s = service.Sensor(net, program, folder / "other", policies, 1)
    policies.rename(folder / "before")
    shutil.copytree(POLICIES, policies)
    s.process.send_signal(signal.SIGHUP)
    what = "read anew" if "no Landlock" in s.said() else "restart it then"
    check("another folder of policies", s.wait(lambda: what in s.said()), s.said())
    s.end()


def renamed_files(net, program, folder):
    s = service.Sensor(net, program, folder / "rotated", POLICIES, 1)
    out = folder / "rotated" / "out"
    replay(net)
    check("alerts are written", s.wait(lambda: len(service.lines(out / "alerts.jsonl")) > 10))
    for name in ("alerts", "events"):
        (out / f"{name}.jsonl").rename(out / f"{name}.1")
    s.process.send_signal(signal.SIGHUP)
    check("new files are begun", s.wait(lambda: (out / "alerts.jsonl").exists() and (out / "events.jsonl").exists()))
    check("the policies are read", s.wait(lambda: "read anew" in s.said()))
    before = [(out / f"{name}.1").read_bytes() for name in ("alerts", "events")]
    replay(net)
    check("they are written", s.wait(lambda: len(service.lines(out / "events.jsonl")) > 100))
    s.end()
    check("the old ones are not", before == [(out / f"{name}.1").read_bytes() for name in ("alerts", "events")])
    check("alerts in the new one", len(service.lines(out / "alerts.jsonl")) > 0)


def rotated_files(net, program, folder):
    s = service.Sensor(net, program, folder / "rotates", POLICIES, 1, "output: {rotate: {size: 2KiB, keep: 3}}\n")
    out = folder / "rotates" / "out"
    for _ in range(3):
        replay(net)
        check("files are begun anew", s.wait(lambda: (out / "events.jsonl.1").exists()))
    s.wait(lambda: (out / "events.jsonl.3").exists())
    s.end()
    for name in ("alerts", "events"):
        files = sorted(out.glob(f"{name}.jsonl*"))
        check("no more than are kept", files and len(files) <= 4, files)
        check("of whole lines", all(json.loads(line) for f in files for line in f.read_text().splitlines()))
        check("and for nobody else", all(f.stat().st_mode & 0o77 == 0 for f in files))
    check("without a word", "rotate" not in s.said(), s.said())


if __name__ == "__main__":
    sys.exit(service.run(signals_at_start, values_at_their_ends, no_room_for_state, another_folder, renamed_files,
                         rotated_files, nobody_reads))
