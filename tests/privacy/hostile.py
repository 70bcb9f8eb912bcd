"""A capture in which people and secrets stand where they do not belong, mostly before the message that says who they
are: what must not be in any output, however it is written."""
import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools/lib"))
from capture import dicom, net, small  # noqa: E402

NAME, FIRST, NUMBER, BORN = "Quastenberg", "Leopoldine", "PX-773301", "19701231"
PASSWORD, USER, TYPED, ACCOUNT = "Zw1ebel!rostbraten", "kquastl", "Bl0cksberg?", "K0stenstelle&7"
# Without the umlauts, the cedilla and the bar they are found as well.
PEOPLE = [NAME, FIRST, NUMBER, "773301", BORN, PASSWORD, USER, TYPED, ACCOUNT, "31.12.1970", "1970-12-31", "Völkering", "Voelkering",
          "Volkering", "vlkering", "Hjördis", "Wałęsiak", "Walesiak", "山田", "Yamadabe", "Grünspan", "grünspan", "Oberlechner",
          "Mitterbacher", "555-0199", "5550199", "lquast", "Zweitname"]

# Where else in HL7 a person stands: segment, field (with the type before an OBX's) and what of it is whose.
PLACES = [("ABS-8", "1^{}^A", "Abstractus"), ("ACC-7", "1^{}^A", "Accidenta"), ("AIP-3", "4^{}^A", "Aipersonn"),
          ("ARQ-19", "1^{}^A", "Arquebus"), ("BTX-15", "1^{}^A", "Transfusia"), ("CON-24", "{}^A", "Consentina"),
          ("CSR-4", "{}^^^X", "CSR-77318"), ("CTD-2", "{}^A", "Kontaktus"), ("DB1-3", "{}", "DIS-99812"),
          ("FT1-20", "1^{}^A", "Performar"), ("FT1-24", "1^{}^A", "Entrantus"), ("GT1-16", "{}^A", "Employera"),
          ("GT1-45", "{}^A", "Gtkontakt"), ("IAM-14", "{}^A", "Reporteria"), ("IN1-6", "{}^A", "Versichera"),
          ("IN2-7", "{}^A", "Medicaidus"), ("IN3-3", "1^{}^A", "Certifikat"), ("NTE-5", "1^{}^A", "Notarius"),
          ("OBR-10", "5^{}^Co", "Zwingmann"), ("OBR-32", "&{}&Int^202401", "Oxenius"), ("OBR-33", "9&{}&As", "Asbjorn"),
          ("OBR-34", "9^{}^Te", "Technau"), ("OBR-35", "9&{}&Tr", "Transkript"), ("OBX-5 CX", "{}^^^X^MR", "ZK-48-2213"),
          ("OBX-5 PN", "{}^Val", "Pennamen"), ("OBX-5 XCN", "55^{}^Val", "Querfurth"), ("OBX-5 XPN", "{}^Val", "Fruehwirt"),
          ("OBX-5 XTN", "{}", "555-0166"), ("PDA-5", "1^{}^A", "Todesarzt"), ("PR1-8", "1^{}^A", "Narkosius"),
          ("PR1-11", "1^{}^A", "Chirurga"), ("PRD-2", "{}^A", "Providius"), ("PV2-13", "1^{}^A", "Referenz"),
          ("RXA-10", "1^{}^A", "Administra"), ("RXE-14", "1^{}^A", "Apothekar"), ("RXO-15", "1^{}^A", "Verifikant"),
          ("SCH-12", "4^{}^A", "Placerman"), ("SCH-20", "4^{}^A", "Entererin"), ("SPM-2", "SPEC-{}&LAB", "77310"),
          ("STF-15", "{}", "stafferin@x.example"), ("TXA-23", "1^{}^A", "Kopierius"), ("VAR-4", "1^{}^A", "Variantus"),
          ("ZPI-1", "{}^Zed", "Zsegmenter"), ("ZPI-2", "7^{}^Zed", "Zweitseg"), ("ZPI-3", "{}^^^H^PI", "ZP-66133")]
# The same in DICOM: elements of VR PN.
TAGS = [(0x0008009C, "Konsiliar"), (0x00401010, "Empfangius"), (0x00402008, "Ordererin"), (0x0040A075, "Verifizier"),
        (0x00700084, "Kreatoria"), (0x300E0008, "Pruefling"), (0x4008010C, "Befunderin"), (0x40080119, "Verteilar"),
        (0x00091010, "Privatnam")]
PEOPLE += [who for _, who in TAGS]
PEOPLE += [who.partition("@")[0] for _, _, who in PLACES]


