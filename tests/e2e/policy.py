#!/usr/bin/env python3
"""usage: policy.py PROGRAM
`wardwatch policy`: every command on good and on bad input: what it says, where, and the exit status."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ward  # noqa: E402

POLICIES = str(ward.TOP / "policies")
MESSAGE = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<code>[EWS]\d+) \S.{8,}$")
UUID = "6c87886a-f2ed-4ec3-b9db-35333847b%03x"

RULE = """title: {title}
id: {id}
name: {name}
level: low
logsource: {{product: wardwatch, service: telnet}}
detection:
    port: {{destination.port: 23}}
    condition: port
"""

# Thirty mistakes, each in a rule of its own that is otherwise fine: what replaces what, code, line of the rule.
MISTAKES = [
    ("title: Rule 0", "title: ''", "E116", 1),
    ("id: ", "id: no-uuid-", "E125", 2),
    ("name: n2", "name: 2n", "E126", 3),
    ("level: low", "level: lowish", "E113", 4),
    ("product: wardwatch, service: telnet", "definition: prose", "E130", 5),
    ("service: telnet", "service: telnte", "E131", 5),
    ("product: wardwatch", "product: Wardwatch", "E130", 5),
    ("destination.port: 23", "destination.prot: 23", "E144", 7),
    ("destination.port: 23", "destination.port|contians: 23", "E150", 7),
    ("destination.port: 23", "destination.port|contains: 23", "E151", 7),
    ("destination.port: 23", "destination.port: []", "E142", 7),
    ("port: {destination.port: 23}", "port: {}", "E141", 7),
    ("port: {destination.port: 23}", "port: []", "E141", 7),
    ("destination.port: 23", "source.ip|cidr: 10.0.0.1/8", "E156", 7),
    ("destination.port: 23", "telnet.banner|re: '(?=a)'", "E161", 7),
    ("destination.port: 23", "destination.port|lt: '23'", "E157", 7),
    ("destination.port: 23", "destination.port|exists: maybe", "E153", 7),
    ("destination.port: 23", "destination.port: [23, null]", "E181", 7),
    ("condition: port", "condition: port and", "E170", 8),
    ("condition: port", "condition: port AND port", "E171", 8),
    ("condition: port", "condition: 2 of them", "E172", 8),
    ("condition: port", "condition: port | count() > 3", "E173", 8),
    ("condition: port", "condition: prot", "E174", 8),
    ("condition: port", "condition: 1 of sel_*", "E175", 8),
    ("condition: port", "condition: (port", "E170", 8),
    ("    condition: port", "    timeframe: 5m\n    condition: port", "E140", 8),
    ("level: low", "level: low\nlevel: high", "E101", 5),
    ("level: low", "level: low\ntags: [Attack]", "E114", 5),
    ("level: low", "level: low\ntaxonomy: other", "E123", 5),
    ("level: low", "level: low\ndate: 2026/03/01", "E115", 5),
    ("level: low", "level: low\nrelated: 1", "E127", 5),
    ("detection:", "detections:", "E103", 1),
]


def run(program, *arguments, stdin=""):
    done = subprocess.run([program, "policy", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120)
    if "Sanitizer" in done.stderr or done.returncode not in (0, 1):
        sys.exit(f"{arguments}: exit status {done.returncode}: {done.stderr[-3000:]}")
    return done


def rule(i, old="", new=""):
    return RULE.format(title=f"Rule {i}", id=UUID % i, name=f"n{i}").replace(old, new, 1)


def mistakes(program, folder):
    """All thirty are said, each at its place; as text, as JSON, and by a run over a capture."""
    tree = folder / "mistakes"
    tree.mkdir()
    for i, (old, new, _, _) in enumerate(MISTAKES):
        (tree / f"{i:02}.yml").write_text(rule(i, old, new))
    (tree / "nested").mkdir()
    (tree / "nested/fine.yml").write_text(rule(99))
    done = run(program, "check", tree)
    lines = done.stdout.splitlines()
    if done.returncode != 1 or done.stderr:
        yield f"check: exit status {done.returncode}: {done.stderr}"
    yield from (f"check: not a message: {line}" for line in lines[:-1] if not MESSAGE.match(line))
    found = [MESSAGE.match(line) for line in lines[:-1]]
    said = {(Path(m["file"]).stem, m["code"], int(m["line"])) for m in found if m}
    for i, (_, new, code, line) in enumerate(MISTAKES):
        if (f"{i:02}", code, line) not in said:
            near = [line for line in lines if f"/{i:02}.yml" in line]
            yield f"check: {new!r}: no {code} in line {line}, but {near}"
    if not re.fullmatch(r"\d+ errors, \d+ warnings, \d+ skipped.*", lines[-1]):
        yield f"check: the last line is {lines[-1]!r}"
    if len(lines) != len(set(lines)):
        yield "check: something is said twice"
    as_json = run(program, "check", tree, "--format", "json")
    rows = [json.loads(line) for line in as_json.stdout.splitlines()]
    same = [f"{r['file']}:{r['line']}:{r['column']}: {r['code']} {r['message']}" for r in rows]
    if as_json.returncode != 1 or same != lines[:-1] or {r["level"] for r in rows} - {"error", "warning"}:
        yield f"check --format json says something else: {sorted(set(same) ^ set(lines[:-1]))}"
    whole = subprocess.run([program, "-r", str(ward.TOP / "pcaps/hl7/adt.pcap"), "-q", "-p", str(tree)], capture_output=True, text=True, timeout=60)
    missing = [code for _, _, code, _ in MISTAKES if not re.search(rf"^wardwatch: \S+:\d+:\d+: {code} \S", whole.stderr, re.M)]
    if whole.returncode != 1 or missing:
        yield f"run: exit status {whole.returncode}, nothing of {missing}"


def wrong_usage(program, folder):
    """(arguments, what the one sentence must hold)"""
    event = folder / "event.yml"
    event.write_text("{category: telnet, destination.port: 23}")
    broken = folder / "broken.yml"
    broken.write_text('{"event.category":"telnet", ')
    two = folder / "two.jsonl"
    two.write_text('{"event.category":"telnet","event.action":"login"}\n' * 2)
    rules = folder / "rules"
    rules.mkdir()
    (rules / "a.yml").write_text(rule(1))
    with_rules = ["-p", str(rules)]
    cases = [
        ([], "--help"), (["chekc"], "is it check?"), (["check", "--formt", "json"], "--format"),
        (["check", "--format", "sarif"], "later version"), (["check", "--format", "xml"], "text or json"),
        (["check", "--sigmahq"], "later version"), (["test", "--sigmahq"], "later version"),
        (["check", "--format"], "argument"),
        (["dump", "--format", "text"], "json"), (["list", "--event", "x"], "policy explain"),
        (["check", "--min-status", "good"], "experimental"), (["check", "-c", "/no/such"], "/no/such"),
        (["check", "--empty-quantifier=keep"], "drop"), (["suggest"], "-r CAPTURE"), (["suggest", "--from-baseline"], "later version"),
        (["suggest", "-r", folder / "no.pcap"], "no.pcap"), (["list", str(folder / "none")], "none"), (["explain"], "RULE"), (["explain", "n1", *with_rules], "--event"),
        (["explain", "n1", "n2", "--event", event, *with_rules], "one rule"),
        (["explain", "n11", "--event", event, *with_rules], 'is it "n1"'),
        (["explain", "n1", "--event", folder / "no-event", *with_rules], "no-event"),
        (["explain", "n1", "--event", broken, *with_rules], "broken.yml:"),
        (["explain", "n1", "--event", two, *with_rules], "one line"),
        (["test", rules, "--golden", folder / "no-golden"], "--alerts"),
        (["test", rules, "--alerts", folder / "no/where"], "where"),
    ]
    for arguments, sentence in cases:
        done = run(program, *arguments)
        lines = done.stderr.strip().splitlines()
        if done.returncode != 1 or done.stdout and arguments[0] != "test" or len(lines) != 1 or sentence not in lines[0]:
            yield f"{arguments}: exit status {done.returncode}, {done.stderr!r}, nothing of {sentence!r}"
    for text, sentence in [("{category: telnte}", "E240"), ("{category: telnet, destination.prot: 1}", "destination.port"),
                           ("- 1", "E240"), ("", "E240"), ("{category: telnet, time: noon}", "E240")]:
        done = run(program, "explain", "n1", "--event", "-", *with_rules, stdin=text)
        if done.returncode != 1 or not done.stderr.startswith("standard input") or sentence not in done.stderr:
            yield f"event {text!r}: exit status {done.returncode}, {done.stderr!r}"
    helped = run(program, "--help")
    if helped.returncode or len(helped.stdout.splitlines()) > 40 or max(map(len, helped.stdout.splitlines())) > 110:
        yield "policy --help is no screen"
    for word in re.findall(r"^  ([a-z]+) ", helped.stdout, re.M):
        if run(program, word, "--help").stdout != helped.stdout:
            yield f"policy {word} --help is another"


def explained(program, folder):
    tree = folder / "explained"
    tree.mkdir()
    (tree / "a.yml").write_text("""title: Old service
