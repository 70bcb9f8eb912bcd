"""What must never be in an output: the identities planted in captures, in every spelling that a leak could have
(design.md section 4, siem-conventions.md section 10)."""
import base64
import json
import re
from pathlib import Path

# Words that a device or a protocol may say for itself although a truth file names them as a secret or a person.
COMMON = {"service", "admin", "anonymous", "root", "public", "private", "internal", "patient", "wrong", "user", "none"}
# Keys of the lab's truth files whose values are people or secrets, wherever they stand.
PERSON_KEYS = {"patient", "patients", "patient_id", "label_patient", "operator_id", "birth", "name", "id"}
SECRET_KEYS = {"password", "bad_password", "new_password_sent", "secret", "bearer_token", "wrong_community", "ro", "rw"}
PAIR_KEYS = {"user_identity", "basic_credentials", "failed_login", "simple_binds_clear", "bad", "telnet", "account",
             "found", "v3"}
MAP_KEYS = {"good", "users"}


def people_and_secrets(value, key="", inside_person=False):
    """Every planted string of a truth file's facts."""
    if isinstance(value, dict):
        for k, v in value.items():
            person = inside_person or key in ("patients", "patient")
            if key in MAP_KEYS and isinstance(v, str):
                yield v  # account: password
            elif k in SECRET_KEYS and isinstance(v, str):
                yield v
            else:
                yield from people_and_secrets(v, k, person)
    elif isinstance(value, list):
        if key in PAIR_KEYS and value and all(isinstance(v, str) for v in value):
            yield from value[1:]
            return
        for v in value:
            yield from people_and_secrets(v, key, inside_person)
    elif isinstance(value, str) and (key in ("patients", "patient", "patient_id", "label_patient", "operator_id") or
                                     (inside_person and key in ("name", "id", "birth"))):
        yield value


def is_telling(word):
    """Long and odd enough that finding it is no accident (a count can be 1234, an authority STCLARA)."""
    if word.lower() in COMMON or re.fullmatch(r"[A-Z]{1,8}", word):
        return False
    return len(word) >= (6 if word.isdigit() else 5)


def words_of(planted):
    """The strings to look for: an HL7 line gives its names, numbers, dates and addresses."""
    for text in planted:
        if "|" in text:
            fields = [f for line in text.split("\r") for f in line.split("|")[1:]]
        else:
            fields = [text]
        for field in fields:
            parts = [p for p in re.split(r"[\^~]", field) if len(p) >= 3]
            yield from (p for p in parts if is_telling(p))
            names = [p for p in parts if p.isalpha()]
            if "^" in field and len(names) >= 2:
                yield from (" ".join(names[:2]), " ".join(names[1::-1]), f"{names[0]}, {names[1]}", f"{names[0]}^{names[1]}")


def spellings(word):
    """The bytes to look for, with the name of the spelling."""
    plain = word.encode()
    yield "plain", plain
    yield "upper case", word.upper().encode()
    yield "lower case", word.lower().encode()
    yield "reversed", plain[::-1]
    yield "hex", plain.hex().encode()
    yield "upper-case hex", plain.hex().upper().encode()
    yield "UTF-16", word.encode("utf-16-le")
    yield "UTF-16 big endian", word.encode("utf-16-be")
    for shift in range(3):  # Base64 of the word at each place in its group of three
        coded = base64.b64encode(b"\0" * shift + plain)
        inner = coded[(0, 2, 3)[shift]:(len(plain) + shift) // 3 * 4]
        if len(inner) >= 6:
            yield f"Base64 at {shift}", inner
    if re.fullmatch(r"(19|20)\d{6}", word):
        yield "date", f"{word[:4]}-{word[4:6]}-{word[6:]}".encode()
        yield "date, American", f"{word[4:6]}/{word[6:]}/{word[:4]}".encode()


def leaks(words, outputs):
    """One sentence for each planted word found in an output; outputs: {name: bytes}."""
    # How long a run took is no one's number, and differs each time.
    outputs = {name: re.sub(rb'"(seconds|peak_kib)": ?[0-9.e+-]+', b"", data) if name == "summary.json" else data
               for name, data in outputs.items()}
    for word in sorted(set(words)):
        for spelled, needle in spellings(word):
            for name, data in outputs.items():
                at = data.find(needle)
                if at >= 0:
                    around = data[max(0, at - 60):at + len(needle) + 30]
                    yield f"{word!r} ({spelled}) stands in {name}: ...{around!r}..."


def of_truth(path):
    facts = json.loads(Path(path).read_text()).get("facts", {})
    return set(words_of(people_and_secrets(facts)))


# The people and secrets of our own captures (pcaps/*.script).
OURS = set(words_of([
    "Haverkamp^Dorothea^L", "Haverkamp^Emil", "Quillon^Tobias", "Abernathy^Rosalind", "Vermeer^Ilse", "NF-204417", "NF-209953",
    "NF-211308", "19480923", "19870615", "20140228", "8 Quarry Lane", "Ashford", "555-0177", "555-0178", "ACC-90017", "ACC-7733",
    "POL-88231", "Pump#6610", "Upl0ad-77", "Echo!7731", "Read!7731", "toor-4471", "letmein99", "wrong-5519",
    "guest@northfield.example", "us_modality", "scanftp", "haverkamp_thorax"]))
