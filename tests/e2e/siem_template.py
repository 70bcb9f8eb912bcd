#!/usr/bin/env python3
"""usage: siem_template.py PROGRAM
tools/siem/elasticsearch-template.json: every key of every document that pcaps/ gives, every key that the sources of
the documents name, and every fact of every event has one mapping, of a type that takes its values."""
import datetime
import fnmatch
import ipaddress
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import documents  # noqa: E402
import ward  # noqa: E402

RANGES = {"short": 2**15, "integer": 2**31, "long": 2**63}
failures = set()


def is_time(text):
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
        return True
    except ValueError:
        return False


def is_ip(text):
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def takes(kind, v):
    if isinstance(v, bool):
        return kind == "boolean"
    if isinstance(v, int):
        return kind == "float" or (kind in RANGES and -RANGES[kind] <= v < RANGES[kind])
    if isinstance(v, float):
        return kind in ("float", "double")
    if not isinstance(v, str):
        return False
    return {"date": is_time(v), "ip": is_ip(v)}.get(kind, kind in ("keyword", "match_only_text", "constant_keyword"))


class Template:
    def __init__(self, path):
        self.t = json.loads(path.read_text())
        self.mappings = self.t["template"]["mappings"]

    def explicit(self, key):
        """The mapping, or None; and whether a new key would be mapped there."""
        at, dynamic = self.mappings, self.mappings["dynamic"]
        for part in key.split("."):
            at = at.get("properties", {}).get(part)
            if at is None:
                return None, dynamic
            dynamic = at.get("dynamic", dynamic)
            if "properties" not in at and at["type"] != "object":
                return (at, dynamic) if key.endswith(part) else (None, False)
        return at, dynamic

    def kind(self, key, v):
        """The type that a value of this key gets; None: it is not indexed."""
        mapping, dynamic = self.explicit(key)
        if mapping:
            return mapping.get("type", "object")
        if not dynamic:
            return None
        native = ("boolean" if isinstance(v, bool) else "long" if isinstance(v, int) else "double"
                  if isinstance(v, float) else "string")
        for row in self.mappings["dynamic_templates"]:
            (rule,) = row.values()
            if rule["match_mapping_type"] in ("*", native) and fnmatch.fnmatch(key, rule.get("path_match", "*")):
                return rule["mapping"]["type"]
        return native

    def count(self, at=None):
        return sum(1 + self.count(v) for v in (at or self.mappings).get("properties", {}).values())


def named_in_sources():
    """Keys that stand as texts in the files that make documents, whether a capture brings them or not."""
    for source in ward.TOP.glob("sensor/run/doc_*.c"):
        for key in re.findall(r'"([a-z]+(?:\.[a-z_]+)+)"', source.read_text()):
            # Of events.jsonl, which has names of its own; prefixes; includes.
            if source.name != "doc_event.c" or key.startswith(("observer.", "ecs.")):
                yield source.name, key


def main():
    template = Template(ward.TOP / "tools/siem/elasticsearch-template.json")
    docs = documents.Documents(sys.argv[1])
    seen = {}
    facts = [{"wardwatch.event." + k: v for k, v in e.items()
              if not k.startswith(("@", "packet", "event.", "source.", "destination.", "network."))} for e in docs.events]
    for doc in docs.all() + facts:
        for key, v in documents.leaves(doc):
            kind = template.kind(key, v)
            if kind is None:
                failures.add(f"{key}: no mapping")
            elif not takes(kind, v):
                failures.add(f"{key}: a {kind} does not take {v!r}")
            elif seen.setdefault(key, kind) != kind:
                failures.add(f"{key}: {kind} and {seen[key]}, by the value")
    for key in seen:
        parts = key.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[:i]) in seen:
                failures.add(f"{key}: and {'.'.join(parts[:i])} is a value")
    named = set(named_in_sources())
    if len(named) < 80:
        failures.add(f"only {len(named)} keys found in the sources")
    for source, key in named:
        # Parts that get a prefix, and event.dataset's values.
        if key in ("model.name", "firmware.version", "wardwatch.alert", "wardwatch.asset", "wardwatch.health"):
            continue
        if template.explicit(key)[0] is None:
            failures.add(f"{source}: {key}: no mapping")
    for dataset in {d["event"]["dataset"] for d in docs.all()}:
        if not any(fnmatch.fnmatch(f"logs-{dataset}-default", p) for p in template.t["index_patterns"]):
            failures.add(f"{dataset}: not in index_patterns")
    limit = template.t["template"]["settings"]["index"]["mapping"]["total_fields"]["limit"]
    if template.count() + len(seen) > limit / 2:
        failures.add(f"{template.count()} fields and {len(seen)} come near the limit of {limit}")
    if failures:
        sys.exit("\n".join(sorted(failures)[:40]))
    print(f"{len(docs.all())} documents, {len(docs.events)} events, {len(seen)} keys, {template.count()} mappings")


main()