def ct_image(patient, *more, charset=None, **own):
    """A data set of a patient; own: values of other tags by name."""
    tags = {"station": (0x00081010, "SH"), "maker": (0x00080070, "LO"), "model": (0x00081090, "LO"),
            "serial": (0x00181000, "LO"), "software": (0x00181020, "LO"), "modality": (0x00080060, "CS"),
            "ae": (0x00080055, "AE"), "department": (0x00081040, "LO"), "others": (0x00101001, "PN"),
            "private": (0x00091001, "LO"), "uid": (0x00181002, "UI")}
    rows = [(0x00080005, "CS", charset)] if charset else []
    rows += [(0x00080016, "UI", dicom.CT_STORAGE), (0x00080018, "UI", "1.2.3.4"), (0x00100010, "PN", patient), *more]
    rows += [(*tags[k], v) for k, v in own.items()]
    return dicom.dataset(sorted(rows), dicom.EXPLICIT)


def store(capture, client, server, sets, calling="CT1", called="PACS", mss=1460, lose=0, version="SITE_1"):
    c = capture.tcp(client, server, 104, mss=mss)
    c.send(dicom.associate_rq(calling, called, [(dicom.CT_STORAGE, [dicom.EXPLICIT])], version=version))
    c.reply(dicom.associate_ac(calling, called, [dicom.EXPLICIT]))
    for n, one in enumerate(sets):
        capture.lose_next = lose if n else 0
        c.send(dicom.pdata(1, dicom.command(0x0001, dicom.CT_STORAGE, n + 1, has_data=True, instance="1.2.3.4", priority=0),
                           one))
        c.reply(dicom.pdata(1, dicom.command(0x8001, dicom.CT_STORAGE, n + 1, status=0, instance="1.2.3.4")))
    c.send(dicom.release_rq())
    c.reply(dicom.release_rp())
    c.fin()


def hl7(capture, client, server, header, *segments, mss=1460, coding="utf-8"):
    c = capture.tcp(client, server, 2575, mss=mss)
    text = "\r".join([header, *segments]) + "\r"
    c.send(b"\x0b" + text.encode(coding) + b"\x1c\r")
    c.fin()


def lines(capture, client, server, port, talk, mss=1460):
    """talk: client's lines as str, the server's as bytes."""
    c = capture.tcp(client, server, port, mss=mss)
    for line in talk:
        (c.reply if isinstance(line, bytes) else c.send)(line if isinstance(line, bytes) else line.encode())
    c.fin()


def early(capture, a, b):
    """Names and numbers before anyone says whose they are."""
    whole = f"{NAME} {FIRST}"
    b64 = base64.b64encode(f"{NAME}^{FIRST}".encode()).decode().rstrip("=")
    wide = base64.b64encode(NAME.encode("utf-16-le")).decode()
    for n, name in enumerate([f"{FIRST}-{NAME}.lan".lower(), "xn--vlkering-n4a.lan", f"{b64}.lan", f"{wide}.lan",
                              NAME.encode().hex() + ".lan", f"{NAME}s-ipad.lan", "1970-12-31.lan", "voelkering-pc.lan",
                              "walesiak.lan", f"{NUMBER}.lan", "yamadabe.lan", "oberlechner-mitterbacher.lan",
                              "call-555-0199.lan", "gruenspan.lan", "zweitname.lan"]):
        port = capture.udp(a, b, 53, small.dns_query(n, name))
        capture.udp(b, a, port, small.dns_answer(n, name, "CNAME", [name]), sport=53)
    for n, (host, more) in enumerate([
            (f"{NAME}s-iphone", {}), ("Völkering".encode("latin-1"), {}), ("Völkering".encode(), {}),
            ("pc", {"vendor_class": f"{FIRST} {NUMBER}"}), ("pc", {"user_class": NAME.encode("utf-16-le")}),
            ("山田".encode("shift-jis"), {}), ("山田".encode(), {}), ("Wałęsiak".encode(), {}), ("Quasten%62erg", {})]):
        capture.udp(a, b, 67, small.dhcp("request", a.mac, n, host_name=host, **more), sport=68)
    c = capture.tcp(a, b, 443)
    c.send(small.tls_record(22, small.client_hello(f"{NAME}.{FIRST}.example".lower(), alpn=[NAME])))
    c.fin()
    lines(capture, a, b, 21, [f"220 {PASSWORD} {ACCOUNT} {NAME} FTP server\r\n".encode(), f"USER {USER}\r\n", b"331 go on\r\n",
                              f"PASS {PASSWORD}\r\n", f"332 user {USER} pass {PASSWORD} ok\r\n".encode(), f"ACCT {ACCOUNT}\r\n",
                              f"230 of {ACCOUNT}\r\n".encode(), "SYST\r\n",
                              f"215 UNIX of {USER}, {PASSWORD}\r\n".encode(), f"STOR {NAME}_{FIRST}_{BORN}.pdf\r\n",
                              f"550 {NAME}\r\n".encode()], mss=11)
    lines(capture, a, b, 23, [f"Unit of {TYPED} {NAME}\r\nlogin: ".encode(), f"{USER}\r\n", f"{USER}\r\nPassword: ".encode(),
                              f"{TYPED}\r\n", f"\r\n{TYPED} accepted, welcome\r\n$ ".encode()])
    store(capture, a, b, [
        ct_image("Other^Person", maker=whole, model=f"CT {NUMBER}", serial="SN773301", software="31.12.1970\\" + BORN,
                 station=NAME, modality="LEOPOLDINE", ae=NAME, department=f"Ward {FIRST}"),
        ct_image("Other^Person", maker=f"{FIRST}{NAME}", model=b64, serial=BORN, uid="1.2.773301.4")],
        calling=NAME.upper(), called=FIRST[:16], version=f"{NUMBER} V1")
    hl7(capture, a, b, rf"MSH|^~\&|{NAME}|{FIRST}|{NUMBER}|{BORN}|1||ADT^A01^QUASTEN|{NAME}{NUMBER}|P|19701231|||||"
        f"|ASCII {FIRST}", f"SFT|{whole}|{NUMBER}|{FIRST} {NAME}", f"ZQA|{NAME}|{FIRST}", "PID|1||1||Other^Person")


