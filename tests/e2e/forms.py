#!/usr/bin/env python3
"""usage: forms.py PROGRAM PROBE [--update]
Every alert, device and word of the sensor about itself that our captures give, in every form (run/format.h): against
the schemas of tests/schemas, through readers of CEF and LEEF that are not ours, with hostile names, cut short; and no
planted person in any of them. Documents of tests/golden/forms give what stands beside them, byte for byte; --update
writes that: read the difference in git before you commit it."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "privacy"), str(HERE)]
import health  # noqa: E402
import hostile  # noqa: E402
import planted  # noqa: E402
import ward  # noqa: E402

try:
    import jsonschema
except ImportError:
    ward.skip("no python3-jsonschema")

FORMS = ("ecs", "eve", "ocsf", "cef", "leef")
CLASSES = {"alert": "alert", "health": "alert", "asset": "asset"}  # and the schema of its ECS form
CEF_LEVEL = {"informational": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
OCSF_LEVEL = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
EVE_LEVEL = {"informational": 4, "low": 3, "medium": 2, "high": 1, "critical": 1}
CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# What a device may call itself.
NAMES = ["plain", "two words", "a=b c=d", "pipe|here", "back\\slash", "tab\there", "line\nend\r", "cs1=x cs1Label=Zone",
         "|x09|cat=none", "\x00\x1b[31mred\x7f", "\u202eevil\u2066\ufeff", "\u2028\u2029", "Größe µ 山田 😀", "trailing\\", "\\=|",
         '"quotes"', "]", "CEF:0|x|", "-" * 3000, "é" * 900, "\\" * 700, "=" * 1023, "\x01" * 200]

bad = []


def check(what, holds, detail=""):
    if not holds:
        bad.append(what)
        print(f"wrong: {what}: {str(detail)[:600]}")


def put(value):
    """A document as json.h writes it."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return CONTROLS.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def convert(probe, form, documents, *options):
    data = "".join(d + "\n" for d in documents).encode()
    done = subprocess.run([probe, form, *options], input=data, capture_output=True, timeout=120, check=True)
    assert not done.stderr, done.stderr
    lines = done.stdout.decode("utf-8").split("\n")
    assert len(lines) == len(documents) + 1, f"{form}: {len(lines)} lines of {len(documents)}"
    check(f"{form}: no control characters", all(not CONTROLS.search(x.replace("\t", "") if form == "leef" else x)
                                               for x in lines))
    return lines[:-1]


def at(document, path):
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def leaves(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, f"{path}.{k}" if path else k)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v, path + "[]")
    else:
        yield path, value


def in_order(pairs):
    keys = [k for k, _ in pairs]
    assert keys == sorted(keys, key=lambda k: k.encode()), keys
    return dict(pairs)


def well_formed(name, line):
    """Sorted, no null, nothing empty; only ECS has to do without objects in lists (Wazuh)."""
    document = json.loads(line, object_pairs_hook=in_order)
    for path, value in leaves(document):
        check(f"{name}: null or empty at {path}", value is not None and value != "", line)
        check(f"{name}: objects in a list at {path}", name != "ecs" or "[]." not in path, line)
    return document


# ---- readers of CEF and LEEF, written from their descriptions --------------------------------------------------------

def cef(line):
    head, at_ = [], 0
    while len(head) < 7:
        field = ""
        while line[at_] != "|":
            if line[at_] == "\\":
                at_ += 1
                assert line[at_] in "\\|", line
            field += line[at_]
            at_ += 1
        head.append(field)
        at_ += 1
    assert head[0] == "CEF:0", line
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", line[at_:]))
    values = {}
    for m, after in zip(keys, [*keys[1:], None]):
        raw = line[at_:][m.end():after.start() if after else None]
        assert not re.search(r"(?<!\\)(\\\\)*=", raw), f"an unescaped = in {raw}"
        assert m[1] not in values, f"{m[1]} twice"
        values[m[1]] = re.sub(r"\\(.)", lambda e: {"n": "\n", "r": "\r"}.get(e[1], e[1]), raw)
    return head, values


def leef(line):
    head = line.split("|", 6)
    assert head[0] == "LEEF:2.0" and head[5] == "x09", line
    pairs = [field.partition("=") for field in head[6].split("\t")]
    assert all(sep for _, sep, _ in pairs) and len({k for k, _, _ in pairs}) == len(pairs), line
    return head[:6], {k: v for k, _, v in pairs}


