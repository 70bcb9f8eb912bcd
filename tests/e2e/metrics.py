#!/usr/bin/env python3
"""usage: metrics.py TEST_METRICS
The metrics of a made-up sensor, against the format and the conventions of Prometheus; and the reader against text
that breaks them."""
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import prometheus  # noqa: E402

HEAD = "# HELP wardwatch_a A.\n# TYPE wardwatch_a gauge\n"
BROKEN = [HEAD + "wardwatch_a 1", HEAD, HEAD + "wardwatch_b 1\n", HEAD + 'wardwatch_a{b="c} 1\n',
          HEAD + 'wardwatch_a{b="c"d"} 1\n', HEAD + "wardwatch_a x\n", HEAD + "wardwatch_a 1\nwardwatch_a 2\n",
          HEAD + "wardwatch_a 1\n" + HEAD + 'wardwatch_a{b="c"} 1\n', "wardwatch_a 1\n", HEAD + "\n",
          HEAD + 'wardwatch_a{b="c",b="d"} 1\n', HEAD.replace("gauge", "number") + "wardwatch_a 1\n"]


def main():
    for text in BROKEN:
        try:
            prometheus.read(text)
        except ValueError:
            continue
        sys.exit(f"the reader takes {text!r}")
    text = subprocess.run([sys.argv[1], "--print"], capture_output=True, check=True, timeout=60).stdout.decode()
    families = prometheus.read(text)
    prometheus.check_conventions(families)
    names = {dict(labels)["interface"] for labels in families["wardwatch_capture_up"].samples}
    if names != {"eth1", 'a"b\\c\nd'}:
        sys.exit(f"interfaces: {names}")
    if families["wardwatch_packets_total"].samples[()] != 1:
        sys.exit("packets")
    print(f"{len(families)} families, {sum(len(f.samples) for f in families.values())} samples, {len(text)} bytes")


main()
