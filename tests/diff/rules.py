#!/usr/bin/env python3
"""usage: rules.py BATCH [CASES]: random rules on random events, the engine (tests/diff/rules_batch) against the slow
evaluator of slow_rules.py: CASES (100000) pairs, always the same ones. The first difference is printed as the rule and
the event and fails the test."""
import ipaddress
import json
import os
import random
import subprocess
import sys
import tempfile

import slow_rules

RULES, EVENTS = 125, 100  # of one batch
r = random.Random(20261125)

# ---- values ------------------------------------------------------------------------------------------------

PIECES = ["a", "B", "ab", "Scan", "_", " ", ".", "-", "/", "\\", "*", "?", "1", "10", "k", "\u212a", "s", "\u017f",
          "\u00df", "\u00e4", "\u00c4", "\u03c3", "\u03c2", "\u03a3", "\u01c5", "\u2014", "\u4e2d", "%", "=", "Zm9v",
          "c2Nhbg", "::1", "-x", " /y", "true"]
NUMBERS = ["0", "1", "10", "10.0", "1e1", "-3", "+3", "0.1", ".5", "007", "9007199254740993", "18446744073709551615", "1.",
           "0x1F", "1_0", "1e", "--1"]
WORDS = ["true", "False", "TRUE", "null", "", "10.1.2.3", "10.1.2.77", "2001:db8::1", "1.2.840", "1.2.840.10008", "1.2.84"]
VERSIONS = ["1.9", "1.10", "2.2", "2.20", "06.08.00.00", "6.8", "1.7.15", "1.7.15b", "1.7.15a", "B.02", "C.03", "C.03.06",
            "N", "R4.1", "4.1", "5.89.05b", "5.170.5", "4107600010.23", "4107600010.24", "VM5.0", "VM5.1", "2018-1",
            "2021-1", "v1.9", "1.7.0.0", "1.7"]
IPS = ["10.1.2.3", "10.1.2.77", "10.1.200.3", "192.0.2.1", "2001:db8::1", "2001:db8::ffff", "::1", "fe80::1:2"]
NETS = ["10.1.2.0/24", "10.1.0.0/17", "10.1.2.3/32", "2001:db8::/32", "::/1", "192.0.2.0/31", "2001:db8::1"]
MACS = ["00:1b:21:aa:bb:cc", "00-1B-21-AA-BB-CD", "02:00:00:00:00:01"]
TIMES = ["2026-03-01T12:30:45Z", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "2024-02-29T06:00:00Z"]
PHI = ["patient_name", "mrn", "birth_date"]

TEXTS = ["x509.subject.common_name", "x509.issuer.common_name", "x509.subject.organization",
         "x509.public_key_algorithm"]
NAMES = "x509.alternative_names"
INTS = ["x509.public_key_size", "x509.days_to_expiry", "source.port"]
ADDRESSES = ["source.ip", "destination.ip"]
VERSIONED = "x509.signature_algorithm"  # holds nothing else: what is no version is the business of test_version
OTHERS = ["x509.self_signed", "x509.serial_number", "x509.not_after", "source.mac"]


def text():
    n = r.random()
    if n < 0.15:
        return r.choice(NUMBERS)
    if n < 0.3:
        return r.choice(WORDS)
    if n < 0.4:
        return r.choice(VERSIONS)
    return "".join(r.choice(PIECES) for _ in range(r.randrange(1, 6)))


# ---- events ------------------------------------------------------------------------------------------------


def make_event():
    """What event_write takes, and the same for the slow evaluator."""
    # What every event has of its conversation; none of these texts can hold one of our keywords.
    written = {"category": "x509", "source.ip": r.choice(IPS), "source.port": r.choice([1, 10, 104, 4000])}
    event = {"source.ip": ("ip", [ipaddress.ip_address(written["source.ip"])]),
             "destination.ip": ("ip", [ipaddress.ip_address("10.0.0.2")]),
             "source.port": ("int", [written["source.port"]]), "destination.port": ("int", [4000])}

    def put(name, kind, as_written, values, chance=0.7):
        if r.random() < chance:
            written[name] = as_written
            event[name] = (kind, values)

    for name in TEXTS:
        t = text()
        put(name, "str", t, [t])
    names = [text() for _ in range(r.randrange(1, 4))]
    put(NAMES, "str", names, names)
    v = r.choice(VERSIONS + ["syngo MR B17", "--"])
    put(VERSIONED, "str", v, [v])
    n = r.choice([1, 10, 2048])
    put("x509.public_key_size", "int", n, [n])
    n = r.choice([-3, 0, 1, 10, 100])
    put("x509.days_to_expiry", "int", n, [n])
    truth = r.random() < 0.5
    put("x509.self_signed", "bool", truth, [truth])
    serial = r.choice(["8bb0", "a1", "deadbeef10", "10ab"])
    put("x509.serial_number", "bytes", serial, [serial])
    t = r.choice(TIMES)
    put("x509.not_after", "time", t, [slow_rules.utc(t)])
    mac = r.choice(MACS)
    put("source.mac", "mac", mac, [mac.replace(":", "").replace("-", "").lower()], 0.5)
    phi = r.sample(PHI, r.randrange(0, 3))
    put("phi", "phi", phi, phi, 1)
    return written, event


