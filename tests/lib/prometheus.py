"""A strict reader of Prometheus' text format 0.0.4, and the conventions that Wardwatch's metrics follow."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9]+(?:\.[0-9]+)?)")
TYPES = {"counter", "gauge"}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type, self.samples = name, help_text, None, {}


def read(text):
    """{name: Family}, or ValueError with the line that breaks the format."""
    def no(why):
        raise ValueError(f"line {number}: {why}: {line!r}")

    families, current = {}, None
    if not text.endswith("\n"):
        raise ValueError("the last line has no line feed")
    for number, line in enumerate(text[:-1].split("\n"), 1):
        if m := re.fullmatch(rf"# HELP ({NAME}) (.+)", line):
            if m[1] in families:
                no("a family comes twice")
            if re.search(r"\\(?![\\n])", m[2]):
                no("a bad escape")
            current = families[m[1]] = Family(m[1], m[2])
        elif m := re.fullmatch(rf"# TYPE ({NAME}) ([a-z]+)", line):
            if current is None or m[1] != current.name or current.type or current.samples or m[2] not in TYPES:
                no("TYPE has to follow its HELP")
            current.type = m[2]
        elif m := SAMPLE.fullmatch(line):
            if current is None or m[1] != current.name or not current.type:
                no("a sample outside its family")
            pairs = re.findall(LABEL, m[2] or "")
            if len({k for k, _ in pairs}) != len(pairs):
                no("a label comes twice")
            labels = tuple(sorted((k, re.sub(r"\\(.)", lambda e: {"n": "\n"}.get(e[1], e[1]), v)) for k, v in pairs))
            if labels in current.samples:
                no("a sample comes twice")
            current.samples[labels] = float(line.rsplit(" ", 1)[1])
        else:
            no("neither HELP, TYPE nor a sample")
    for family in families.values():
        if not family.type or not family.samples:
            raise ValueError(f"{family.name}: no type or no sample")
    return families


def check_conventions(families):
    """Prefix; _total on counters and only there; bytes and seconds at the end; the labels of a family agree."""
    for f in families.values():
        base = f.name.removesuffix("_total")
        if not f.name.startswith("wardwatch_"):
            raise ValueError(f"{f.name}: no prefix")
        if (f.type == "counter") != f.name.endswith("_total"):
            raise ValueError(f"{f.name}: a {f.type}")
        for unit in ("bytes", "seconds"):
            if f"_{unit}" in base and not base.endswith(unit):
                raise ValueError(f"{f.name}: the unit stands at the end")
        if len({tuple(k for k, _ in labels) for labels in f.samples}) != 1:
            raise ValueError(f"{f.name}: samples with different labels")
