#!/usr/bin/env python3
"""usage: systemd.py PROGRAM UNIT
What systemd says of the unit: nothing unknown in it, and how exposed a service of it is."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM, UNIT = sys.argv[1:3]
MOST = 2.0  # of 10; systemd calls up to 2.3 "OK"


def run(*words):
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, timeout=60, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="ward-") as folder:
        path = Path(folder) / "wardwatch.service"
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", Path(UNIT).read_text(), flags=re.M)
        path.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))  # the manual is not installed
        status, said = run("verify", "--man=no", str(path))
        if "Failed to" in said and "system scope" in said:
            print(f"skipped: {said}")
            sys.exit(77)
        if status or said.strip():
            sys.exit(f"verify: {said}")
        status, said = run("security", "--offline=true", "--no-pager", str(path))
        level = re.search(r"exposure level for wardwatch.service: ([0-9.]+)", said)
        if not level or float(level[1]) > MOST:
            sys.exit(f"security: {said}")
        print(f"exposure {level[1]}")


main()
