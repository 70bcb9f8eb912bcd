"""A slow evaluator of rules, written from the specification (policy-language.md 6 to 10, 15; firmware.md 2.4), for
tests/diff/rules.py. It takes detections as Python values and events as {field: (type, [elements])} and shares
nothing with the engine."""
import base64
import datetime
import fractions
import ipaddress
import re

MANY, ONE = object(), object()


def fold(c):
    """Simple case folding of one character: statuses C and S of CaseFolding.txt."""
    full = c.casefold()
    if len(full) == 1:
        return full
    low = c.lower()
    return low if len(low) == 1 else c


def parse_pattern(text):
    """7.1: a list of characters, MANY and ONE."""
    out, i = [], 0
    while i < len(text):
        c = text[i]
        if c == "\\" and i + 1 < len(text) and text[i + 1] in "*?\\":
            out.append(text[i + 1])
            i += 2
            continue
        out.append(MANY if c == "*" else ONE if c == "?" else c)
        i += 1
    return out


def like(pattern, text, cased):
    """All ends of the pattern's beginning in the text, step by step."""
    at = {0}
    for unit in pattern:
        if unit is MANY:
            at = set(range(min(at), len(text) + 1)) if at else at
        elif unit is ONE:
            at = {i + 1 for i in at if i < len(text)}
        else:
            at = {i + 1 for i in at
                  if i < len(text) and (text[i] == unit if cased else fold(text[i]) == fold(unit))}
    return len(text) in at


def is_wild(pattern):
    return any(u is MANY or u is ONE for u in pattern)


def plain(pattern):
    return "".join(pattern)


# ---- elements ---------------------------------------------------------------------------------------------


def render(kind, v):
    if kind == "time":
        return v.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if kind == "bool":
        return "true" if v else "false"
    return str(v)


def address(text):
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.A)


def number(kind, v):
    if kind == "int":
        return fractions.Fraction(v)
    if kind != "str" or not DECIMAL.fullmatch(v):
        return None
    return fractions.Fraction(float(v) if set(v) & set(".eE") else int(v))


def equals(pattern, kind, v, cased):
    """A text of a rule against one element."""
    if kind == "ip":
        if not is_wild(pattern):
            a = address(plain(pattern))
            return a is not None and a == v
        return like(pattern, str(v), cased)
    if kind == "mac":
        bare = [u.lower() if isinstance(u, str) else u for u in pattern if u not in (":", "-", ".")]
        return like(bare, v, True)
    return like(pattern, render(kind, v), cased)


# ---- what modifiers make of a text -------------------------------------------------------------------------


def is_word(c):
    return isinstance(c, str) and (c.isalnum() or c == "_")


def windash(pattern):
    out = [[]]
    for i, u in enumerate(pattern):
        starts = u in ("-", "/") and (i == 0 or not is_word(pattern[i - 1])) and \
            i + 1 < len(pattern) and is_word(pattern[i + 1])
        out = [head + [w] for head in out for w in ("-/\u2013\u2014\u2015" if starts else [u])]
    return out


def offsets(raw):
    out = []
    for k in range(3):
        text = base64.b64encode(b"\0" * k + raw).decode()
        end = [0, 3, 2][(len(raw) + k) % 3]
        out.append(list(text[[0, 2, 3][k]:len(text) - end if end else None]))
    return out


def alternatives(value, modifiers):
    """The patterns that a text becomes."""
    patterns, wide = [parse_pattern(value)], False
    for m in modifiers:
        if m == "windash":
            patterns = [w for p in patterns for w in windash(p)]
        elif m == "wide":
            wide = True
        elif m in ("base64", "base64offset"):
            raw = [plain(p).encode("utf-16-le" if wide else "utf-8") for p in patterns]
            patterns = [list(base64.b64encode(r).decode()) for r in raw] if m == "base64" else \
                [o for r in raw for o in offsets(r)]
        elif m in ("contains", "startswith", "endswith"):
            patterns = [([MANY] if m != "startswith" else []) + p + ([MANY] if m != "endswith" else [])
                        for p in patterns]
    return patterns


# ---- regular expressions: a backtracking matcher of its own ------------------------------------------------


