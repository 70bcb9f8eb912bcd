#!/usr/bin/env python3
"""usage: broken.py PROGRAM
Inputs, outputs and policies that are no good: one clear sentence, the right exit code, nothing half-written
(design.md section 12)."""
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

GOOD = ward.TOP / "pcaps/hl7/adt.pcap"
POLICIES = ["-p", str(ward.TOP / "policies")]


def cases(folder):
    """(name, arguments, exit status, what the sentence must hold)"""
    def file(name, data):
        path = folder / name
        path.write_bytes(data)
        return str(path)
    whole = GOOD.read_bytes()
    read = lambda path: ["-r", path, "-q", *POLICIES]  # noqa: E731
    yield "no arguments", [], 1, "-r"
    yield "unknown option", ["--frobnicate"], 1, "frobnicate"
    yield "missing file", read(str(folder / "not-there.pcap")), 1, "not-there.pcap"
    yield "empty file", read(file("empty.pcap", b"")), 1, "empty.pcap"
    yield "foreign file", read(file("letter.pcap", b"Dear colleague, this is no capture.\n" * 9)), 1, "letter.pcap"
    yield "header only", read(file("header.pcap", whole[:24])), 0, ""
    yield "cut header", read(file("short.pcap", whole[:13])), 1, "short.pcap"
    yield "cut in a record", read(file("cut.pcap", whole[:-9])), 2, "cut.pcap"
    yield "damaged record", read(file("torn.pcap", whole[:24 + 76] + b"\xff" * 16 + whole[24 + 76 + 16:])), 2, "torn.pcap"
    yield "damaged pcapng", read(file("torn.pcapng", bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000") + b"\xff" * 9)), None, "torn.pcapng"
    yield "cut gzip", read(file("cut.pcap.gz", __import__("gzip").compress(whole)[:-40])), 2, "cut.pcap.gz"
    mixed = folder / "mixed"
    mixed.mkdir()
    (mixed / "a.pcap").write_bytes(whole)
    (mixed / "notes.txt").write_text("no capture")
    yield "folder with others", read(str(mixed)), 0, ""
    bare = folder / "bare"
    bare.mkdir()
    yield "empty folder", read(str(bare)), 1, "bare"
    yield "policies missing", ["-r", str(GOOD), "-q", "-p", str(folder / "no-such")], 1, "no-such"
    rules = folder / "rules"
    rules.mkdir()
    (rules / "bad.yml").write_text("title: Bad\nid: 6c87886a-f2ed-4ec3-b9db-35333847b64e\nlevel: low\nlogsource: {product: wardwatch, service: hl7}\ndetection:\n    a:\n        hl7.no_such_field: 1\n    condition: a\n")
    yield "bad policy", ["-r", str(GOOD), "-q", "-p", str(rules)], 1, "bad.yml:"
    yield "configuration missing", ["-r", str(GOOD), "-q", "-c", str(folder / "no.yml"), *POLICIES], 1, "no.yml"
    yield "bad configuration", ["-r", str(GOOD), "-q", "-c", file("bad.yml", b"limits: {flows: many}\n"), *POLICIES], 1, "bad.yml:1"
    yield "output is a file", ["-r", str(GOOD), "-q", "-o", file("taken", b"x"), *POLICIES], 1, "taken"
    yield "no rules", ["-r", str(GOOD), "-q", "-p", str(bare)], 1, "bare: holds no rule"
    yield "events without a folder", ["-r", str(GOOD), "-q", "--events", *POLICIES], 1, "--events needs"
    yield "events without a folder, configured", ["-r", str(GOOD), "-q", "-c", file("events.yml", b"output: {events: on}\n"), *POLICIES], 1, "output.events"
    yield "full disk", ["-r", str(GOOD), "-q", "-o", "FULL", "--events", *POLICIES], 1, ""


def run(program, arguments, stdout=subprocess.PIPE):
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, timeout=60)


def complaint(program, arguments, status, sentence):
    done = run(program, arguments)
    text = done.stderr.decode(errors="replace")
    if "Sanitizer" in text or done.returncode < 0:
        return f"crash: {text[-2000:]}"
    if (status is not None and done.returncode != status) or done.returncode not in (0, 1, 2):
        return f"exit status {done.returncode}, not {status}: {text[-300:]!r}"
    if done.returncode and (not text.strip() or sentence not in text):
        return f"says {text[-300:]!r}, nothing of {sentence!r}"
    if done.returncode and len(text.strip().splitlines()) > 3:
        return f"says more than a sentence: {text!r}"
    return None


def full_disk(program, folder):
    """A file system of 64 KiB; without the right to mount one, stdout to /dev/full alone."""
    small = folder / "small"
    small.mkdir()
    # A private mount name space, so that nothing is left behind.
    script = f'mount -t tmpfs -o size=64k none "{small}" && mkdir "{small}/out" && head -c 50000 /dev/zero >"{small}/fill" && ' \
             f'"{program}" -r "{ward.TOP}/pcaps/ward.pcap" -q --events -o "{small}/out" -p "{ward.TOP}/policies"; s=$?; ls -A "{small}/out" >&2; exit $s'
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if probe.returncode:
        return None
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60)
    text = done.stderr.decode(errors="replace")
    if done.returncode != 1 or "space" not in text.lower():
        return f"full disk: exit status {done.returncode}: {text[-300:]!r}"
    if any(word in text for word in (".tmp", ".part", ".jsonl\n")):
        return f"full disk: files are left: {text[-300:]!r}"
    return None


