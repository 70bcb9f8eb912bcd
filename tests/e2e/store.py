#!/usr/bin/env python3
"""usage: store.py PROGRAM TEST_STORE
What --state keeps: two days read one after the other are known as if read at once; a writer killed at any moment leaves
what it had written; damage and wrong files are said; wardwatch devices shows what is there, hostile text escaped."""
import csv
import io
import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

sys.path.insert(0, str(ward.TOP / "tools/lib"))
from capture import net, small  # noqa: E402

POLICIES = ["-p", str(ward.TOP / "policies")]
DAY = 86400
KILLS = 20
DEVICES = 400  # of test_store
# Kept of fingerprints: they are asked anew, so these tell of the last time.
JUDGED = {"type", "role"}
ENDS = {"used", "offered", "vendor", "class"}  # told by the end of a conversation, some of them


def run(program, *arguments, status=0):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=ward.SECONDS,
                          env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert done.returncode == status, f"{arguments}: exit status {done.returncode}: {done.stderr.decode()}"
    return done


def read(program, *captures, state=None, output=None, status=0):
    reads = [a for c in captures for a in ("-r", c)]
    more = (["--state", state] if state else []) + (["-o", output] if output else [])
    return run(program, *reads, "-q", *POLICIES, *more, status=status)


def records(path):
    data = Path(path).read_bytes()
    at, found = 24, []
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        found.append((data[at:at + 16], data[at + 16:at + 16 + size]))
        at += 16 + size
    return data[:24], found


def later(path, to, seconds):
    head, found = records(path)
    moved = b"".join(struct.pack("<I", struct.unpack_from("<I", h)[0] + seconds) + h[4:] + b for h, b in found)
    to.write_bytes(head + moved)
    return to


def plain(line):
    """A device without what may differ: packet numbers, which count anew in each run, and when the end of a conversation
    was seen, which is when the capture ends in the one and after some silence in the other."""
    device = json.loads(line)

    def walk(at):
        for key, value in list(at.items()):
            if isinstance(value, dict):
                if key in JUDGED and "value" in value:
                    value.pop("first")
                    value.pop("last")
                value.pop("packet", None)
                if key in ENDS:
                    value.pop("first", None)
                    value.pop("last", None)
                walk(value)
    walk(device["wardwatch"].get("attributes", {}))
    device["wardwatch"]["device"].pop("first_packet")
    device["last_day"] = device.pop("@timestamp")[:10]
    device["wardwatch"]["device"].pop("last_seen")
    return device


def days(program, folder):
    """Pairs of captures, the second a day later: at once, and one after the other."""
    captures = sorted((ward.TOP / "pcaps").rglob("*.pcap"))
    whole = [c for c in captures if c.parent.name in ("dicom", "dhcp", "hl7", "arp", "lldp") and
             struct.unpack("<I", c.read_bytes()[:4])[0] in (0xa1b2c3d4, 0xa1b23c4d)]
    assert len(whole) >= 6
    for n, (first, second) in enumerate(zip(whole, whole[1:] + whole[:1])):
        second = later(second, folder / f"later{n}.pcap", DAY)
        state = folder / f"days{n}.db"
        read(program, first, second, output=folder / "once")
        read(program, first, state=state)
        read(program, second, state=state, output=folder / "twice")
        once = [plain(line) for line in (folder / "once/devices.jsonl").read_text().splitlines()]
        twice = (folder / "twice/devices.jsonl").read_text()
        kept = run(program, "devices", "--state", state, "--json").stdout.decode()
        assert sorted(twice.splitlines()) == sorted(kept.splitlines()), f"{first.name}: the file has not what the run has"
        twice = [plain(line) for line in twice.splitlines()]
        assert [d["device"]["id"] for d in once] == [d["device"]["id"] for d in twice], f"{first.name}, {second.name}: ids"
        for a, b in zip(once, twice):
            assert a == b, f"{first.name}, {second.name}:\n{json.dumps(a, sort_keys=True)}\n{json.dumps(b, sort_keys=True)}"
        db = sqlite3.connect(state)
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] == 2
        wrong = db.execute("SELECT count(*) FROM attributes AS a JOIN runs AS r USING (run) WHERE a.packet > r.packets")
        assert wrong.fetchone()[0] == 0, "a packet number that its run has not"
        db.close()