# ---- rules -------------------------------------------------------------------------------------------------


def escaped(c):
    return "\\" + c if c in "*?\\" else c


def swapped(c):
    other = c.swapcase()
    return other if len(other) == 1 and r.random() < 0.3 else c


def pattern(seen, part=False):
    """A text that may match one of `seen`: some of its characters are wildcards, of another case, or others."""
    source = r.choice(seen) if seen and r.random() < 0.8 else text()
    if part and len(source) > 1:
        at = r.randrange(len(source))
        source = source[at:at + r.randrange(1, 6)]
    out, i = [], 0
    while i < len(source):
        n = r.random()
        if n < 0.06:
            out.append("*" * r.randrange(1, 3))
            i += r.randrange(0, 3)
        elif n < 0.12:
            out.append("?")
            i += 1
        elif n < 0.14:
            out.append(r.choice(PIECES))
            i += 1
        elif n < 0.16 and source[i] in "*?\\":
            out.append(source[i])  # unescaped
            i += 1
        else:
            out.append(escaped(swapped(source[i])))
            i += 1
    return "".join(out)


def regex(seen, ignore=False):
    """Of the characters of a text, some of them as classes, groups and repetitions. Whether the long s is a letter
    of \\w when case is ignored, nobody says."""
    source, out = r.choice(seen) if seen else "abc", []
    for c in source[:8]:
        n = r.random()
        mark = "\\" + c if c in ".^$*+?()[]{}|\\/-" else c
        if n < 0.5:
            out.append(swapped(c) if mark == c else mark)
        elif n < 0.6:
            out.append(".")
        elif n < 0.7:
            out.append("(?:%s|x)" % mark)
        elif n < 0.8:
            out.append(r.choice(["[a-m]", "[^q]", "\\d" if ignore else "\\w", "\\d", "[A-Z0-9]", "\\s"]))
        else:
            out.append(mark + r.choice(["*", "+", "?", "{1,3}", "{0,2}", "{1}"]))
    head, tail = r.choice(["", "", "^", ".*", "" if ignore else "\\b"]), r.choice(["", "", "$", "x?$", "|zz"])
    return head + ("".join(out) or "a") + tail


def values(make, most=4):
    n = r.choice([1, 1, 2, most])
    made = [make() for _ in range(n)]
    return made if n > 1 or r.random() < 0.2 else made[0]


def encoded():
    return "".join(r.choice(["foo", "scan", "a", "\u00e4", " ", "-x", "1"]) for _ in range(r.randrange(1, 4)))


def text_item(name, seen):
    n = r.randrange(26)
    where = r.choice(["contains", "startswith", "endswith"])
    if n < 8:
        return r.choice(["", "|cased"]), values(lambda: pattern(seen))
    if n < 13:
        return "|" + r.choice([where, where, where + "|cased", "cased|" + where]), values(lambda: pattern(seen, True))
    if n == 13:
        return "|%s|all" % where, [pattern(seen, True) for _ in range(2)]
    if n < 16:
        ignore = r.random() < 0.3
        return "|re|i" if ignore else "|re", values(lambda: regex(seen, ignore), 2)
    if n == 16:
        return r.choice(["|base64", "|base64offset|contains", "|wide|base64offset|contains"]), values(encoded)
    if n == 17:
        return "|windash|contains", values(lambda: r.choice(["-x", " /y", "a-b", "- x", "s -x", "/y-x"]))
    if n < 20:
        return "|uid_under", values(lambda: r.choice(["1.2.840", "1.2", "1.2.84", "1"]))
    if n == 20:
        return "|len" + r.choice(["", "|lt", "|gte"]), r.randrange(0, 8)
    if n == 21:
        other = r.choice([t for t in TEXTS + [NAMES] if t != name])
        return "|fieldref" + r.choice(["", "", "|" + where]), other
    return common_item(seen)


def common_item(seen):
    """What can be asked of a field of any type."""
    n = r.randrange(10)
    if n < 2:
        return "", values(lambda: r.choice([0, 1, 10, -3, 104, 0.1, 10.0, 0.5, 9007199254740993]))
    if n == 2:
        return "", r.random() < 0.5
    if n == 3:
        return "", None
    if n == 4:
        return "|exists", r.random() < 0.5
    if n == 5:
        return "|" + r.choice(["lt", "lte", "gt", "gte"]), values(lambda: r.choice([0, 1, 10, 0.1, 9.5, -3, 2000]), 2)
    if n == 6:
        return "|cidr", values(lambda: r.choice(NETS), 3)
    if n == 7:
        return "|count" + r.choice(["", "|lt", "|gte"]), r.randrange(0, 4)
    return "", values(lambda: pattern(seen))