def places(capture, a, b):
    """Each of PLACES and TAGS in a host name, and then in its field."""
    for n, who in enumerate([*(w for _, _, w in PLACES), *(w for _, w in TAGS)]):
        capture.udp(a, b, 53, small.dns_query(100 + n, who.partition("@")[0].lower() + "-pc.lan"))
    store(capture, a, b, [ct_image("Other^Person", (tag, "PN", f"{who}^A")) for tag, who in TAGS])
    for where, form, who in PLACES:
        place, _, kind = where.partition(" ")
        segment, at = place.split("-")
        fields = [""] * int(at)
        fields[int(at) - 1] = form.format(who)
        if kind:
            fields[1] = kind
        hl7(capture, a, b, r"MSH|^~\&|HIS|X|LAB|X|1||ADT^A01|9|P|2.5", "PID|1||1||Other^Person",
            segment + "|" + "|".join(fields))


def late(capture, a, b):
    """Who they are."""
    hl7(capture, a, b, r"MSH|^~\&|HIS|X|LAB|X|1||ADT^A01|1|P|2.5||||||UNICODE UTF-8",
        f"PID|1||{NUMBER}^^^X^MR||{NAME}^{FIRST}^Zweitname||{BORN}|F|||8 Quarry Lane||^PRN^PH^^^^5550199", mss=5)
    hl7(capture, a, b, r"MSH|^~\&|HIS|X|LAB|X|1||ADT^A01|2|P|2.5||||||8859/1", "PID|1||2||Völkering^Hjördis", coding="latin-1")
    hl7(capture, a, b, r"MSH|^~\&|HIS|X|LAB|X|1||ADT^A01|3|P|2.5||||||8859/2", "PID|1||3||Wałęsiak^Łucja", coding="iso8859-2")
    hl7(capture, a, b, r"MSH|^~\&|HIS|X|LAB|X|1||ADT^A01|4|P|2.5", "PID|1||4||Gr\\XFC\\nspan^Otto")
    kanji = b"\x1b$B" + "山田".encode("iso2022-jp")[3:-3] + b"\x1b(B"
    store(capture, a, b, [
        ct_image(b"Yamadabe^Tarou=" + kanji + b"^" + kanji + b"=" + kanji, charset="\\ISO 2022 IR 87"),
        ct_image("First^One", others="Oberlechner^Ida\\Mitterbacher^Jo"),
        ct_image("First^One", private=f"{NAME}^{FIRST}")], mss=3)
    # A part of the second set is lost, in the middle of whom it is about.
    store(capture, a, b, [ct_image("First^One"), ct_image(f"{NAME}^{FIRST}", maker=f"{NAME} {FIRST}", station=NAME)],
          mss=60, lose=3)


def write(path):
    capture = net.Capture()
    a, b = net.Host("00:01:e3:10:00:21", "10.50.30.21"), net.Host("00:25:90:10:00:10", "10.50.20.10")
    early(capture, a, b)
    places(capture, a, b)
    late(capture, a, b)
    capture.write(path)