def kills(program, writer, folder):
    state = folder / "killed.db"
    dice = random.Random(4)
    for n in range(KILLS):
        child = subprocess.Popen([writer, state], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        first = child.stdout.readline()
        assert first.strip() == b"1", first
        time.sleep(dice.random() / 20)
        child.send_signal(signal.SIGKILL)
        said = [first, *child.stdout.readlines()]
        child.wait()
        told = int(said[-1]) if said[-1].endswith(b"\n") else int(said[-2])
        if n % 2:  # at times the file is first opened by somebody who may not write
            run(program, "devices", "--state", state)
        db = sqlite3.connect(state)
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        models = db.execute("SELECT model, CAST(record AS TEXT), value FROM state JOIN devices USING (id) JOIN attributes ON"
                            " device = id").fetchall()
        db.close()
        assert len(models) == DEVICES and all(a == b == c for a, b, c in models), f"half a device: {set(models)}"
        assert min(int(m[0].split()[1]) for m in models) >= told, f"{set(models)}, but {told} was written"
    assert not list(folder.glob("killed.db.damaged*"))


def wrong_files(program, folder):
    capture = ward.TOP / "pcaps/hl7/adt.pcap"
    state = folder / "wrong.db"
    read(program, capture, state=state)
    whole = state.read_bytes()
    head, noise = whole[:16], random.Random(1).randbytes(9000)
    for n, bad in enumerate([whole[:5000], head + noise, whole[:4096] + bytes(len(whole) - 4096)], 1):
        state.write_bytes(bad)
        said = read(program, capture, state=state).stderr.decode()
        # -q says nothing of a run that went well: the file tells.
        assert (folder / f"wrong.db.damaged-{n}").read_bytes() == bad, said
        assert b"10.50.20.11" in run(program, "devices", "--state", state).stdout
    state.write_bytes(bad)
    said = run(program, "-r", capture, *POLICIES, "--state", state).stderr.decode()
    assert "set aside as" in said and said.count("wrong.db") >= 1, said
    newer = sqlite3.connect(state)
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    for command in (["-r", capture, "-q", *POLICIES], ["devices"]):
        said = run(program, *command, "--state", state, status=1).stderr.decode()
        assert "newer wardwatch" in said and len(said.splitlines()) == 1, said
    other = folder / "other.db"
    foreign = sqlite3.connect(other)
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    said = read(program, capture, state=other, status=1).stderr.decode()
    assert "no state of wardwatch" in said, said
    said = run(program, "devices", "--state", other, status=1).stderr.decode()
    assert "no state file of wardwatch" in said, said
    theirs = folder / "letter.txt"
    theirs.write_bytes(noise)
    said = read(program, capture, state=theirs, status=1).stderr.decode()
    assert "letter.txt" in said and "left as it is" in said and len(said.splitlines()) == 1, said
    assert theirs.read_bytes() == noise and not list(folder.glob("letter.txt?*")), said
    said = read(program, capture, state=folder / "vain.db", output="/proc/none", status=1).stderr.decode()
    assert "/proc/none" in said and not list(folder.glob("vain.db*")), said
    for path in (folder / "no/such.db", folder):
        said = read(program, capture, state=path, status=1).stderr.decode()
        assert str(path) in said and len(said.splitlines()) == 1, said
    if os.getuid() != 0:
        shut = folder / "shut"
        shut.mkdir(0o500)
        said = read(program, capture, state=shut / "s.db", status=1).stderr.decode()
        assert "Permission denied" in said, said
    run(program, "devices", "--state", folder / "none.db", status=1)


def hostile(folder):
    capture = net.Capture()
    a, b = net.Host("00:01:e3:10:00:21", "10.50.30.21"), net.Host("00:25:90:10:00:10", "10.50.20.10")
    capture.udp(a, b, 67, small.dhcp("request", a.mac, 1, host_name="=pc-04\x1b[31m\u202e,\"q\""), sport=68)
    capture.udp(b, a, 68, small.dhcp("request", b.mac, 2, host_name="@SUM(1)"), sport=67)
    path = folder / "hostile.pcap"
    capture.write(path)
    return path


def shown(program, folder):
    state = folder / "shown.db"
    evil = folder / "evil.db"
    read(program, hostile(folder), state=evil)
    for form in ([], ["--csv"], ["--json"]):
        text = run(program, "devices", "--state", evil, *form).stdout
        assert b"pc-04" in text and b"\x1b" not in text and "\u202e".encode() not in text, text
    rows = list(csv.DictReader(io.StringIO(run(program, "devices", "--state", evil, "--csv").stdout.decode())))
    assert any(r["name"].startswith("'=pc-04\\x1b[31m\\u202e,") and '"q"' in r["name"] for r in rows), rows
    assert not any(v.startswith(("=", "@", "+", "-")) for r in rows for v in r.values()), rows
    read(program, ward.TOP / "pcaps/dicom/store.pcap", state=state)
    ask = lambda *more: run(program, "devices", "--state", state, *more).stdout  # noqa: E731
    for both in (["--json", "--csv"], ["--csv", "--json"]):
        said = run(program, "devices", "--state", state, *both, status=1)
        assert said.stdout == b"" and b"one of the two" in said.stderr, said
    assert ask("--csv", "--csv") == ask("--csv")
    table = ask().decode()
    assert table.startswith("DEVICES  ") and "CT scanner" in table, table
    rows = list(csv.DictReader(io.StringIO(ask("--csv").decode())))
    assert len(rows) == len(ask("--json").splitlines()) == len(table.splitlines()) - 2
    scanners = list(csv.DictReader(io.StringIO(ask("--csv", "--type", "imaging_ct").decode())))
    assert scanners and all(r["type"] == "imaging_ct" for r in scanners)
    assert ask("--csv", "--type", "CT scanner") == ask("--csv", "--type", "imaging_ct")
    maker = scanners[0]["maker"]
    assert maker and scanners[0] in csv.DictReader(io.StringIO(ask("--csv", "--maker", maker.lower()[:4]).decode()))
    assert ask("--vlan", "4000").decode().splitlines() == ["DEVICES  0"]
    assert ask("--since", "2026-03-02").decode().splitlines() == ["DEVICES  0"]
    assert ask("--since", "2026-02-28T23:59Z") == ask()
    for bad in (["--type", "imaging_cat"], ["--vlan", "x"], ["--since", "soon"], ["--frobnicate"], ["word"], ["--vlan"]):
        said = run(program, "devices", *bad, status=1).stderr.decode()
        assert len(said.splitlines()) == 1 and bad[-1].lstrip("-") in said, said
    run(program, "devices", "--help")
    # Beside a writer: it reads what was there before.
    busy = sqlite3.connect(state, isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    busy.execute("DELETE FROM devices")
    assert ask().decode() == table
    busy.execute("ROLLBACK")
    busy.close()


def not_ours(program, folder):
    """Who may read the file, but neither write it nor make one beside it."""
    state = folder / "theirs.db"
    read(program, ward.TOP / "pcaps/dicom/store.pcap", state=state)
    os.chmod(folder, 0o755)
    os.chmod(state, 0o644)
    want = run(program, "devices", "--state", state).stdout
    for beside in ("-wal", "-shm"):
        Path(f"{state}{beside}").unlink(missing_ok=True)
    if os.geteuid() != 0:
        return
    try:
        done = subprocess.run([program, "devices", "--state", state], capture_output=True, user="nobody", check=False)
    except PermissionError:  # the build is in a folder that nobody may enter
        return
    assert done.returncode == 0 and done.stdout == want, done.stderr.decode()


def main(program, writer):
    with tempfile.TemporaryDirectory(prefix="ward-store-") as folder:
        folder = Path(folder)
        days(program, folder)
        kills(program, writer, folder)
        wrong_files(program, folder)
        shown(program, folder)
        not_ours(program, folder)
    print("good")


main(*sys.argv[1:])