def other_item(name, seen):
    n = r.randrange(8)
    if name == "x509.not_after" and n < 3:
        part = r.choice(["hour", "day", "week", "month", "year", "minute"])
        return "|%s%s" % (part, r.choice(["", "|lt", "|gte"])), r.choice([1, 3, 9, 12, 23, 30, 53, 2026])
    if name in ADDRESSES and n == 0:
        return "|fieldref", ADDRESSES[name == ADDRESSES[0]]
    if n < 5:
        make = [m.upper() for m in MACS] + MACS if name == "source.mac" else seen
        return r.choice(["", "", "|contains", "|startswith", "|endswith"]), values(lambda: pattern(make, r.random() < 0.4))
    if n == 5 and name != "source.mac":
        return "|re", regex(seen)
    return common_item(seen)


def item(seen):
    n = r.random()
    if n < 0.03:
        return "event|phi", values(lambda: r.choice(PHI + ["any"]), 2)
    if n < 0.08:
        return VERSIONED + "|version_" + r.choice(["lt", "lte", "gt", "gte", "eq"]), values(lambda: r.choice(VERSIONS))
    if n < 0.65:
        name = r.choice(TEXTS + [NAMES])
        mods, value = text_item(name, seen[name])
    else:
        name = r.choice(INTS + ADDRESSES + OTHERS)
        mods, value = other_item(name, seen[name])
    if "exists" not in mods and r.random() < 0.1:
        mods += "|neq"
    if isinstance(value, list) and "|all" not in mods and r.random() < 0.1:
        mods += "|all"
    return name + mods, value


def keyword():
    """Never a text that could stand in what every event has of its conversation, but for the source's port."""
    if r.random() < 0.2:
        return r.choice(["2048", "4000", "*00?", "20?8"])
    while True:
        word = pattern(["a_b", "Scan\u00e4", "s_\u017f", "\u212a.", "_", "\u00dfa"], False)
        if any(c in word for c in "_\u00e4\u00c4\u00df\u03c3\u4e2d%"):
            return word


def mapping(seen):
    return dict(item(seen) for _ in range(r.choice([1, 1, 2, 3])))


def body(seen):
    n = r.random()
    if n < 0.75:
        return mapping(seen)
    if n < 0.87:
        return [mapping(seen) for _ in range(r.randrange(1, 4))]
    if n < 0.92:
        return [keyword() for _ in range(r.randrange(1, 3))]
    if n < 0.95:
        return [keyword(), mapping(seen)]
    return {r.choice(["|all", "|contains|all"]): [keyword(), keyword()]} if n < 0.98 else keyword()


def condition(names, depth=0):
    n = r.random()
    if n < 0.4 or depth > 3:
        return r.choice(names)
    if n < 0.5:
        return "%s of %s" % (r.choice(["1", "any", "all"]), r.choice(["them", "s*", "*_1", "s*1"]))
    if n < 0.62:
        return "not " + condition(names, depth + 1)
    if n < 0.7:
        return "(%s)" % condition(names, depth + 1)
    return "%s %s %s" % (condition(names, depth + 1), r.choice(["and", "or"]), condition(names, depth + 1))


def make_rule(number, seen):
    names = ["sel_%d" % i for i in range(1, r.randrange(2, 5))]
    detection = {name: body(seen) for name in names}
    detection["condition"] = condition(names) if r.random() < 0.9 else [condition(names), condition(names)]
    return {"dialect": "wardwatch/1", "title": "rule %d" % number, "level": "low",
            "logsource": {"product": "wardwatch", "service": "x509"}, "detection": detection}


# ---- judging ---------------------------------------------------------------------------------------------------


def documents(folder, name, docs):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n---\n".join(json.dumps(d, ensure_ascii=False) for d in docs) + "\n")
    return path


def batch(program, folder):
    """The number of cases judged and how many of them held; exits at the first difference."""
    events = [make_event() for _ in range(EVENTS)]
    seen = {name: [] for name in TEXTS + [NAMES] + INTS + ADDRESSES + OTHERS}
    for _, event in events:
        for name, (kind, elements) in event.items():
            if name in seen:
                seen[name] += [slow_rules.render(kind, e) for e in elements]
    rules = [make_rule(i, seen) for i in range(RULES)]
    done = subprocess.run([program, documents(folder, "rules.yml", rules),
                           documents(folder, "events.yml", [w for w, _ in events])], capture_output=True, text=True)
    if done.returncode or len(done.stdout.splitlines()) != EVENTS:
        sys.exit("the engine refused a batch:\n%s" % done.stderr[:3000])
    held = 0
    for (written, event), line in zip(events, done.stdout.splitlines()):
        got = set(map(int, line.split()))
        for number, rule in enumerate(rules):
            want = slow_rules.rule_holds(rule["detection"], event)
            held += want
            if want != (number in got):
                sys.exit("the engine says %s, the slow evaluator %s\nrule:  %s\nevent: %s" % (
                    number in got, want, json.dumps(rule, ensure_ascii=False), json.dumps(written, ensure_ascii=False)))
    return RULES * EVENTS, held


def main():
    program, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    done = held = 0
    with tempfile.TemporaryDirectory() as folder:
        while done < cases:
            n, h = batch(program, folder)
            done += n
            held += h
    print("%d cases, %d of them true" % (done, held))
    if not done // 20 < held < done - done // 20:
        sys.exit("cases that are nearly all alike prove little")


main()
