#!/usr/bin/env python3
"""usage: rules.py N DIR: writes N rules into DIR, mixed like the public Sigma rules of network sources.

Kinds of items and conditions as often as there (policy-language.md 8 and 9): most are one mapping of plain values,
then contains, contains|all, endswith, startswith, lists of mappings, negated filters, some keywords, expressions and
networks. Values are made up and seldom met in traffic; a few are common ones, as in the public rules.
"""
import os
import random
import sys
import uuid

r = random.Random(20261125)
WORDS = ("admin backup beacon bin cgi config cmd console data debug door drop exec exfil export file gate get hook "
         "image install invoke java key load login manager mime module node null object panel path php ping portal "
         "proxy query root scan script server shell sql stage store sync system task temp token tunnel update upload "
         "user vpn web wget xml zip").split()


def word():
    return "%s%s%02x" % (r.choice(WORDS), r.choice(["", "-", "_", "."]), r.randrange(256))


def domain():
    return "%s.%s.%s" % (word(), word(), r.choice(["com", "net", "top", "xyz", "example", "io"]))


def path():
    return "/" + "/".join(word() for _ in range(r.randrange(1, 4)))


def quoted(v):
    return str(v).lower() if isinstance(v, (int, bool)) else "'%s'" % str(v).replace("'", "''")


# field, what its values look like, common values
LOGS = [
    (30, "{category: dns}", [("query", domain), ("answer", domain)], [("record_type", ["A", "TXT", "MX", "ANY"])]),
    (25, "{category: webserver}", [("cs-uri-query", path), ("cs-user-agent", word), ("cs-uri-stem", path)],
     [("cs-method", ["GET", "POST", "PUT"]), ("sc-status", [200, 404, 500])]),
    (15, "{category: firewall}", [("dst_port", lambda: r.randrange(1024, 65536)),
                                  ("dst_ip", lambda: "203.0.%d.%d" % (r.randrange(256), r.randrange(256)))],
     [("action", ["accept", "drop"])]),
    (8, "{product: zeek, service: x509}", [("certificate.subject", domain), ("certificate.serial",
                                                                           lambda: "%016x" % r.getrandbits(64))], []),
    (7, "{product: wardwatch, service: tls}", [("tls.client.server_name", domain),
                                               ("tls.client.ja3", lambda: "%032x" % r.getrandbits(128))],
     [("network.standard_port", [True, False])]),
    (5, "{product: wardwatch, service: dicom}", [("dicom.calling_ae", word), ("dicom.called_ae", word)],
     [("network.encrypted", [False])]),
    (5, "{product: wardwatch, service: hl7}", [("hl7.sending_application", word), ("hl7.sending_facility", word)],
     [("hl7.message_type", ["ADT", "ORU", "ORM"])]),
    (5, "{product: wardwatch, service: ftp}", [("ftp.command", word), ("ftp.banner", word)], []),
]


def item(fields):
    field, make = r.choice(fields)
    text = isinstance(make(), str)
    n = r.choice([1, 1, 1, 2, 4, 8])
    values = [make() for _ in range(n)]
    kind = r.randrange(460)
    if not text or kind < 218:
        if field == "dst_ip" and kind < 12:
            return "%s|cidr: ['198.51.%d.0/24']" % (field, r.randrange(256))
        mod = ""
    elif kind < 344:
        mod = "|contains"
    elif kind < 395 and n > 1:
        mod, values = "|contains|all", values[:2]
    elif kind < 432:
        mod, values = "|endswith", [v[len(v) // 2:] + v[-4:] for v in values]
    elif kind < 446:
        mod = "|startswith"
    elif kind < 452:
        return "%s|re: '^[a-z]{2,8}%s(\\.|/).+\\d{1,3}'" % (field, word().replace(".", "\\."))
    else:
        mod, values = "", ["*%s?%s" % (v[:5], v[5:]) for v in values]
    return "%s%s: [%s]" % (field, mod, ", ".join(quoted(v) for v in values))


def selection(log, most):
    lines, seen = [], set()
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        line = item(log[2])
        if line.split(":")[0].split("|")[0] not in seen:
            seen.add(line.split(":")[0].split("|")[0])
            lines.append(line)
    if log[3] and r.random() < most:
        field, values = r.choice(log[3])
        lines.insert(0, "%s: %s" % (field, quoted(r.choice(values))))
    return "{%s}" % ", ".join(lines)


def rule(n):
    log = r.choices(LOGS, [row[0] for row in LOGS])[0]
    shape = r.randrange(179)
    parts = ["selection: " + selection(log, 0.3)]
    condition = "selection"
    if shape < 23:
        parts = ["selection_%d: %s" % (i, selection(log, 0.2)) for i in range(2)]
        condition = "%s of selection_*" % ("all" if shape < 12 else "1")
    elif shape < 45:
        parts.append("filter_main: " + selection(log, 0.1))
        condition = "selection and not filter_main"
    elif shape < 55:
        parts = ["selection: [%s]" % ", ".join(selection(log, 0) for _ in range(3))]
    elif shape < 63 and "webserver" in log[1]:
        parts.append("keywords: ['%s']" % "', '".join(path() for _ in range(4)))
        condition = "selection and keywords" if shape < 58 else "keywords"
    return "title: Made up %d\nid: %s\nlogsource: %s\ndetection:\n  %s\n  condition: %s\nlevel: low\n" % (
        n, uuid.UUID(int=r.getrandbits(128), version=4), log[1], "\n  ".join(parts), condition)


def main():
    count, folder = int(sys.argv[1]), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    for first in range(0, count, 500):
        with open(os.path.join(folder, "rules%05d.yml" % first), "w", encoding="utf-8") as f:
            f.write("---\n".join(rule(n) for n in range(first, min(count, first + 500))))


main()