def stopped(program):
    """A signal in the middle: what was read is judged, and the exit status says that it was not all."""
    run = subprocess.Popen([program, "-r", "-", "-q", *POLICIES], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    whole = GOOD.read_bytes()
    records = whole[24:] * (200000 // len(whole) + 1)
    run.stdin.write(whole[:24] + records)  # more than a pipe holds: it is being read now
    run.stdin.flush()
    run.send_signal(signal.SIGINT)
    try:
        for _ in range(50):
            run.stdin.write(records)
        run.stdin.close()
    except BrokenPipeError:
        pass
    text = run.stderr.read().decode(errors="replace")
    run.wait(60)
    if run.returncode != 2 or "stopped by a signal after packet" not in text:
        return f"signal: exit status {run.returncode}: {text[-300:]!r}"
    return None


def stopped_while_idle(program):
    """A signal while the pipe is open and silent, at a packet's end and in the middle of one: it acts at once, the
    page is printed, and nothing is called damaged."""
    whole = GOOD.read_bytes()
    for held_back, number in ((0, signal.SIGINT), (9, signal.SIGHUP), (len(whole) - 24, signal.SIGTERM)):
        run = subprocess.Popen([program, "-r", "-", *POLICIES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run.stdin.write(whole[:len(whole) - held_back])
        run.stdin.flush()
        time.sleep(3)  # it has read all and waits
        run.send_signal(number)
        try:
            run.wait(20)  # the pipe is still open
        except subprocess.TimeoutExpired:
            run.kill()
            return f"idle pipe, {held_back} bytes held back: the signal does nothing"
        page, text = run.stdout.read().decode(), run.stderr.read().decode(errors="replace")
        run.stdin.close()
        if run.returncode != 2 or "stopped by a signal after packet" not in text or "damage" in text or "middle" in text:
            return f"idle pipe, {held_back} bytes held back: exit status {run.returncode}: {text[-300:]!r}"
        if "packets" not in page:
            return f"idle pipe, {held_back} bytes held back: no page, but {page[-300:]!r}"
    return None


def closed(program, out):
    """No standard output at all: it is said, and the page goes into no file that got its number."""
    bad = []
    for arguments in (["--help"], ["-r", str(GOOD), "-o", str(out), *POLICIES]):
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", program, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
        if done.returncode != 1 or b"standard output: writing failed" not in done.stderr:
            bad.append(f"{arguments} without standard output: exit status {done.returncode}: {done.stderr[-300:]!r}")
    if out.exists():
        bad.append(f"without standard output: files are left: {sorted(p.name for p in out.iterdir())}")
    return bad


def unexplained(program):
    """Everything that stands in summary.json has its row in the manual beside the program."""
    summary = json.loads(ward.Run(program, GOOD, options=["-q"]).files["summary.json"])
    rows = re.findall(r"^\.B ([a-z_]+)", Path(program).with_name("wardwatch.8").read_text().replace("\\fR, \\fB", "\n.B "), re.M)
    return [f"{key} of summary.json is not in the manual" for key in summary if key not in rows]


def main(program):
    bad = []
    with tempfile.TemporaryDirectory(prefix="broken-") as name:
        folder = Path(name)
        for case, arguments, status, sentence in cases(folder):
            if "FULL" in arguments:
                problem = full_disk(program, folder)
            else:
                problem = complaint(program, arguments, status, sentence)
            if problem:
                bad.append(f"{case}: {problem}")
        bad += [problem for problem in (stopped(program), stopped_while_idle(program)) if problem]
        for arguments in (["-r", str(GOOD), *POLICIES], ["--help"], ["--version"], ["policy", "--help"]):
            with open("/dev/full", "wb") as full:
                done = run(program, arguments, stdout=full)
            if done.returncode != 1 or b"standard output" not in done.stderr:
                bad.append(f"{arguments} to a full disk: exit status {done.returncode}: {done.stderr[-300:]!r}")
        bad += unexplained(program)
        bad += closed(program, folder / "closed")
        with open(GOOD, "rb") as pipe:
            piped = ward.Run(program, "-", options=["-q"], stdin=pipe)
            if piped.files.get("events.jsonl") != ward.Run(program, GOOD, options=["-q"]).files.get("events.jsonl"):
                bad.append("standard input gives other events than the file")
    print("\n".join(bad) or "every broken thing is said in a sentence")
    return bool(bad)


sys.exit(main(sys.argv[1]))
