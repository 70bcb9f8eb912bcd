#!/usr/bin/env python3
"""usage: alerts.py PROGRAM OUTBOX_PROBE
wardwatch alerts: what was sent and what waits, as a table and as JSON, also beside a sensor that writes; hostile text
escaped, losses told."""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

sys.path.insert(0, str(ward.TOP / "tools/lib"))
START = 1772352000000  # 2026-03-01T08:00:00Z


class Outbox:
    """A sensor's side: the probe, with its file open."""

    def __init__(self, probe, state, outputs, most=0, retain=100):
        self.child = subprocess.Popen([probe, state, str(most), str(retain), *outputs], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)

    def do(self, *lines):
        self.child.stdin.write("".join(line + "\n" for line in lines).encode())
        self.child.stdin.flush()

    def commit(self):
        self.do("commit")
        assert self.child.stdout.readline() == b"done\n"

    def close(self):
        self.child.stdin.close()
        assert self.child.wait() == 0


def ask(program, state, *more, status=0):
    done = subprocess.run([program, "alerts", "--state", state, *more], capture_output=True, timeout=ward.SECONDS,
                          env=os.environ | {"LC_ALL": "C.UTF-8", "COLUMNS": "200"})
    assert done.returncode == status, f"{more}: exit status {done.returncode}: {done.stderr.decode()}"
    return (done.stderr if status else done.stdout).decode()


def objects(program, state, *more):
    return [json.loads(line) for line in ask(program, state, "--json", *more).splitlines()]


def put(document, n=0, ms=START, kind="alert"):
    return f"put {kind} {document['wardwatch'].get('level', 'low')} {ms} {document['event']['id']}{n or ''} " + \
        json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def health(text, name):
    return {"@timestamp": "2026-03-02T10:00:00.000000Z", "event": {"id": "h" + name}, "message": text,
            "observer": {"name": name}, "wardwatch": {"level": "high"}}


def real(program, probe, folder):
    """The alerts of a capture, one output after the other."""
    state = folder / "s.db"
    out = folder / "out"
    subprocess.run([program, "-r", ward.TOP / "pcaps/hl7/adt.pcap", "-q", "-p", ward.TOP / "policies", "-o", out], check=True)
    documents = [json.loads(line) for line in (out / "alerts.jsonl").read_text().splitlines()]
    assert len(documents) >= 3
    box = Outbox(probe, state, ["redis", "syslog"])
    box.do(*(put(d) for d in documents), put(health("packets are lost", "ward-east"), kind="health"))
    box.commit()
    box.do("ack 0 2", "ack 1 1")
    box.commit()
    # The sensor still has the file open.
    table = ask(program, state)
    lines = table.splitlines()
    assert lines[0] == f"ALERTS  {len(documents)}" and lines[1].split()[-2:] == ["REDIS", "SYSLOG"], table
    first = documents[0]
    shown = lines[2]
    for text in (first["@timestamp"][:19], first["wardwatch"]["level"], first["rule"]["name"], first["source"]["ip"],
                 f"{first['destination']['ip']}:{first['destination']['port']}"):
        assert text in shown, f"{text} in {shown}"
    states = [line.split()[-2:] for line in lines[2:2 + len(documents)]]
    assert states[:3] == [["delivered", "delivered"], ["delivered", "waiting"], ["waiting", "waiting"]], states
    waits = len(documents) + 1 - 2
    assert f"redis     {waits} wait, the oldest since 2026-03-01T08:00:00Z" in table and "LOST" not in table, table
    got = objects(program, state)
    assert [g["document"] for g in got] == documents and [g["number"] for g in got] == list(range(1, len(got) + 1))
    assert got[1]["delivery"] == {"redis": "delivered", "syslog": "waiting"} and got[1]["class"] == "alert"
    raw = ask(program, state, "--json").splitlines()[0]
    assert raw.index('"class"') < raw.index('"delivery"') < raw.index('"document"') < raw.index('"id"')
    # Choices.
    assert len(objects(program, state, "--waiting")) == len(documents) - 1
    high = [d for d in documents if d["wardwatch"]["level"] in ("high", "critical")]
    assert 0 < len(high) and [g["document"] for g in objects(program, state, "--level", "high")] == high
    assert [g["document"]["message"] for g in objects(program, state, "--class", "health")] == ["packets are lost"]
    assert len(objects(program, state, "--class", "all")) == len(documents) + 1
    assert "ward-east" in ask(program, state, "--class", "health")
    assert objects(program, state, "--since", "2026-03-02") == []
    assert len(objects(program, state, "--since", "2026-03-02T09:00Z", "--class", "all")) == 1
    assert [g["number"] for g in objects(program, state, "--last", "2")] == [len(documents) - 1, len(documents)]
    assert ask(program, state, "--last", "2").startswith("ALERTS  the last 2\n")
    box.close()
    # An output that came later never had the first ones.
    box = Outbox(probe, state, ["late", "redis"])
    box.commit()
    assert [g["delivery"]["late"] for g in objects(program, state)][:3] == ["before", "waiting", "waiting"]
    box.do("ack 0 99", "ack 1 99")
    box.commit()
    assert "late      has all" in ask(program, state) and objects(program, state, "--waiting") == []
    box.close()


def lost(program, probe, folder):
    state = folder / "lost.db"
    box = Outbox(probe, state, ["redis"], most=1000)
    for n in range(1, 41):
        document = health("x" * 50, str(n))
        document["wardwatch"]["level"] = ("informational", "critical")[n % 2]
        box.do(put(document, kind="alert"))
    box.commit()
    kept = objects(program, state)
    table = ask(program, state)
    box.close()
    losses = {line.split()[1]: int(line.split()[2]) for line in table[table.index("LOST"):].splitlines()[1:]}
    assert losses["informational"] == 20 and losses["critical"] == 20 - len(kept) and 0 < len(kept) < 20, table
    assert all(k["level"] == "critical" for k in kept) and kept[-1]["number"] == 39


def hostile(program, probe, folder):
    """Control characters stand escaped in documents; should some get in all the same, none gets to the terminal."""
    state = folder / "hostile.db"
    box = Outbox(probe, state, ["redis"])
    evil = health("a\x1b[31m\u202e\x9bb", "pc-04\u2066\x07")
    box.do(put(evil))
    box.do("put alert low 1 e1-none {}")
    box.commit()
    box.close()
    table = ask(program, state)
    assert "\\x1b[31m\\u202e" in table and "pc-04" in table, table
    assert not any(c in table for c in "\x1b\u202e\x9b\u2066\x07"), table


def wrong(program, folder):
    for bad in (["--level", "hgh"], ["--class", "alrt"], ["--since", "soon"], ["--last", "0"], ["--frobnicate"], ["word"],
                ["--last"]):
        said = ask(program, folder / "s.db", *bad, status=1)
        assert len(said.splitlines()) == 1 and bad[-1].lstrip("-") in said, said
    assert "high" in ask(program, folder / "s.db", "--level", "hgh", status=1)
    assert "--state" in ask(program, folder / "none.db", status=1)
    old = folder / "old.db"
    db = sqlite3.connect(old)
    db.executescript("PRAGMA application_id = 1466004068; PRAGMA user_version = 1; CREATE TABLE runs (run)")
    db.close()
    assert "older" in ask(program, old, status=1)
    ask(program, folder / "s.db", "--help")


def main(program, probe):
    with tempfile.TemporaryDirectory(prefix="ward-alerts-") as folder:
        folder = Path(folder)
        real(program, probe, folder)
        lost(program, probe, folder)
        hostile(program, probe, folder)
        wrong(program, folder)
    print("good")


main(*sys.argv[1:])
