#!/usr/bin/env python3
"""usage: siem_files.py PROGRAM
The files of tools/siem that no product runs in our tests: each is of its format, uses the settings we mean, and names
only fields that the sensor's documents have; Splunk's expressions and Wazuh's rules are tried on those documents."""
import configparser
import datetime
import json
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import documents  # noqa: E402
import ward  # noqa: E402

try:
    import yaml
except ImportError:
    ward.skip("no python3-yaml")

SIEM = ward.TOP / "tools/siem"
LEVELS = ("informational", "low", "medium", "high", "critical")
failures = []


def check(good, what):
    if not good:
        failures.append(what)


class Logstash:
    """The grammar of a pipeline: sections of plugins and conditions."""
    TOKEN = re.compile(r'\s+|#[^\n]*|"(?:[^"\\]|\\.)*"|=>|[{}\[\]]|[=!<>]=|[\w.@:$-]+|.')

    def __init__(self, text):
        self.tokens = [t for t in self.TOKEN.findall(text) if not t.isspace() and not t.startswith("#")]
        self.sections = []
        while self.tokens:
            self.sections.append(self.take(r"input|filter|output"))
            self.block()

    def take(self, pattern):
        token = self.tokens.pop(0) if self.tokens else "the end"
        if not re.fullmatch(pattern, token):
            sys.exit(f"logstash.conf: {token!r} where {pattern} should be, before {' '.join(self.tokens[:8])}")
        return token

    def next_is(self, token):
        return bool(self.tokens) and self.tokens[0] == token

    def block(self):
        self.take("{")
        while not self.next_is("}"):
            if self.take(r"\w+") in ("if", "else"):
                while not self.next_is("{"):
                    self.take(r'[^}]+')
                self.block()
            else:
                self.settings()
        self.take("}")

    def settings(self):
        self.take("{")
        while not self.next_is("}"):
            self.take(r'\w+|"[^"]*"')
            self.take("=>")
            self.value()
        self.take("}")

    def value(self):
        if self.next_is("{"):
            return self.settings()
        if self.next_is("["):
            self.take(r"\[")
            while not self.next_is("]"):
                self.take(r'"[^"]*"|,')
            return self.take("]")
        return self.take(r'"[^"]*"|\w+')


def logstash(keys):
    text = (SIEM / "logstash.conf").read_text()
    check(Logstash(text).sections == ["input", "filter", "output"], "logstash.conf: sections")
    code = re.sub(r"^\s*#.*", "", text, flags=re.M)
    for ref in re.findall(r"(?<![\w\]])((?:\[[@\w]+\])+)", code):
        name = ref.strip("[]").replace("][", ".")
        theirs = name.startswith(("@metadata", "data_stream.")) or name == "event.original"
        check(theirs or name in keys, f"logstash.conf: {name}")


def vector(keys):
    config = yaml.safe_load((SIEM / "vector.yaml").read_text())
    names = {*config["sources"], *config["transforms"]}
    for part in (*config["transforms"].values(), *config["sinks"].values()):
        for name in part["inputs"]:
            check(name.removesuffix(".dropped") in names, f"vector.yaml: input {name}")
    program = config["transforms"]["wardwatch"]["source"]
    paths = re.findall(r'(?<![\w".)])\.("?@?[a-z_]\w*"?(?:\.\w+)*)', program)
    check(len(paths) >= 4, "vector.yaml: fields")
    for name in (*(p.replace('"', "") for p in paths), config["sinks"]["elasticsearch"]["id_key"]):
        check(name in ("message", "data_stream") or name in keys, f"vector.yaml: {name}")


def filebeat(keys):
    config = yaml.safe_load((SIEM / "filebeat.yml").read_text())
    (source,) = config["filebeat.inputs"]
    check(source["type"] == "filestream" and source["parsers"][0]["ndjson"]["overwrite_keys"], "filebeat.yml: input")
    (processor,) = (p["fingerprint"] for p in source["processors"])
    used = processor["fields"] + processor["when"]["has_fields"]
    used += re.findall(r"%\{\[([\w.]+)\]\}", config["output.elasticsearch"]["index"])
    check(len(used) == 3, "filebeat.yml: fields")
    for name in used:
        check(name in keys, f"filebeat.yml: {name}")


SPLUNK = {
    "inputs": "sourcetype index",
    "props": "SHOULD_LINEMERGE LINE_BREAKER TRUNCATE TIME_PREFIX TIME_FORMAT TZ MAX_TIMESTAMP_LOOKAHEAD KV_MODE",
    "transforms": "REGEX FORMAT DEST_KEY",
    "limits": "maxchars limit extraction_cutoff",
}