id: 6c87886a-f2ed-4ec3-b9db-35333847b64e
name: old_service
level: low
logsource: {product: wardwatch, service: telnet}
detection:
    port: {destination.port: [23, 2323]}
    from: {source.ip|cidr: 10.1.0.0/16}
    word: {telnet.banner|contains|cased: Welcome}
    condition: port and from and not word
falsepositives: [A terminal of the laboratory]
---
title: Laboratory
logsource: {product: wardwatch}
filter:
    rules: any
    lab: {source.ip: 10.1.0.9}
    condition: not lab
---
dialect: wardwatch/1
kind: suppressions
suppressions:
    - {id: sup-1, rules: [old_service], match: {source.ip: 10.1.0.7}, reason: being replaced, owner: it, expires: 2026-06-30, action: drop}
""")

    def tell(rule_name, event):
        done = run(program, "explain", rule_name, "-p", tree, "--event", "-", stdin=event)
        return done.stdout if done.returncode == 0 else f"exit status {done.returncode}: {done.stderr}"
    cases = [
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.1}",
         ["yes: the rule fires", "destination.port: 23, 2323  <- it is 23", "A terminal of the laboratory", "telnet.banner|contains|cased: Welcome  <- absent"]),
        ("{category: telnet, destination.port: 24, source.ip: 10.1.0.1}", ["no: the rule does not fire", "<- differs, it is 24"]),
        ("{category: telnet, destination.port: 23, source.ip: 10.2.0.1}", ["no: the rule does not fire", '<- out_of_range, it is "10.2.0.1"']),
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.9}", ["no: the rule does not fire", 'filter "Laboratory"', "takes this event out"]),
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.1, telnet.banner: welcome}", ["yes: the rule fires", "<- case"]),
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.7}", ['suppression "sup-1", until 2026-0', "holds the alert back", "yes: the rule fires"]),
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.7, time: '2026-08-01T00:00:00Z'}", ["has expired", "yes: the rule fires"]),
        ("{category: telnet, destination.port: 23, source.ip: 10.1.0.6}", ['  no  source.ip: 10.1.0.7  <- differs, it is "10.1.0.6"', "yes: the rule fires"]),
        ("{category: dns}", ["no: the rule looks at events of telnet, and this is one of dns"]),
        ('{"@timestamp":"2026-03-01T08:00:00.000000Z","destination.ip":"10.1.0.2","destination.port":23,"event.action":"login","event.category":"telnet",'
         '"network.encrypted":false,"network.transport":"tcp","source.ip":"10.1.0.1","source.port":4000}\n', ["yes: the rule fires", "2026-03-01T08:00:00"]),
    ]
    for event, words in cases:
        text = tell("old_service", event)
        yield from (f"explain {event}: no {word!r} in:\n{text}" for word in words if word not in text)
    by_id, by_title = (tell(n, cases[0][0]) for n in ("6C87886a-f2ed-4ec3-b9db-35333847b64e", "Old service"))
    if by_id != by_title or "fires" not in by_id:
        yield f"explain by id or title: {by_id}"
    private = tell("old_service", "{category: telnet, destination.port: 23, source.ip: 10.1.0.1, telnet.banner: 'Welcome Muster, Erika 19700101'}")
    if "Erika" in private or "19700101" in private:
        yield f"explain shows a person: {private}"


TESTS = """---
dialect: wardwatch/1
kind: tests
tests:
    - name: to a pump
      zones: inherit
      devices: [{id: d1, ip: 10.42.0.7, device.type: infusion_pump}]
      events: [{category: telnet, destination.ip: 10.42.0.7, destination.port: 23}]
      expect: [{rule: n1, count: 1, has: {destination.port: 23, destination.device.type: infusion_pump}}]
    - name: another port
      events: [{category: telnet, destination.port: 24}]
      expect-none: [n1]
    - name: captured
      pcap: captured.pcap
      expect: [{rule: phi, has: {phi.container: hl7}}]
      expect-none: [n1]
