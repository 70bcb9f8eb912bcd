#!/usr/bin/env python3
"""usage: golden.py PROGRAM CAPTURE [--update]
Compares what the program says of a capture's protocol with the file beside it (CASE.jsonl). --update writes that
file: read the difference in git before you commit it."""
import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402


def main(program, capture, update):
    run = ward.Run(program, capture, options=["-q"])
    run.must_be_good(capture)
    found = ward.golden_lines(capture, run)
    expected_path = capture.with_suffix(".jsonl")
    if update:
        expected_path.write_text("".join(line + "\n" for line in found))
        return 0
    if not expected_path.exists():
        print(f"{expected_path} is missing; make it with tools/golden and read it")
        return 1
    expected = expected_path.read_text().splitlines()
    difference = list(difflib.unified_diff(expected, found, "expected", "found", lineterm="", n=1))
    print("\n".join(difference) or f"{len(found)} events as expected")
    return bool(difference)


sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), "--update" in sys.argv[3:]))