def told(text):
    """Characters that turn text around or move the cursor, as both forms tell them."""
    return CONTROLS.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def cef_text(text):
    return CONTROLS.sub(lambda m: m[0] if m[0] in "\n\r" else f"\\u{ord(m[0]):04x}", text)


CEF_TEXTS = {"msg": "event.reason", "shost": "wardwatch.source.device.name", "dhost": "wardwatch.destination.device.name",
             "dvchost": "observer.name", "externalId": "event.id", "cat": "wardwatch.category", "app": "network.protocol",
             "cs2": "wardwatch.device.type", "flexString1": "network.community_id"}
LEEF_TEXTS = {"reason": "event.reason", "name": "message", "sensor": "observer.name", "eventId": "event.id",
              "cat": "wardwatch.category", "src": "source.ip", "dst": "destination.ip", "deviceType": "wardwatch.device.type"}
NUMBERS = {"cef": {"spt": "source.port", "dpt": "destination.port", "cnt": "wardwatch.count", "cn1": "event.risk_score",
                   "cn2": "wardwatch.confidence"},
           "leef": {"srcPort": "source.port", "dstPort": "destination.port", "count": "wardwatch.count",
                    "riskScore": "event.risk_score", "confidence": "wardwatch.confidence"}}


def same_text(what, got, want):
    """Equal, or its beginning where it was too long."""
    if want is None:
        check(f"{what}: nothing", got is None, got)
    elif len(json.dumps(want, ensure_ascii=False).encode()) < 1023 and not CONTROLS.search(want):
        check(f"{what}: the same", got == want, (got, want))
    else:
        check(f"{what}: the beginning", got and want.startswith(got) and len(got) >= min(len(want), 160), (got, want))


def name_of(document):
    return at(document, "rule.id") or document["event"]["action"]


def read_cef(line, document):
    if document["wardwatch"]["class"] == "asset":
        check("cef: no assets", line == "")
        return
    head, values = cef(line)
    same_text("cef: title", head[5], told(document["message"]))
    check("cef: head", head[1:5] == ["Wardwatch", "Wardwatch", document["observer"]["version"], name_of(document)]
          and int(head[6]) == CEF_LEVEL[document["wardwatch"]["level"]], head)
    for key, path in CEF_TEXTS.items():
        want = at(document, path)
        same_text(f"cef: {key}", values.get(key), want and cef_text(want))
    for key, path in NUMBERS["cef"].items():
        want = at(document, path)
        check(f"cef: {key}", values.get(key) == (None if want is None else str(want)), (values.get(key), want))
    ip = at(document, "source.ip")
    if ip:
        check("cef: address", values.get("c6a2" if ":" in ip else "src") == ip, values)
    for key in values:
        check("cef: a label for each key of ours", not re.match("(cs|cn|c6a|flexString)[0-9]$", key) or
              values.get(key + "Label"), key)


def read_leef(line, document):
    if document["wardwatch"]["class"] == "asset":
        check("leef: no assets", line == "")
        return
    head, values = leef(line)
    check("leef: head", head[1:5] == ["Wardwatch", "Wardwatch", document["observer"]["version"], name_of(document)], head)
    check("leef: time", values["devTime"] == document["@timestamp"][:23] + "Z", values)
    for key, path in LEEF_TEXTS.items():
        want = at(document, path)
        same_text(f"leef: {key}", values.get(key), want and told(want))
    for key, path in NUMBERS["leef"].items():
        want = at(document, path)
        check(f"leef: {key}", values.get(key) == (None if want is None else str(want)), (values.get(key), want))


# ---- all forms of a document -----------------------------------------------------------------------------------------

def milliseconds(time):
    from datetime import datetime, timezone
    moment = datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def read_eve(line, document, validators):
    found = well_formed("eve", line)
    complain("eve", validators["eve"], found)
    flip = at(document, "wardwatch.network.sender") == "destination"
    check("eve: who sent it", found.get("src_ip") == at(document, "destination.ip" if flip else "source.ip"), line)
    if document["event"]["kind"] == "alert":
        check("eve: severity", found["alert"]["severity"] == EVE_LEVEL[document["wardwatch"]["level"]], line)
    known = {v for p, v in leaves(document) if p.startswith("wardwatch.")}
    check("eve: all of wardwatch", known <= {v for p, v in leaves(found) if p.startswith("wardwatch.")}, line)