def splunk(docs, keys):
    conf = {}
    for name, settings in SPLUNK.items():
        p = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", strict=True)
        p.optionxform = str
        p.read_string((SIEM / f"splunk/{name}.conf").read_text())
        conf[name] = p
        for stanza in p.sections():
            for key in p[stanza]:
                known = key in settings.split() or (name == "props" and re.match(r"(FIELDALIAS|EVAL|TRANSFORMS)-\w+$", key))
                check(known, f"splunk/{name}.conf: {key}")
    for stanza in conf["props"].sections():
        for key, value in conf["props"][stanza].items():
            fields = re.findall(r"'([^']+)'", value) if key.startswith("EVAL") else []
            if key.startswith("FIELDALIAS"):
                words = value.split()
                check(words[1::3] == ["AS"] * (len(words) // 3), f"props.conf: {key}")
                fields = words[::3]
            for field in fields:
                check(field.removesuffix("{}") in keys, f"splunk/props.conf: {field}")
    mixed = conf["props"]["wardwatch"]
    routes = {t: conf["transforms"][t] for t in mixed["TRANSFORMS-class"].split(", ")}
    for line in docs.raw:
        text = line.decode()
        prefix = re.search(mixed["TIME_PREFIX"], text)
        stamp = text[prefix.end():prefix.end() + int(mixed["MAX_TIMESTAMP_LOOKAHEAD"])]
        datetime.datetime.strptime(stamp, mixed["TIME_FORMAT"].replace("%6N", "%f"))
        found = [r["FORMAT"] for r in routes.values() if re.search(r["REGEX"], text[:4096])]
        check(found == [f"sourcetype::wardwatch:{json.loads(text)['wardwatch']['class']}"], f"transforms.conf: {found}")
    for target in {r["FORMAT"].removeprefix("sourcetype::") for r in routes.values()}:
        check(target in conf["props"], f"props.conf has no [{target}]")


class Wazuh:
    """As its analysisd goes through rules: into the children of what holds, of siblings level 0 first, then the higher."""

    def __init__(self, root):
        self.rules = []
        for rule in root.iter("rule"):
            above = rule.findtext("if_sid")
            self.rules.append((rule.get("id"), int(rule.get("level")), set(above.split(",")) if above else None,
                               [(f.get("name"), re.compile(f.text)) for f in rule.iter("field")]))
        self.rules.sort(key=lambda r: (r[1] > 0, -r[1]))

    def decide(self, flat, parent=None):
        for name, level, above, fields in self.rules:
            if (above is None) if parent is None else (above is not None and parent in above):
                if all(field in flat and pattern.search(flat[field]) for field, pattern in fields):
                    return self.decide(flat, name) or (name, level)
        return None


def wazuh(docs, keys):
    (file,) = ET.parse(SIEM / "wazuh/localfile.xml").getroot().iter("localfile")
    check(file.findtext("log_format") == "json", "localfile.xml")
    root = ET.parse(SIEM / "wazuh/wardwatch_rules.xml").getroot()
    ids = [r.get("id") for r in root.iter("rule")]
    check(len(set(ids)) == len(ids) and all(100000 <= int(i) <= 120000 for i in ids), "rules.xml: ids")
    for rule in root.iter("rule"):
        used = re.findall(r"\$\(([^)]+)\)", rule.findtext("description")) + [f.get("name") for f in rule.iter("field")]
        for name in used:
            check(name in keys, f"rules.xml: {name}")
    rules = Wazuh(root)
    want = dict(zip(LEVELS, (3, 5, 8, 12, 14)))
    for doc in docs.all():
        flat = {}
        for key, v in documents.leaves(doc):
            check(not isinstance(v, dict), f"{key}: a list of objects")
            flat[key] = str(v).lower() if isinstance(v, bool) else str(v)
        check(len(flat) < 256, f"{len(flat)} fields, more than Wazuh's decoder takes")
        of_alert = want.get(doc["wardwatch"].get("level"), 3)
        for closing in ("false", "true"):
            if "wardwatch.closing" in flat:
                flat["wardwatch.closing"] = closing
            _, level = rules.decide(flat)
            check(level == (3 if closing == "true" else of_alert), f"rules.xml: {doc['message']}: level {level}")
    sign = {"event.module": "wardwatch", "wardwatch.class": "health", "wardwatch.level": "informational"}
    check(rules.decide(sign)[1] == 0 and rules.decide(sign | {"wardwatch.level": "high"})[1] == 12, "rules.xml: health")


def unit():
    """systemd knows every line."""
    if shutil.which("systemd-analyze"):
        with tempfile.TemporaryDirectory(prefix="ward-") as folder:
            path = Path(folder) / "redis-to-jsonl.service"
            text = (SIEM / path.name).read_text()
            path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={SIEM}/redis-to-jsonl", text, flags=re.M))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            check("system scope" in said or not (done.returncode or said.strip()), f"{path.name}: {said}")


def readme(program, keys):
    """Its configuration is one, its files are there and none is left out, its fields and metrics exist."""
    text = (SIEM / "README.md").read_text()
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        f.write(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
        f.flush()
        done = subprocess.run([program, "-c", f.name, "--print-config"], capture_output=True, text=True, timeout=60)
        check(done.returncode == 0 and "rediss://redis.example.net:6380" in done.stdout, f"README.md: {done.stderr}")
    for path in SIEM.rglob("*"):
        name = str(path.relative_to(SIEM))
        named = name in text or f"{Path(name).parent}/*{path.suffix}" in text
        check(path.is_dir() or name == "README.md" or named, f"README.md: nothing of {name}")
    board = (SIEM / "grafana-dashboard.json").read_text()
    for name in re.findall(r"`(wardwatch_\w+)`", text):
        check(name in board, f"README.md: {name}")
    live = {"event.sequence"}
    for name in re.findall(r"`((?:event|wardwatch)\.[\w.]+)[`:]", text):
        part = any(k.startswith(name + ".") for k in keys)
        check(name in keys | live or part or name.startswith("wardwatch.alert"), f"README.md: {name}")


def main():
    docs = documents.Documents(sys.argv[1])
    keys = docs.keys()
    logstash(keys)
    vector(keys)
    filebeat(keys)
    splunk(docs, keys)
    wazuh(docs, keys)
    unit()
    readme(sys.argv[1], keys)
    check(max(map(len, docs.raw)) < 65536, "a line longer than Wazuh takes")
    if failures:
        sys.exit("\n".join(sorted(set(failures))[:40]))
    print(f"{len(docs.raw)} documents, {len(keys)} keys")


main()