"""
PHI = f"""---
title: Patients
name: phi
id: {UUID % 7}
level: high
logsource: {{product: wardwatch, service: phi}}
detection: {{any: {{phi.container|exists: true}}, condition: any}}
"""


def proved(program, folder):
    tree = folder / "proved"
    tree.mkdir()
    (tree / "rules.yml").write_text(rule(1) + TESTS + PHI)
    (tree / "captured.pcap").write_bytes((ward.TOP / "pcaps/hl7/adt.pcap").read_bytes())
    golden, again = folder / "golden", folder / "again"
    done = run(program, "test", tree, "--alerts", golden)
    lines = done.stdout.splitlines()
    if done.returncode or lines[-1] != "3 passed, 0 failed" or sum(line.startswith("ok ") for line in lines) != 3:
        yield f"test: {done.stdout}{done.stderr}"
        return
    alerts = [json.loads(line) for line in golden.read_text().splitlines()]
    if {a["rule"]["id"] for a in alerts} != {"n1", "phi"}:
        yield f"test --alerts: {alerts}"
    for path in (tree, tree / "rules.yml"):
        done = run(program, "test", path, "--golden", golden, "--alerts", again)
        if done.returncode or again.read_bytes() != golden.read_bytes():
            yield f"test --golden: {done.stdout}"
    golden.write_bytes(golden.read_bytes()[:-20])
    done = run(program, "test", tree, "--golden", golden)
    if done.returncode != 1 or f"{golden}:{len(alerts)}:" not in done.stdout:
        yield f"test with another golden: {done.stdout}"
    for old, new, sentence in [("count: 1", "count: 2", "expected 2"), ("expect-none: [n1]\n    - name: captured", "expect: [{rule: n1}]\n    - name: captured", "at least 1"),
                               ("{destination.port: 23,", "{destination.port: 25,", "with these fields"), ("captured.pcap", "rules.yml", "no capture"),
                               ("destination.port: 24}", "destination.prot: 24}", "destination.port")]:
        (tree / "rules.yml").write_text(rule(1) + TESTS.replace(old, new, 1) + PHI)
        done = run(program, "test", tree)
        if done.returncode != 1 or "2 passed, 1 failed" not in done.stdout or "FAILED" not in done.stdout or sentence not in done.stdout:
            yield f"test with {new!r}: {done.stdout}{done.stderr}"
    (tree / "rules.yml").write_text(rule(1) + TESTS.replace("rule: n1", "rule: n11") + PHI)
    done = run(program, "test", tree)
    if done.returncode != 1 or 'E243 there is no rule "n11": is it "n1"?' not in done.stderr:
        yield f"test of an unknown rule: {done.stdout}{done.stderr}"


COUNTING = f"""---
dialect: wardwatch/1
title: Many
id: {UUID % 50}
name: many
level: low
correlation: {{type: event_count, rules: [n2], group-by: [source.ip], timespan: 1m, condition: {{gte: 2}}}}
sensor:
    tests:
        - {{name: two, events: [{{category: telnet, destination.port: 23}}, {{category: telnet, destination.port: 23}}], expect: 1}}
        - {{name: one, events: [{{category: telnet, destination.port: 23}}], expect: 0}}
