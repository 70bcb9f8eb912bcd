"""DICOM on the wire: PDUs (PS3.8 9.3), DIMSE commands (PS3.7 E), data sets (PS3.5 7)."""
import struct
import zlib

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
VERIFICATION = "1.2.840.10008.1.1"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
US_STORAGE = "1.2.840.10008.5.1.4.1.1.6.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
C_CANCEL = 0x0FFF
LONG_VR = {"OB", "OW", "OF", "SQ", "UT", "UN", "UC", "UR"}


def pdu(kind, body):
    return struct.pack("!BxI", kind, len(body)) + body


def item(kind, body):
    body = body.encode() if isinstance(body, str) else body
    return struct.pack("!BxH", kind, len(body)) + body


def user_information(max_pdu, uid, version, roles=(), identity=None, identity_answer=None):
    out = item(0x51, struct.pack("!I", max_pdu)) + item(0x52, uid)
    for sop, scu, scp in roles:
        out += item(0x54, struct.pack("!H", len(sop)) + sop.encode() + bytes([scu, scp]))
    out += item(0x55, version)
    if identity:
        kind, first, second = identity
        out += item(0x58, struct.pack("!BBH", kind, 1, len(first)) + first.encode() +
                    struct.pack("!H", len(second)) + second.encode())
    if identity_answer is not None:
        out += item(0x59, struct.pack("!H", len(identity_answer)) + identity_answer)
    return item(0x50, out)


def association_head(called, calling):
    return struct.pack("!HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16)) + \
        item(0x10, APPLICATION_CONTEXT)


def associate_rq(calling, called, contexts, max_pdu=16384, uid="1.2.276.0.7230010.3.0.3.6.7",
                 version="OFFIS_DCMTK_367", **more):
    """contexts: [(abstract syntax, [transfer syntaxes])]; they get the ids 1, 3, 5 ..."""
    body = association_head(called, calling)
    for n, (abstract, transfers) in enumerate(contexts):
        body += item(0x20, struct.pack("!Bxxx", 2 * n + 1) + item(0x30, abstract) +
                     b"".join(item(0x40, t) for t in transfers))
    return pdu(1, body + user_information(max_pdu, uid, version, **more))


def associate_ac(calling, called, answers, max_pdu=16384, uid="1.2.826.0.1.3680043.8.1055.1", version="ORTHANC_1101",
                 **more):
    """answers: [transfer syntax or a refusal's number], for the ids 1, 3, 5 ..."""
    body = association_head(called, calling)
    for n, answer in enumerate(answers):
        result, transfer = (answer, IMPLICIT) if isinstance(answer, int) else (0, answer)
        body += item(0x21, struct.pack("!BxBx", 2 * n + 1, result) + item(0x40, transfer))
    return pdu(2, body + user_information(max_pdu, uid, version, **more))


def associate_rj(result, source, reason):
    return pdu(3, bytes([0, result, source, reason]))


def release_rq():
    return pdu(5, bytes(4))


def release_rp():
    return pdu(6, bytes(4))


def abort(source, reason):
    return pdu(7, bytes([0, 0, source, reason]))


def element(tag, vr, value, syntax):
    """One element; value: text, number, bytes, or for SQ a list of items (each a list of elements)."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    if vr == "SQ":
        value = b"".join(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(i)) + i
                         for i in (dataset(x, syntax if syntax != DEFLATED else EXPLICIT) for x in value))
    elif isinstance(value, int):
        value = struct.pack(order + {"US": "H", "UL": "I"}[vr], value)
    elif isinstance(value, str):
        value = value.encode()
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", len(value)) + value
    if vr in LONG_VR:
        return head + vr.encode() + struct.pack(order + "HI", 0, len(value)) + value
    return head + vr.encode() + struct.pack(order + "H", len(value)) + value


def dataset(elements, syntax=IMPLICIT):
    """elements: [(tag, VR, value)] in the order of their tags."""
    plain = b"".join(element(*e, EXPLICIT if syntax == DEFLATED else syntax) for e in elements)
    if syntax != DEFLATED:
        return plain
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(plain) + packer.flush()


def command(field, sop=None, message=1, status=None, has_data=False, instance=None, priority=None, destination=None,
            requested=False, **more):
    """A DIMSE command set: field 0x0001 is C-STORE-RQ and so on (PS3.7 E.1)."""
    rows = []
    if sop:
        rows.append((0x00000003 if requested else 0x00000002, "UI", sop))
    rows.append((0x00000100, "US", field))
    rows.append((0x00000120 if field & 0x8000 or field == C_CANCEL else 0x00000110, "US", message))
    if destination:
        rows.append((0x00000600, "AE", destination))
    if priority is not None:
        rows.append((0x00000700, "US", priority))
    rows.append((0x00000800, "US", 1 if has_data else 0x0101))
    if status is not None:
        rows.append((0x00000900, "US", status))
    if instance:
        rows.append((0x00001001 if requested else 0x00001000, "UI", instance))
    for tag, value in more.items():  # remaining=3: numbers of sub-operations
        rows.append(({"remaining": 0x00001020, "completed": 0x00001021, "failures": 0x00001022,
                      "warnings": 0x00001023, "event_type": 0x00001002}[tag], "US", value))
    rows.sort()
    body = dataset(rows)
    return element(0x00000000, "UL", len(body), IMPLICIT) + body


def pdata(context, command_set=b"", data=b"", max_pdu=16384, together=False):
    """P-DATA-TF PDUs of one message: command and data set in PDVs of at most max_pdu bytes; together: one PDU."""
    pdvs = []
    for is_command, stream in ((1, command_set), (0, data)):
        room = max_pdu - 6
        parts = [stream[i:i + room] for i in range(0, len(stream), room)]
        for n, part in enumerate(parts):
            flags = is_command | (2 if n == len(parts) - 1 else 0)
            pdvs.append(struct.pack("!IBB", len(part) + 2, context, flags) + part)
    if together:
        return pdu(4, b"".join(pdvs))
    return b"".join(pdu(4, p) for p in pdvs)


def ct_image(patient, birth, number, uid, pixels=256, **device):
    """The data set of a CT image with the tags that say who made it."""
    made_by = {"manufacturer": "SIEMENS", "station": "CTSOMA01", "model": "SOMATOM Force", "serial": "75214",
               "software": "syngo CT VB20A", "modality": "CT", "sop": CT_STORAGE, **device}
    return [
        (0x00080016, "UI", made_by["sop"]), (0x00080018, "UI", uid), (0x00080020, "DA", "20260301"),
        (0x00080050, "SH", "ACC-7733"), (0x00080060, "CS", made_by["modality"]),
        (0x00080070, "LO", made_by["manufacturer"]), (0x00080080, "LO", "Northfield General"),
        (0x00080090, "PN", "Vermeer^Ilse^^Dr"), (0x00081010, "SH", made_by["station"]),
        (0x00081090, "LO", made_by["model"]), (0x00100010, "PN", patient), (0x00100020, "LO", number),
        (0x00100030, "DA", birth), (0x00100040, "CS", "F"), (0x00181000, "LO", made_by["serial"]),
        (0x00181020, "LO", made_by["software"]), (0x0020000D, "UI", uid + ".1"), (0x00280010, "US", 16),
        (0x00280011, "US", 16), (0x7FE00010, "OW", bytes(i * 7 & 0xFF for i in range(pixels))),
    ]
