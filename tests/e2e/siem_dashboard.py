#!/usr/bin/env python3
"""usage: siem_dashboard.py TEST_METRICS
tools/siem/grafana-dashboard.json: its panels lie beside each other, and ask for metrics and labels that the sensor has,
counters as rates and gauges as they are."""
import json
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/lib"))
import prometheus  # noqa: E402

# siem-conventions.md section 16, delivery: their labels.
DELIVERY = {
    "wardwatch_spool_records": {"class"}, "wardwatch_spool_bytes": {"class"}, "wardwatch_spool_oldest_seconds": set(),
    "wardwatch_spool_lost_total": {"class", "level"}, "wardwatch_output_sent_total": {"output"},
    "wardwatch_output_errors_total": {"output", "reason"}, "wardwatch_output_retries_total": {"output"},
    "wardwatch_output_connected": {"output"}, "wardwatch_output_latency_seconds": {"output"},
    "wardwatch_output_stream_lag": {"output"},
}
# What somebody who was called at night wants to see.
ASKED = """capture_packets_total capture_drops_total capture_last_packet_timestamp_seconds worker_ring_used_bytes
    events_lost_total alerts_total spool_records spool_oldest_seconds output_connected devices memory_bytes
    policy_reload_success policy_reload_timestamp_seconds""".split()
WORDS = {"rate", "increase", "sum", "min", "max", "by", "time", "instance"}
failures = []


def check(good, what):
    if not good:
        failures.append(what)


def expression(title, expr, labels, used):
    names = re.findall(r"wardwatch_\w+", expr)
    check(names, f"{title}: no metric")
    allowed = {"instance"}
    for name in names:
        check(name in labels, f"{title}: {name}")
        allowed |= labels.get(name, set())
        used.add(name)
        rated = re.search(rf"(rate|increase)\({name}\{{[^}}]*\}}\[(\$__rate_interval|1h)\]\)", expr)
        check(bool(rated) == name.endswith("_total"), f"{title}: {name} as a {'rate' if rated else 'value'}")
        check(f'{name}{{instance=~"$instance"' in expr, f"{title}: {name} of all sensors")
    for group in re.findall(r"\bby \(([^)]*)\)", expr):
        check(set(group.split(", ")) <= allowed, f"{title}: by ({group})")
    rest = re.sub(r"wardwatch_\w+|\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", "", expr)
    check(set(re.findall(r"[a-z_]+", rest)) <= WORDS, f"{title}: {rest}")
    check(expr.count("(") == expr.count(")"), f"{title}: parentheses")
    return allowed


def main():
    text = subprocess.run([sys.argv[1], "--print"], capture_output=True, check=True, timeout=60).stdout.decode()
    labels = {f.name: {k for sample in f.samples for k, _ in sample} for f in prometheus.read(text).values()}
    labels = DELIVERY | labels
    board = json.loads((TOP / "tools/siem/grafana-dashboard.json").read_text())
    panels, used, taken = board["panels"], set(), set()
    check(len({p["id"] for p in panels}) == len(panels), "ids")
    check(board["schemaVersion"] == 39 and board["id"] is None, "schemaVersion, id")
    for p in panels:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        check(not cells & taken and max(x for x, _ in cells) < 24, f"{p['title']}: its place")
        taken |= cells
        for t in p.get("targets", []):
            check(t["datasource"] == p["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, f"{p['title']}: source")
            allowed = expression(p["title"], t["expr"], labels, used)
            check(set(re.findall(r"\{\{(\w+)\}\}", t["legendFormat"])) <= allowed, f"{p['title']}: {t['legendFormat']}")
    for v in board["templating"]["list"]:
        if v["type"] == "query":
            check(re.fullmatch(r"label_values\((\w+), instance\)", v["definition"])[1] in labels, "variable")
    for name in ASKED:
        check("wardwatch_" + name in used, f"nothing of {name}")
    if failures:
        sys.exit("\n".join(failures))
    print(f"{len(panels)} panels, {len(used)} metrics")


main()