"""


def covered(program, folder):
    tree = folder / "covered"
    tree.mkdir()
    (tree / "a.yml").write_text(rule(1) + TESTS.replace("pcap: captured.pcap", "events: [{category: dns}]").replace("{rule: phi, has: {phi.container: hl7}}", ""))
    done = run(program, "coverage", tree)
    if done.returncode or done.stdout != "1 rules, 0 lack a test\n":
        yield f"coverage: {done.stdout}{done.stderr}"
    (tree / "b.yml").write_text(rule(2) + "---\n" + rule(3))
    done = run(program, "coverage", tree)
    if done.returncode != 1 or done.stdout.count("W245") != 2 or "3 rules, 2 lack a test" not in done.stdout:
        yield f"coverage: {done.stdout}{done.stderr}"
    (tree / "b.yml").write_text(rule(2) + COUNTING)
    done = run(program, "coverage", tree)
    if done.returncode or "3 rules, 0 lack a test" not in done.stdout:
        yield f"coverage of what a correlation counts: {done.stdout}{done.stderr}"


SITE = """dialect: wardwatch/1
kind: zones
home: [10.0.0.0/8, 'fd00:20::/32']
zones:
    clinical: {cidr: [10.40.0.0/14]}
    infusion: {cidr: [10.42.0.0/16], vlan: [420, 421], parent: clinical, sl: 3}
    servers: {cidr: [10.20.0.0/16]}
