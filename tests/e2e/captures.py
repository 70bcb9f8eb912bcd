#!/usr/bin/env python3
"""usage: captures.py PROGRAM FOLDER
Every capture in ../shared/captures/FOLDER: no crash, no report of a sanitizer, no hang, an exit status that is meant
(0; 2 for damage behind a good header; 1 for what is no capture), and equal bytes when run again."""
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

OUTPUTS = ("alerts.jsonl", "devices.jsonl", "events.jsonl")


def check(program, capture):
    first = ward.Run(program, capture, options=["-q"])
    if first.status not in (0, 1, 2) or b"Sanitizer" in first.stderr or b"internal error" in first.stderr:
        return f"{capture.name}: exit status {first.status}: {first.stderr.decode(errors='replace')[-2500:]}"
    if first.status and not first.stderr.strip():
        return f"{capture.name}: exit status {first.status} without a sentence"
    if first.status != 1:
        second = ward.Run(program, capture, options=["-q"])
        for name in OUTPUTS:
            if first.files.get(name) != second.files.get(name):
                return f"{capture.name}: {name} differs between two runs"
    return None


def main(program, folder):
    if ward.SHARED is None:
        ward.skip("no ../shared/captures beside this checkout")
    captures = sorted(p for p in (ward.SHARED / "captures" / folder).iterdir() if "pcap" in p.name or p.suffix == ".cap")
    with ThreadPoolExecutor(2) as pool:
        bad = [b for b in pool.map(lambda c: check(program, c), captures) if b]
    print("\n".join(bad))
    print(f"{len(captures)} captures, {len(bad)} bad")
    return bool(bad)


sys.exit(main(sys.argv[1], sys.argv[2]))
