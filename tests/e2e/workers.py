#!/usr/bin/env python3
"""usage: workers.py PROGRAM [quick]
However many threads read (-j), the outputs are the same bytes and the counters the same numbers; what one thread alone
can read is refused. Of an own capture a minute of conversations ends at one packet, so that their order is seen too."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402
from health import STOPS, conversations, write  # noqa: E402

OF_THE_RUN = {"seconds", "peak_kib", "ring_full"}


def cleaned(summary):
    if isinstance(summary, dict):
        return {k: cleaned(v) for k, v in summary.items() if k not in OF_THE_RUN}
    return summary


def outputs(program, folder, paths, workers):
    out = folder / f"j{workers}"
    run = subprocess.run([program, "-q", "-p", ward.TOP / "policies", "--events", "-o", out, "-j", str(workers),
                          "-r", *paths], timeout=200, capture_output=True)
    files = {name: (out / f"{name}.jsonl").read_bytes() for name in ("alerts", "devices", "events")}
    files["summary"] = cleaned(json.loads((out / "summary.json").read_text()))
    files["exit"] = run.returncode
    return files


def compare(program, folder, paths, what, quick):
    one = outputs(program, folder, paths, 1)
    wrong = 0
    for workers in ((2, 3) if quick else (2, 3, 7)):
        many = outputs(program, folder, paths, workers)
        for name in one:
            if one[name] != many[name]:
                print(f"{what}: {name} of -j {workers} is not that of -j 1")
                wrong += 1
    return wrong


def main():
    program, quick, wrong = sys.argv[1], len(sys.argv) > 2, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = conversations(300, 2, start=1770000000)
        last = frames[-1][0]
        frames += [(last + 7200 + t - frames[0][0], f) for t, f in frames[:50]]
        write(folder / "many.pcap", frames)
        wrong += compare(program, folder, [folder / "many.pcap"], "conversations that end together", quick)
        write(folder / "stops.pcap", STOPS)
        wrong += compare(program, folder, [folder / "stops.pcap"], "a VLAN that falls silent", quick)
        wrong += compare(program, folder, [ward.TOP / "pcaps"], "pcaps/", quick)
        shared = ward.TOP.parent / "shared" / "captures"
        if shared.exists() and not quick:
            wrong += compare(program, folder, [shared], "all shared captures as one run", quick)
        for arguments, says in ((["-j", "0", "-r", "x"], "1 to 64"), (["-j", "2x", "-r", "x"], "1 to 64"),
                                (["-j", "3", "-r", "-"], "standard input"),
                                (["-j", "3", "-r", "/dev/stdin"], "read once only")):
            run = subprocess.run([program, *arguments], capture_output=True, text=True, input="", timeout=20)
            if run.returncode != 1 or says not in run.stderr:
                print(f"{arguments}: exit {run.returncode}, {run.stderr!r}")
                wrong += 1
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
