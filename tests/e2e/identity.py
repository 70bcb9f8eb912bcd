#!/usr/bin/env python3
"""usage: identity.py PROGRAM
Whose is it? Captures made here in which data name another device than their sender: one serial number sent from two
cards, secondary captures, a workstation, an engine, an address that goes from one device to the next."""
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent.parent / "tools/lib")]
import ward  # noqa: E402
from capture import dicom, net, small  # noqa: E402

SIEMENS_CT = ("1.3.12.2.1107.5.1.4", "SIEMENS_SWFVB20A")
SIEMENS_STATION = ("1.3.12.2.1107.5.8.1", "SIEMENS_WS")
SIEMENS_VIA = ("1.3.12.2.1107.5.8.15.1", "SIEMENS_SYNGOVIA")
CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"
PACS = net.Host("00:25:90:10:00:10", "10.9.20.10")
VM = net.Host("00:05:69:10:00:77", "10.9.20.77")
DELL = net.Host("00:06:5b:10:01:02", "10.9.20.80")
CT = net.Host("00:01:e3:10:00:21", "10.9.20.21"), net.Host("00:01:e3:10:00:22", "10.9.20.22")
HIS = net.Host("00:05:69:10:00:11", "10.9.20.11", ip6="fe80::205:69ff:fe10:11")
LIS = net.Host("00:05:69:10:00:12", "10.9.20.12")
ANALYSER = net.Host("00:25:90:20:00:51", "10.9.40.51")
PATIENT = "PID|1||NF-209953^^^NF^MR||Quillonius^Tobiasz||19870615|M"


def store(c, host, title, software, sop=dicom.CT_STORAGE, extra=(), **device):
    syntax = dicom.IMPLICIT
    image = sorted(dicom.ct_image("Quillonius^Tobiasz", "19870615", "NF-209953", "1.2.3.4", sop=sop, **device) + list(extra))
    t = c.tcp(host, PACS, 104)
    t.send(dicom.associate_rq(title, "PACS", [(sop, [syntax])], uid=software[0], version=software[1]))
    t.reply(dicom.associate_ac(title, "PACS", [syntax]))
    t.send(dicom.pdata(1, dicom.command(1, sop, 1, has_data=True, instance="1.2.3.1", priority=0),
                       dicom.dataset(image, syntax)))
    t.reply(dicom.pdata(1, dicom.command(0x8001, sop, 1, status=0, instance="1.2.3.1")))
    t.send(dicom.release_rq())
    t.reply(dicom.release_rp())
    t.fin()


def message(c, host, to, application, *segments, kind="ADT^A01", facility="NF"):
    t = c.tcp(host, to, 2575)
    t.send(small.mllp("\n".join([f"MSH|^~\\&|{application}|{facility}|LIS|NF|1||{kind}|1|P|2.5.1", *segments])))
    t.fin()


class Seen:
    def __init__(self, program, fill):
        capture = net.Capture()
        fill(capture)
        with tempfile.TemporaryDirectory(prefix="ward-") as folder:
            path = Path(folder) / "made.pcap"
            capture.write(path)
            self.run = ward.Run(program, path)
        self.run.must_be_good(fill.__name__)
        self.page = self.run.stdout.decode()
        self.alerts = self.run.lines("alerts.jsonl")

    def at(self, address):
        return [d for d in self.run.lines("devices.jsonl") if address in d.get("host", {}).get("ip", [])]

    def what(self, address):
        """maker, model, serial, type of the one device there."""
        (d,) = self.at(address)
        own = d["device"]
        return own.get("manufacturer"), own.get("model", {}).get("name"), own.get("serial_number"), d["wardwatch"]["device"]["type"]

    def conflicts(self):
        return [e for e in self.run.lines("events.jsonl") if e.get("asset.change") == "conflicting"]


def one_serial_on_two_cards(c):
    for host in CT:
        store(c, host, "CT1", SIEMENS_CT)


def placeholder_serials(c):
    for i, host in enumerate(CT):
        store(c, host, f"CT{i}", SIEMENS_CT, serial="000000")


def secondary_capture(c):
    store(c, DELL, "WSAPP", SIEMENS_STATION, sop=CAPTURE_STORAGE)
    store(c, VM, "WSAPP2", SIEMENS_CT, extra=[(0x00080064, "CS", "WSD")])


def workstation(c):
    store(c, DELL, "VIA1", SIEMENS_VIA)


def virtual_machine(c):
    store(c, VM, "STORE1", SIEMENS_CT)


def engine(c):
    message(c, HIS, LIS, "EPIC", PATIENT)
    message(c, HIS, LIS, "RIS", PATIENT, kind="ORM^O01")


