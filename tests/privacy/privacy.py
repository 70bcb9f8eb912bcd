#!/usr/bin/env python3
"""usage: privacy.py PROGRAM
Runs every capture of ours, and one with people in the wrong places, and searches every output byte for the people and
secrets planted in them. (The lab captures are searched by tests/e2e/lab.py.) First proves that the search finds a planted word in each spelling."""
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "lib"), str(Path(__file__).resolve().parent)]
import hostile  # noqa: E402
import planted  # noqa: E402
import ward  # noqa: E402


BASELINE = b"administrators_of_device"  # a name of our policies, not the planted Administra


def search_works():
    hay = {"x": b"Tobias 20260301 " + "Quillon".encode("utf-16-le") + b" 4e462d323034343137 SGF2ZXJrYW1wXkRvcm90aGVh 1948-09-23"}
    found = " ".join(planted.leaks(planted.OURS, hay))
    return all(w in found for w in ("Tobias", "Quillon", "NF-204417", "Haverkamp", "19480923"))


def two_days(program, folder):
    """Names kept before anybody could know whose they are are gone from the file once it is told."""
    a, b = hostile.net.Host("00:01:e3:10:00:21", "10.50.30.21"), hostile.net.Host("00:25:90:10:00:10", "10.50.20.10")
    words = [hostile.NAME, hostile.FIRST, hostile.NUMBER, hostile.BORN]
    found = []
    for name, part in (("early", hostile.early), ("late", hostile.late)):
        capture = hostile.net.Capture()
        part(capture, a, b)
        capture.write(folder / f"{name}.pcap")
        ward.Run(program, folder / f"{name}.pcap", options=["--state", folder / "days.db"]).must_be_good(name)
        found = list(planted.leaks(words, {p.name: p.read_bytes() for p in folder.glob("days.db*")}))
        assert name == "late" or found, "the first day holds no name: nothing is proved"
    for leak in found:
        print(f"two days: {leak}")
    return len(found)


def main(program):
    assert search_works(), "the search misses a planted word"
    bad = 0
    with tempfile.TemporaryDirectory(prefix="ward-hostile-") as folder:
        bad += two_days(program, Path(folder))
        made = Path(folder) / "hostile.pcap"
        hostile.write(made)
        for capture in [*sorted((ward.TOP / "pcaps").rglob("*.pcap")), made]:
            words = hostile.PEOPLE if capture == made else planted.OURS
            state = Path(folder) / "state.db"
            for options in ([], ["--json", "--state", state]):
                run = ward.Run(program, capture, options=options)
                run.must_be_good(capture)
                outputs = run.files | {"stdout": run.stdout, "stderr": run.stderr}
                outputs |= {p.name: p.read_bytes().replace(BASELINE, b"") for p in Path(folder).glob("state.db*")}
                for leak in planted.leaks(words, outputs):
                    print(f"{capture.parent.name}/{capture.name}: {leak}")
                    bad += 1
            for part in Path(folder).glob("state.db*"):
                part.unlink()
    print(f"{bad} leaks")
    return bool(bad)


sys.exit(main(sys.argv[1]))