---
dialect: wardwatch/1
kind: groups
groups:
    pump_servers: {sel: {device.type: pump_server}, condition: sel}
---
dialect: wardwatch/1
kind: segmentation
name: infusion-zone
applies-to: {zone: infusion}
direction: [inbound, outbound]
mode: alert
allow:
    - {id: pump-server, to: {zone: servers, group: pump_servers}, transport: tcp, ports: [443, 8443], protocol: [tls]}
level: high
---
dialect: wardwatch/1
kind: tests
tests:
    - name: pump to unknown server is a violation
      zones: inherit
      devices:
          - {id: d1, ip: 10.42.0.7, device.type: infusion_pump}
      events:
          - {category: flow, time: '2026-03-01T08:00:00Z', source.ip: 10.42.0.7, source.port: 50100,
             destination.ip: 10.60.1.1, destination.port: 22, network.transport: tcp, network.protocol: ssh}
      expect:
          - {rule: infusion-zone, count: 1, has: {segmentation.reason: no_rule}}
    - name: pump to its server is none
      devices: [{id: s1, ip: 10.20.0.9, device.type: pump_server}]
      events:
          - {category: flow, source.ip: 10.42.0.7, destination.ip: 10.20.0.9, destination.port: 443, network.transport: tcp, network.protocol: tls}
      expect-none: [infusion-zone]
    - name: pump to another server is one
      devices: [{id: s1, ip: 10.20.0.9, device.type: file_server}]
      events:
          - {category: flow, source.ip: 10.42.0.7, destination.ip: 10.20.0.9, destination.port: 443, network.transport: tcp, network.protocol: tls}
      expect: [{rule: infusion-zone, count: 1, has: {segmentation.nearest_rule: pump-server, segmentation.nearest_miss: group, source.zone|zone: clinical}}]