class Regex:
    """Alternation, sequences, groups, classes, . ^ $ \\d \\w \\s \\b, * + ? {n,m}; matched by continuations."""

    def __init__(self, text, ignore):
        self.text, self.at, self.ignore = text, 0, ignore
        self.tree = self.alternation()
        assert self.at == len(text)

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self):
        self.at += 1
        return self.text[self.at - 1]

    def alternation(self):
        ways = [self.sequence()]
        while self.peek() == "|":
            self.take()
            ways.append(self.sequence())
        return ("or", ways)

    def sequence(self):
        parts = []
        while self.peek() and self.peek() not in "|)":
            atom = self.atom()
            c = self.peek()
            low, high = 1, 1
            if c and c in "*+?":
                self.take()
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[c]
            elif c == "{":
                end = self.text.index("}", self.at)
                bounds = self.text[self.at + 1:end].split(",")
                self.at = end + 1
                low, high = int(bounds[0]), int(bounds[-1]) if bounds[-1] else None
            parts.append((atom, low, high))
        return ("and", parts)

    def atom(self):
        c = self.take()
        if c == "(":
            if self.text.startswith("?:", self.at):
                self.at += 2
            tree = self.alternation()
            self.take()
            return tree
        if c == "[":
            negated = self.peek() == "^"
            self.at += negated
            members = []
            while self.peek() != "]":
                low = self.take()
                if self.peek() == "-":
                    self.take()
                    members.append((low, self.take()))
                else:
                    members.append((low, low))
            self.take()
            return ("class", members, negated)
        if c in ".^$":
            return (c,)
        if c == "\\":
            c = self.take()
            if c in "dwsb":
                return ("\\" + c,)
        return ("class", [(c, c)], False)

    def same(self, c):
        """The characters that count as c when case is ignored."""
        if not self.ignore:
            return {c}
        return {x for x in (c, c.lower(), c.upper(), "\u212a", "\u017f", "\u1e9e", "\u00df") if
                len(x) == 1 and fold(x) == fold(c)} | {c}

    def one(self, node, c):
        if node[0] == ".":
            return c != "\n"
        if node[0] == "class":
            return any(low <= x <= high for low, high in node[1] for x in self.same(c)) != node[2]
        members = {"\\d": "0123456789", "\\s": " \t\n\r\f\v",
                   "\\w": "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}[node[0]]
        return any(x in members for x in self.same(c))

    def word_at(self, t, i):
        return 0 <= i < len(t) and self.one(("\\w",), t[i])

    def run(self, node, t, i, then):
        kind = node[0]
        if kind == "or":
            return any(self.run(way, t, i, then) for way in node[1])
        if kind == "and":
            return self.parts(node[1], t, i, then)
        if kind == "^":
            return i == 0 and then(i)
        if kind == "$":
            return i == len(t) and then(i)
        if kind == "\\b":
            return self.word_at(t, i - 1) != self.word_at(t, i) and then(i)
        return i < len(t) and self.one(node, t[i]) and then(i + 1)

    def parts(self, parts, t, i, then):
        if not parts:
            return then(i)
        (atom, low, high), rest = parts[0], parts[1:]

        def again(done, here):
            if done >= low and self.parts(rest, t, here, then):
                return True
            if high is not None and done >= high:
                return False
            return self.run(atom, t, here, lambda to: (to > here or done < low) and again(done + 1, to))

        return again(0, i)

    def search(self, t):
        return any(self.run(self.tree, t, i, lambda to: True) for i in range(len(t) + 1))


# ---- versions ------------------------------------------------------------------------------------------------

VERSION = re.compile(r"(?:[vV](?=\d))?([A-Za-z]*)((?:\d+[A-Za-z]?)(?:[.-]\d+[A-Za-z]?)*)")
LETTER = re.compile(r"([A-Za-z])((?:\.\d+[A-Za-z]?)*)")


def version(text):
    """(style, prefix, fields) of the forms that this test makes, or None."""
    m = LETTER.fullmatch(text)
    if m:
        fields = [(ord(m[1].lower()), "")] + [field(f) for f in m[2].split(".")[1:]]
        return "letter", "", fields
    m = VERSION.fullmatch(text)
    if not m:
        return None
    return "dotted", m[1].lower(), [field(f) for f in re.split("[.-]", m[2])]


def field(text):
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return int(digits), text[len(digits):].lower()


def compare_versions(a, b):
    """-1, 0, 1, or None: no order."""
    x, y = version(a), version(b)
    if not x or not y or x[:2] != y[:2]:
        return None
    n = max(len(x[2]), len(y[2]))
    p, q = (v[2] + [(0, "")] * (n - len(v[2])) for v in (x, y))
    return (p > q) - (p < q)


# ---- items -------------------------------------------------------------------------------------------------

ORDER = {"lt": lambda a, b: a < b, "lte": lambda a, b: a <= b, "gt": lambda a, b: a > b, "gte": lambda a, b: a >= b,
         "eq": lambda a, b: a == b}
PARTS = {"minute": lambda t: t.minute, "hour": lambda t: t.hour, "day": lambda t: t.day, "month": lambda t: t.month,
         "week": lambda t: t.isocalendar()[1], "year": lambda t: t.year}


def element_holds(mods, value, kind, v, event):
    names = set(mods)
    order = next((m for m in mods if m in ORDER), "eq")
    if "fieldref" in names:
        other, elements = event.get(value, (None, []))
        opened = [m for m in mods if m in ("contains", "startswith", "endswith")]
        for e in elements:
            p = [c for c in render(other, e)]
            for m in opened:
                p = ([MANY] if m != "startswith" else []) + p + ([MANY] if m != "endswith" else [])
            if like(p, render(kind, v), "cased" in names):
                return True
        return False
    if "re" in names:
        return kind != "mac" and Regex(value, "i" in names).search(render(kind, v))
    if "cidr" in names:
        a = v if kind == "ip" else address(v) if kind == "str" else None
        net = ipaddress.ip_network(value)
        return a is not None and a.version == net.version and a in net
    if names & PARTS.keys():
        part = next(m for m in mods if m in PARTS)
        return kind == "time" and ORDER[order](PARTS[part](v), value)
    if "len" in names:
        n = len(v) if kind == "str" else len(v) // 2 if kind == "bytes" else None
        return n is not None and ORDER[order](n, value)
    versions = next((m for m in mods if m.startswith("version_")), None)
    if versions:
        c = compare_versions(render(kind, v), value)
        return c is not None and ORDER[versions[8:]](c, 0)
    if "uid_under" in names:
        return kind == "str" and v.split(".")[:len(value.split("."))] == value.split(".")
    if isinstance(value, bool):
        return v == value if kind == "bool" else kind == "str" and v.lower() == str(value).lower() and v.isascii()
    if isinstance(value, (int, float)):
        n = number(kind, v)
        return n is not None and ORDER[order](n, fractions.Fraction(value))
    return any(equals(p, kind, v, "cased" in names) for p in alternatives(value, mods))


def value_holds(mods, value, leaf, event):
    kind, elements = leaf
    if "exists" in mods:
        return bool(elements) == value
    if value is None:
        return not elements
    if "count" in mods:
        return ORDER[next((m for m in mods if m in ORDER), "eq")](len(elements), value)
    return any(element_holds(mods, value, kind, v, event) for v in elements)


def keyword_holds(mods, value, event):
    opened = any(m in ("contains", "startswith", "endswith") for m in mods)
    use = mods if opened else mods + ["contains"]
    return any(element_holds(use, str(value), "str", str(v), event)
               for name, (kind, elements) in event.items() if kind in ("str", "int") for v in elements)


def item_holds(key, values, event):
    name, *mods = key.split("|")
    values = values if isinstance(values, list) else [values]
    flags = [m for m in mods if m not in ("all", "neq")]
    if "phi" in mods:
        held = [bool(event["phi"][1]) if v == "any" else v in event["phi"][1] for v in values]
    elif name == "":
        held = [keyword_holds(flags, v, event) for v in values]
    else:
        held = [value_holds(flags, v, event.get(name, (None, [])), event) for v in values]
    return (all(held) if "all" in mods else any(held)) != ("neq" in mods)


def body_holds(body, event):
    if isinstance(body, dict):
        return all(item_holds(k, v, event) for k, v in body.items())
    if isinstance(body, list):
        return any(body_holds(b, event) for b in body)
    return keyword_holds([], body, event)


# ---- conditions ----------------------------------------------------------------------------------------------


class Condition:
    def __init__(self, text, held):
        self.words = text.replace("(", " ( ").replace(")", " ) ").split()
        self.held = held
        self.result = self.either()
        assert not self.words

    def next_is(self, word):
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False

    def either(self):
        out = self.both()
        while self.next_is("or"):
            more = self.both()
            out = out or more
        return out

    def both(self):
        out = self.negated()
        while self.next_is("and"):
            more = self.negated()
            out = out and more
        return out

    def negated(self):
        if self.next_is("not"):
            return not self.negated()
        if self.next_is("("):
            out = self.either()
            assert self.next_is(")")
            return out
        word = self.words.pop(0)
        if self.next_is("of"):
            pattern = self.words.pop(0)
            pattern = "*" if pattern == "them" else pattern
            wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))))
            names = [n for n in self.held if wanted.fullmatch(n) and (n[0] != "_" or pattern[0] == "_")]
            return (all if word == "all" else any)(self.held[n] for n in names)
        return self.held[word]


def rule_holds(detection, event):
    held = {name: body_holds(body, event) for name, body in detection.items() if name != "condition"}
    conditions = detection["condition"]
    conditions = conditions if isinstance(conditions, list) else [conditions]
    return any(Condition(c, held).result for c in conditions)


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
