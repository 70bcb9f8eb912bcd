#!/usr/bin/env python3
"""usage: diff.py PROGRAM PROTOCOL CAPTURE...
Counts and key facts of DICOM and HL7 against tshark's on the same capture. known.json lists the differences that
are right, each with its reason; a listed difference that no longer shows is an error too."""
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

TSHARK = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.desegment_tcp_streams:TRUE",
          "--enable-heuristic", "dicom_tcp"]
PDU = {1: "a_associate_rq", 2: "a_associate_ac", 3: "a_associate_rj", 5: "a_release_rq", 6: "a_release_rp", 7: "a_abort"}
# PS3.7 E.1: command fields without the response bit.
COMMAND = {0x01: "c_store", 0x10: "c_get", 0x20: "c_find", 0x21: "c_move", 0x30: "c_echo", 0xFFF: "c_cancel", 0x100: "n_event_report",
           0x110: "n_get", 0x120: "n_set", 0x130: "n_action", 0x140: "n_create", 0x150: "n_delete"}


def tshark(capture, *options):
    done = subprocess.run([*TSHARK, "-r", str(capture), *options], capture_output=True, timeout=ward.SECONDS)
    return done.stdout.decode("utf-8", "replace")


def dicom_theirs(capture, events):
    """PDUs, and DIMSE messages as (command, status), from the tree that tshark prints."""
    out, command = Counter(), None
    tree = tshark(capture, "-T", "pdml", "-J", "dicom")
    for match in re.finditer(r'name="dicom.pdu.type".* show="0x(\w\w)"|show="\(0000,(0100|0900|0000)\).* value="([0-9a-f]+)"', tree):
        kind, tag, value = match.groups()
        if kind:
            if int(kind, 16) in PDU:
                out[PDU[int(kind, 16)]] += 1
            continue
        number = int.from_bytes(bytes.fromhex(value)[8:10], "little")
        if tag == "0100":
            command = (COMMAND.get(number & 0x7FFF, hex(number)), "response" if number & 0x8000 else "request")
            out[command[0], None, command[1]] += 1
        elif tag == "0900" and command:
            out[command[0], None, command[1]] -= 1
            out[command[0], number, command[1]] += 1
            command = None
    return out


def dicom_ours(events):
    out = Counter()
    for e in events:
        if e["event.category"] != "dicom":
            continue
        if e["event.action"] == "dimse":
            status = e.get("dicom.dimse.status")
            out[e["dicom.dimse.command"], status, "response" if status is not None else "request"] += 1
        else:
            out[e["dicom.pdu.type"]] += 1
    return out


def hl7_theirs(capture, events):
    """(type, trigger, control id, version) of each message, from the header segments that tshark found. Its
    heuristics miss the first message of a conversation on a foreign port: it is told the ports."""
    out = Counter()
    ports = sorted({e["destination.port"] for e in events if e["event.category"] == "hl7"})
    for line in tshark(capture, *[a for p in ports for a in ("-d", f"tcp.port=={p},hl7")], "-Y", "hl7", "-T", "fields", "-E", "aggregator=\x1f", "-e", "hl7.segment").splitlines():
        for segment in line.split("\x1f"):
            if not segment.startswith("MSH") or len(segment) < 8:
                continue
            fields = segment.replace("\\r", "").replace("\\n", "").strip().split(segment[3])
            kind = (fields + [""] * 12)[8].split(segment[4])
            # Our outputs mask long numbers.
            control = re.sub(r"\d{6,}", "[masked]", (fields + [""] * 12)[9])
            out[kind[0], (kind + [""])[1], control, (fields + [""] * 12)[11].split(segment[4])[0]] += 1
    return out


def hl7_ours(events):
    return Counter((e.get("hl7.message_type", ""), e.get("hl7.trigger", ""), e.get("hl7.control_id", ""), e.get("hl7.version", ""))
                   for e in events if e["event.category"] == "hl7")


SIDES = {"dicom": (dicom_ours, dicom_theirs), "hl7": (hl7_ours, hl7_theirs)}


def compare(program, proto, capture, known):
    run = ward.Run(program, capture, options=["-q"])
    if run.status not in (0, 2):
        return [f"exit status {run.status}: {run.stderr.decode(errors='replace')[-500:]}"], 0
    events = run.lines("events.jsonl")
    ours, theirs = SIDES[proto][0](events), SIDES[proto][1](capture, events)
    found = {str(k): [ours[k], theirs[k]] for k in ours | theirs if ours[k] != theirs[k]}
    expected = {k: v[:2] for k, v in known.get(f"{proto} {capture.parent.name}/{capture.name}", {}).items()}
    bad = [f"{k}: ours {v[0]}, tshark's {v[1]}" for k, v in sorted(found.items()) if expected.get(k) != v]
    bad += [f"{k}: listed as known and not there" for k in expected if k not in found]
    return bad, sum((ours & theirs).values())


def main(program, proto, names):
    if not shutil.which("tshark"):
        ward.skip("no tshark")
    captures = [ward.TOP / n for n in names] if names else None
    if captures is None:
        lab = ward.lab_or_skip()
        captures = sorted(p for p in [*lab.glob(f"*{proto}*.pcap"), *(lab.parent / proto).glob("*.pcap*"), lab / "ward-mix.pcap"]
                          if not re.search("tls|dup-|snap|oneway|lossy|orthanc", p.name))
    known = json.loads((Path(__file__).resolve().parent / "known.json").read_text())
    failed = equal = 0
    for capture in captures:
        bad, same = compare(program, proto, capture, known)
        equal += same
        failed += bool(bad)
        for line in bad:
            print(f"{capture.parent.name}/{capture.name}: {line}")
    print(f"{equal} messages in {len(captures)} captures are as tshark sees them; {failed} captures differ")
    return bool(failed)


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