"""


def zoned(program, folder):
    """The example of policy-language.md sections 16 and 19."""
    path = folder / "site.yml"
    path.write_text(SITE)
    done = run(program, "test", path)
    if done.returncode or "3 passed, 0 failed" not in done.stdout:
        yield f"test: {done.stdout}{done.stderr}"
    event = "{category: flow, source.ip: 10.42.0.7, destination.ip: 10.20.0.9, destination.port: 443, network.protocol: tls"
    for more, words in [("}", ["yes: the rule fires", "nearest_rule: pump-server", "nearest_miss: group"]),
                        (", destination.device.type: pump_server}", ["no: the policy is for neither"])]:
        text = run(program, "explain", "infusion-zone", "-p", path, "--event", "-", stdin=event + more).stdout
        yield from (f"explain: no {word!r} in:\n{text}" for word in words if word not in text)
    if run(program, "coverage", path).returncode:
        yield "coverage does not see what kind: tests documents prove"


def listed(program, folder):
    tree = folder / "listed"
    (tree / "weak").mkdir(parents=True)
    (tree / "weak/a.yml").write_text(rule(1) + "---\n" + rule(2, "product: wardwatch, service: telnet", "product: windows, category: dns_query")
                                     + "---\n" + rule(3, "level: low", "level: low\nstatus: deprecated") + "---\n" + rule(4, "level: low", "level: low\nstatus: experimental"))
    done = run(program, "list", tree)
    if done.returncode or not re.search(r"^low +policy +weak +n1 +Rule 1$", done.stdout, re.M) or "2 rules" not in done.stdout:
        yield f"list: {done.stdout}{done.stderr}"
    rows = [json.loads(line) for line in run(program, "list", tree, "--format", "json").stdout.splitlines()]
    if [(r["name"], r["title"], r["level"], r["folder"], r["category"], r["events"], r["id"]) for r in rows][:1] != [("n1", "Rule 1", "low", "weak", "policy", "telnet", UUID % 1)]:
        yield f"list --format json: {rows}"

    def skipped(*options):
        out = run(program, "list", tree, "--skipped", "--format", "json", *options).stdout
        return {(r["title"], r["code"]) for r in map(json.loads, out.splitlines())}
    for options, want in [((), {("Rule 2", "S1"), ("Rule 3", "S5")}), (("--compat-host",), {("Rule 3", "S5")}), (("--load-deprecated",), {("Rule 2", "S1")}),
                          (("--min-status", "stable"), {(f"Rule {i}", "S5") for i in (1, 2, 3, 4)})]:
        if skipped(*options) - {("Rule 2", "S2")} != want:
            yield f"list --skipped {options}: {skipped(*options)}"
    text = run(program, "list", tree, "--skipped").stdout.splitlines()
    if len(text) != 3 or not all(MESSAGE.match(line) for line in text[:-1]) or text[-1] != "2 skipped, 2 loaded":
        yield f"list --skipped: {text}"
    strict = run(program, "check", tree, "--strict-logsource")
    if strict.returncode != 1 or "E131" not in strict.stdout:
        yield f"check --strict-logsource: {strict.stdout}"
    conf = folder / "conf.yml"
    conf.write_text("policy: {strict_logsource: on, load_deprecated: on, min_status: test}\n")
    if "E131" not in run(program, "check", tree, "-c", conf).stdout:
        yield "check -c: policy.strict_logsource does not count"
    conf.write_text("policy: {load_deprecated: on, min_status: test}\n")
    if skipped("-c", conf) != {("Rule 2", "S1"), ("Rule 4", "S5")}:
        yield f"list -c: {skipped('-c', conf)}"
    conf.write_text("policy: {min_status: good}\n")
    done = run(program, "check", tree, "-c", conf)
    if done.returncode != 1 or "conf.yml:1:22: C008" not in done.stderr:
        yield f"check -c with a wrong key: {done.stderr}"


def quantifiers(program, folder):
    path = folder / "a.yml"
    event = "{category: telnet, destination.port: 23}"
    for condition, code, fires in [("port and 1 of x*", "W175", True), ("port and not 1 of x*", "W175", True), ("1 of x* or port", "W175", True),
                                   ("1 of x* and all of y* and not (port)", "W175", False), ("1 of x*", "E175", None)]:
        path.write_text(rule(1, "condition: port", f"condition: {condition}"))
        plain, lenient = run(program, "check", path), run(program, "check", path, "--empty-quantifier=drop")
        if "E175" not in plain.stdout or code not in lenient.stdout or lenient.returncode != (fires is None):
            yield f"{condition}: {plain.stdout}{lenient.stdout}"
        if fires is not None:
            told = run(program, "explain", "n1", "-p", path, "--event", "-", "--empty-quantifier", "drop", stdin=event).stdout
            if ("yes: the rule fires" in told) != fires:
                yield f"{condition}: {told}"
    path.write_text("dialect: wardwatch/1\n" + rule(1, "condition: port", "condition: port and 1 of x*"))
    done = run(program, "check", path, "--empty-quantifier=drop")
    if "E175" not in done.stdout:
        yield f"our dialect drops a part of a condition: {done.stdout}"


def dumped(program, folder):
    rows = [json.loads(line) for line in run(program, "dump", POLICIES).stdout.splitlines()]
    trees = [json.loads(line) for line in run(program, "dump", "--ast", "--format", "json", POLICIES).stdout.splitlines()]
    rules = [r for r in rows if r["kind"] == "rule"]
    if not rules or any(not r["fields"] or (not r["tests"] and r["alert"] == "normal" and r["events"] != "segmentation") for r in rules):
        yield f"dump: {rows[:3]}"
    if [t["title"] for t in trees] != [r["title"] for r in rules] or any(not t["ast"]["conditions"] for t in trees if t["ast"]):
        yield f"dump --ast: {trees[:3]}"


def suggested(program, folder):
    """What is suggested of a capture loads, and allows all of that capture but nothing else."""
    capture = ward.TOP / "pcaps/ward.pcap"
    tree = folder / "site"
    tree.mkdir()
    (tree / "zones.yml").write_text("dialect: wardwatch/1\nkind: zones\nzones:\n    imaging: {cidr: [10.60.30.0/24]}\n    'no': {cidr: [10.60.20.0/24]}\n")
    done = run(program, "suggest", "-p", tree, "-r", capture)
    if done.returncode or done.stderr or done.stdout != run(program, "suggest", "-p", tree, capture).stdout:
        yield f"suggest: exit status {done.returncode}: {done.stderr}"
    for line in ("name: suggested-imaging", "applies-to: {zone: imaging}", "to: {zone: imaging}, transport: tcp, ports: [8443], protocol: [tls]}    # 1 conversation"):
        if line not in done.stdout:
            yield f"suggest: no {line!r} in:\n{done.stdout}"

    def violations(text):
        (tree / "suggested.yml").write_text(text.replace("mode: learn", "mode: alert"))
        checked = run(program, "check", tree)
        if checked.returncode or "0 warnings" not in checked.stdout:
            return [checked.stdout]
        alerts = ward.Run(program, capture, options=["-q"], policies=tree).lines("alerts.jsonl")
        return [a["event"]["reason"] for a in alerts]
    if violations(done.stdout):
        yield f"suggest: what it suggests does not allow what it saw: {violations(done.stdout)}"
    less = "".join(line for line in done.stdout.splitlines(True) if "ports: [23]" not in line)
    if not any("port 23" in reason for reason in violations(less)):
        yield f"suggest: without the entry for Telnet nothing happens: {violations(less)}"
    cut = folder / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:-9])
    code = subprocess.run([program, "policy", "suggest", "-p", str(tree), "-r", str(cut)], capture_output=True, text=True, timeout=60)
    if code.returncode != 2 or "name: suggested-imaging" not in code.stdout or "cut.pcap: C010" not in code.stderr:
        yield f"suggest of a damaged capture: exit status {code.returncode}: {code.stderr}"
    empty = folder / "empty.pcap"
    empty.write_bytes(capture.read_bytes()[:24])
    done = run(program, "suggest", "-p", tree, "-r", empty)
    if done.returncode or not done.stdout.startswith("# no conversation"):
        yield f"suggest of nothing: {done.stdout}{done.stderr}"


def shipped(program, folder):
    """Ours load without a word, pass their tests and are covered, also when no directory is named."""
    for arguments in (["check", POLICIES], ["check"]):
        done = run(program, *arguments)
        if done.returncode or done.stderr or not re.fullmatch(r"\d+ rules loaded; 0 errors, 0 warnings, 0 skipped\n", done.stdout):
            yield f"{arguments}: {done.stdout}{done.stderr}"
    for command in ("test", "coverage"):
        done = run(program, command, POLICIES)
        if done.returncode or done.stderr:
            yield f"{command}: {done.stdout[-3000:]}{done.stderr}"


def main(program):
    bad = []
    for part in (mistakes, wrong_usage, explained, proved, covered, zoned, listed, quantifiers, suggested, dumped, shipped):
        with tempfile.TemporaryDirectory(prefix="policy-") as name:
            bad += [f"{part.__name__}: {problem}" for problem in part(program, Path(name))]
    print("\n".join(bad) or "every command of policy says what it should")
    return bool(bad)


sys.exit(main(sys.argv[1]))