def read_ocsf(line, document, validators):
    found = well_formed("ocsf", line)
    complain("ocsf", validators["ocsf"], found)
    check("ocsf: type_uid", found["type_uid"] == found["class_uid"] * 100 + found["activity_id"], line)
    check("ocsf: time", found["time"] == milliseconds(document["@timestamp"]), line)
    check("ocsf: severity", found["severity_id"] == OCSF_LEVEL[document["wardwatch"].get("level", "informational")], line)
    kind, category = document["event"]["kind"], document["wardwatch"].get("category")
    calm = document["wardwatch"].get("level") == "informational"
    want = {"asset": 5001, "event": 0 if calm else 6008}.get(kind, 2002 if category in ("recall", "known_vulnerability", "outdated_firmware")
                                             else 2004)
    check("ocsf: class", found["class_uid"] == want, line)


def complain(name, validator, document):
    for error in validator.iter_errors(document):
        check(f"{name}: schema", False, f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}")


def read_all(probe, documents, validators, *options):
    parsed = [json.loads(d) for d in documents]
    for form in FORMS:
        lines = convert(probe, form, documents, *options)
        check(f"{form}: the same bytes again", lines == convert(probe, form, documents, *options))
        for line, document in zip(lines, parsed):
            if form == "ecs":
                complain("ecs", validators[CLASSES[document["wardwatch"]["class"]]], well_formed("ecs", line))
                check("ecs: as it is", "live" in options or line == put(document), line)
            elif form == "cef":
                read_cef(line, document)
            elif form == "leef":
                read_leef(line, document)
            else:
                (read_eve if form == "eve" else read_ocsf)(line, document, validators)


def hostile_documents(documents):
    """The names that others choose, in an alert, an IPv6 one and a device, are each of NAMES in turn."""
    rich = next(d for d in documents if '"manufacturer"' in d and '"class":"alert"' in d)
    device = next(d for d in documents if '"class":"asset"' in d and '"ae_titles"' in d)
    for name in NAMES:
        for text in (rich, device):
            d = json.loads(text)
            for side in ("source", "destination"):
                if at(d, f"wardwatch.{side}.device"):
                    d["wardwatch"][side]["device"] |= {"name": name, "firmware": {"version": name}}
                    d[side]["ip"] = "2001:db8::1" if name == "plain" else d[side]["ip"]
            d["device"] |= {"manufacturer": name, "model": {"name": name}, "serial_number": name}
            d["host"]["name"] = name
            if "event" in d["wardwatch"]:
                d["event"]["reason"] = d["message"] = name
                d["wardwatch"]["reason"]["matched"] = [name, "x"]
                d["wardwatch"]["event"] = {"dicom": {"calling_ae": name}}
                d["related"]["hosts"] = [name]
            else:
                d["wardwatch"]["device"]["ae_titles"] = [name, name]
            yield put(d)


def kinds(documents):
    """The categories that no capture of ours gives: a document of each, made of one that there is."""
    alert = json.loads(next(d for d in documents if '"class":"alert"' in d))
    for category, words in (("recall", ["vulnerability", "host"]), ("known_vulnerability", ["vulnerability", "host"]),
                            ("outdated_firmware", ["vulnerability", "host"]), ("baseline", ["network"]),
                            ("segmentation", ["intrusion_detection", "network"])):
        alert["wardwatch"]["category"] = alert["rule"]["category"] = alert["event"]["code"] = category
        alert["event"]["category"] = words
        alert.pop("vulnerability", None)
        if category == "known_vulnerability":
            alert["vulnerability"] = {"id": "CVE-2026-0001", "reference": "https://example.net/1", "severity": "High"}
        yield put(alert)