def one_system(c):
    message(c, HIS, LIS, "RIS", PATIENT, kind="ORM^O01")
    message(c, HIS, LIS, "RIS_ORD", PATIENT, kind="ORM^O01")


def software(c):
    message(c, HIS, LIS, "ACME ADT", "SFT|ACME Health|7.2.1|ACME ADT|BIN-20240101", PATIENT)


def analyser(c):
    message(c, ANALYSER, LIS, "cobas pro^1234^L", PATIENT, "OBR|1|1|1|GLU", "OBX|1|NM|GLU||5|||||F||||||||cobas pro^Roche~1234^Roche",
            kind="OUL^R22", facility="LAB")


def instrument_of_a_site(c):
    message(c, ANALYSER, LIS, "CHEM1", PATIENT, "OBR|1|1|1|GLU", "OBX|1|NM|GLU||5|||||F||||||||CHEM1^LABOR~7^LABOR",
            kind="OUL^R22", facility="LABOR")


def gateway_child(c):
    message(c, ANALYSER, LIS, "GATE^00A037009A2B3C4D^EUI-64", PATIENT, "OBR|1|||CONTINUOUS WAVEFORM",
            "OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.7.4.147842|60|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F|||||||"
            "BENEVISION N17^^00A037FFFE112233^EUI-64", kind="ORU^R01")


def names(c):
    c.icmp6(HIS, net.Host("33:33:00:00:00:02", "0.0.0.0", ip6="ff02::2"), 133, bytes(4))
    message(c, HIS, LIS, "A", PATIENT)


def address_moves(c):
    for i, (mac, name) in enumerate((("00:b0:94:20:00:51", "ALARIS-PCU-51"), ("00:09:fb:20:00:52", "MX750-BED04"))):
        host = net.Host(mac, "10.9.31.50")
        c.udp(HIS, host, 67, small.dhcp("ack", mac, i, yours="10.9.31.50", lease=600, server="10.9.20.11"), sport=68)
        c.udp(host, HIS, 67, small.dhcp("request", mac, i, requested="10.9.31.50", host_name=name), sport=68)
        for _ in range(2 - i):
            message(c, host, HIS, f"X{i}", PATIENT)
        c.wait(900)


FORCE = ("SIEMENS", "SOMATOM Force", "75214", "imaging_ct")


def main(program):
    bad = []

    def want(what, found, expected):
        if found != expected:
            bad.append(f"{what}: {found} instead of {expected}")

    def at(fill, address, *expected):
        seen = Seen(program, fill)
        want(f"{fill.__name__} {address}", seen.what(address), expected)
        return seen

    seen = at(one_serial_on_two_cards, CT[0].ip, *FORCE)
    want("second card", seen.what(CT[1].ip), FORCE)
    want("conflicts", [e["asset.attribute"] for e in seen.conflicts()], ["serial"])
    seen = at(placeholder_serials, CT[0].ip, *FORCE[:2], None, FORCE[3])
    want("conflicts of placeholders", seen.conflicts(), [])
    seen = at(secondary_capture, DELL.ip, "Siemens", None, None, "unknown")
    want("converted image", seen.what(VM.ip)[1:3], (None, None))
    at(workstation, DELL.ip, "Siemens", None, None, "workstation_imaging")
    want("virtual machine", Seen(program, virtual_machine).what(VM.ip)[1:3], (None, None))
    at(engine, HIS.ip, None, None, None, "unknown")
    at(one_system, HIS.ip, None, None, None, "ris")
    seen = at(software, HIS.ip, "ACME Health", "ACME ADT", None, "unknown")
    want("version on the page", "  7.2.1  " in seen.page, True)
    at(analyser, ANALYSER.ip, "Roche", "cobas pro", "1234", "lab_analyzer")
    want("a site's instrument", Seen(program, instrument_of_a_site).what(ANALYSER.ip)[0], None)
    want("gateway's child", "HL7, name BENEVISION N17" in Seen(program, gateway_child).page, True)
    seen = Seen(program, names)
    want("name of a side", "10.9.20.11 to 10.9.20.12" in seen.page and "fe80" not in seen.page, True)
    want("related.hosts", [a["related"].get("hosts") for a in seen.alerts], [None] * len(seen.alerts))
    seen = Seen(program, address_moves)
    want("whose alerts", [(a["wardwatch"]["source"]["device"]["name"], a["wardwatch"]["count"]) for a in seen.alerts],
         [("ALARIS-PCU-51", 1), ("MX750-BED04", 1), ("ALARIS-PCU-51", 2)])
    print("\n".join(bad) or "everyone is who they are")
    return bool(bad)


sys.exit(main(sys.argv[1]))