def cut_short(probe, documents, validators):
    for most in (2048, 2600, 4096):
        for form in FORMS[:3]:
            for line, whole in zip(convert(probe, form, documents, "live", str(most)), documents):
                found = well_formed(form, line)
                complain(form, validators[form if form != "ecs" else CLASSES[found["wardwatch"]["class"]]], found)
                check(f"{form}: at most {most} bytes", len(line.encode()) <= most, f"{len(line)}: {line}")
                own = found["unmapped"]["wardwatch"] if form == "ocsf" else found["wardwatch"]
                check(f"{form}: says that it is cut", own.get("truncated", False) or form != "ecs" or
                      len(line) >= len(whole), line)
        for form, read in (("cef", cef), ("leef", leef)):
            for line in convert(probe, form, documents, "live", str(most)):
                if line:
                    read(line)
                check(f"{form}: at most {most} bytes", len(line.encode()) <= most, f"{len(line)}: {line}")


def live(probe, documents):
    lines = [json.loads(line) for line in convert(probe, "ecs", documents, "live")]
    check("ecs live: the number", [d["event"].pop("sequence") for d in lines] == list(range(1, len(lines) + 1)))
    check("ecs live: else as it is", [put(d) for d in lines] == documents)
    for form, path in (("eve", "wardwatch.sequence"), ("ocsf", "metadata.sequence")):
        numbers = [at(json.loads(line), path) for line in convert(probe, form, documents, "live")]
        check(f"{form} live: the number", numbers == list(range(1, len(documents) + 1)), numbers)


def broken(probe, document):
    """What a damaged store holds has no form, and is not passed on."""
    wrong = [document[:-1], document.replace('"message"', '"event"'), document[:200], "[]", '"x"', "{}x", document + "}",
             '{"a":"\\ud800\x01"}', '{"a":01}', '{"a":tru}', '{"a":"\\x"}', "[" * 1000, '{"wardwatch":']
    for form in FORMS:
        check(f"{form}: nothing of what is broken", not any(convert(probe, form, wrong)), form)
    odd = ['{"wardwatch":"x","event":[],"source":{"ip":{"a":1}},"message":{"x":{"y":1}},"rule":1}',
           '{"wardwatch":{"id":{"x":1},"sequence":{"y":2},"event":{"phi":1,"event":{"a":1}},"phi":{"a":1},"a.b":{"c":1},"a":1}}', "{}"]
    for form in FORMS:
        convert(probe, form, odd, "live")


def golden(probe, update):
    for source in sorted((HERE.parent / "golden/forms").glob("*.json")):
        for form in FORMS[1:]:
            expected = source.with_suffix("." + form)
            line = convert(probe, form, [source.read_text().strip()])[0] + "\n"
            if update:
                expected.write_text(line)
            check(f"golden: {expected.name}", expected.read_text() == line, line)


def main(program, probe, update=""):
    golden(probe, update)
    documents, people = [], []
    validators = {p.stem: jsonschema.Draft7Validator(json.loads(p.read_text()))
                  for p in (HERE.parent / "schemas").glob("*.json")}
    with tempfile.TemporaryDirectory(prefix="ward-forms-") as folder:
        made, sick = Path(folder) / "hostile.pcap", Path(folder) / "sick.pcap"
        hostile.write(made)
        health.write(sick, health.conversations(150, 1))
        for capture in [*sorted((ward.TOP / "pcaps").rglob("*.pcap")), sick, made]:
            run = ward.Run(program, capture, options=["-q"])
            run.must_be_good(capture)
            found = [line for name in ("alerts.jsonl", "devices.jsonl") for line in run.files[name].decode().splitlines()]
            (people if capture == made else documents).extend(found)
    check("some of each class", {json.loads(d)["wardwatch"]["class"] for d in documents} == set(CLASSES))
    check("some repeated", any('"first_id"' in d for d in documents))
    documents += kinds(documents)
    documents += [p.read_text().strip() for p in sorted((HERE.parent / "golden/forms").glob("*.json"))]
    read_all(probe, documents, validators)
    odd = list(hostile_documents(documents))
    read_all(probe, odd, validators, "live")
    cut_short(probe, documents + odd, validators)
    live(probe, documents)
    broken(probe, documents[0])
    leaks = list(planted.leaks(hostile.PEOPLE, {form: "\n".join(convert(probe, form, people)).encode() for form in FORMS}))
    check("no planted person", people and not leaks, leaks)
    print(f"{len(documents) + len(odd)} documents in {len(FORMS)} forms, {len(bad)} wrong")
    return bool(bad)


sys.exit(main(*sys.argv[1:4]))
