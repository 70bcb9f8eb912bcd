#!/usr/bin/env python3
"""usage: lab.py PROGRAM NAME
One lab capture (../shared/captures/lab/NAME) against its truth file: who spoke is one device each with the maker,
model, serial, version, AE titles and host name that the wire carries, and never with another's; two runs give equal bytes;
nothing private is in any output; the findings that this capture must and must not raise."""
import ipaddress
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "privacy")]
import planted  # noqa: E402
import ward  # noqa: E402

# Which makers may be said of which of the lab's hosts: its own, or what its network card's vendor says.
MAKERS = {
    "gw": "Arista|Cisco|Juniper|HP|Hewlett", "pacs": "Super ?Micro", "his": "VMware", "lis": "VMware", "dc": "HP|Hewlett|Agilent", "files": ".*",
    "ct1": "Siemens", "us1": "Philips", "mon1": "Philips", "pump1": "CareFusion|BD|Becton|Alaris|Cardinal",
    "pump2": "Sigma|Baxter", "lab1": "Sysmex|TOA", "prn1": "Lexmark", "bms1": "Johnson", "ws1": "Dell", "ws2": "Dell",
}
# The types that may be said of them.
TYPES = {
    "gw": "firewall|network_switch", "pacs": "pacs|vna", "his": "ehr_server|interface_engine|worklist_server", "lis": "lis", "dc": "server_generic",
    "files": "server_generic", "ct1": "imaging_ct", "us1": "imaging_us", "mon1": "patient_monitor", "pump1": "infusion_pump", "pump2": "infusion_pump",
    "lab1": "lab_analyzer", "prn1": "printer", "bms1": "building_controller|hvac", "ws1": "workstation_imaging", "ws2": "workstation_.*",
}
# Words of a rule's name, id or category that some alert must have (+) or none may have (-), by capture.
HL7_CLEAR, DICOM_CLEAR = "+phi.*hl7|hl7.*phi|hl7.*clear", "+phi.*dicom|dicom.*phi|dicom.*clear"
FINDINGS = {
    "hl7-mllp": [HL7_CLEAR, "-dicom", "-telnet"], "dicom-dcmtk": [DICOM_CLEAR, "+dicom.*(identity|auth|user)", "-telnet"],
    "dicom-other-stacks": [DICOM_CLEAR], "dicom-worklist-mpps": [DICOM_CLEAR], "ward-mix": [HL7_CLEAR, DICOM_CLEAR, "+telnet"],
    "telnet": ["+telnet", "-ftp", "-hl7|dicom"], "ftp": ["+ftp", "-telnet"], "tls": ["+obsolete_tls", "+certificate_weak", "+certificate_self", "-expired"],  # the expired one went by in TLS 1.3
   
    "hl7-mllp-tls": ["-clear", "-telnet|ftp|dicom"], "dicom-tls": ["-clear"], "dhcp": ["-."], "bacnet": ["-."], "ntp-syslog-dns": ["-."],
    "modbus": ["-."], "vlan-hl7-mllp": [HL7_CLEAR], "erspan2-hl7": [HL7_CLEAR], "qinq-dicom-worklist-mpps": [DICOM_CLEAR],
    "erspan3-telnet": ["+telnet"], "gre-teb-hl7": [HL7_CLEAR], "lossy-hl7": [HL7_CLEAR], "oneway-hl7": [HL7_CLEAR], "fragments-mtu": [DICOM_CLEAR],
    "vxlan-kernel": [HL7_CLEAR],
}
STATUS = {"cutfile-hl7": 2}
# In these a host's frames are missing on purpose, so not every host of the source's truth is there.
PARTIAL = {"oneway-hl7", "snap60-telnet"}


def get(doc, *path):
    for key in path:
        doc = doc.get(key, {}) if isinstance(doc, dict) else {}
    return doc or None


class Lab:
    def __init__(self, folder, file):
        self.file, self.name = folder / file, Path(file).stem
        self.truth = json.loads((folder / f"{self.name}.truth.json").read_text())
        source = self.truth.get("derived_from")
        self.source = Path(source).stem if source else self.name
        self.base = json.loads((folder / f"{self.source}.truth.json").read_text())
        self.bytes = self.file.read_bytes()
        self.words = planted.of_truth(folder / f"{self.source}.truth.json")

    def is_on_wire(self, text):
        return text.encode() in self.bytes

    def seen(self):
        for name, host in self.base["hosts"].items():
            mac = bytes.fromhex(host["mac"].replace(":", ""))
            if host["seen"] and mac in self.bytes:
                yield name, host


def addresses(device):
    return {str(ipaddress.ip_address(a)) for a in get(device, "host", "ip") or []}


def macs(device):
    return {m.replace("-", ":").lower() for m in get(device, "host", "mac") or []}


def check_hosts(lab, devices):
    """Each host that spoke is one device with its MAC and address; no MAC or unicast address has two devices."""
    found = {}
    for name, host in lab.seen():
        mine = [d for d in devices if host["mac"].lower() in macs(d) or host["ip"] in addresses(d)]
        found[name] = mine[0] if mine else None
        if len(mine) != 1 and lab.name not in PARTIAL:
            yield f"{name} ({host['mac']}, {host['ip']}) is {len(mine)} devices: " + "; ".join(
                f"{sorted(macs(d))} {sorted(addresses(d))}" for d in mine)
        elif mine and len(macs(mine[0])) > 2:
            yield f"{name} has the MAC addresses {sorted(macs(mine[0]))}"
        elif mine:
            others = [h["ip"] for n, h in lab.base["hosts"].items() if n != name and h["ip"] in addresses(mine[0])]
            if others and not get(mine[0], "wardwatch", "device", "router"):
                yield f"{name} also has the addresses of others: {others}"
    lab.found = {n: d for n, d in found.items() if d}


def check_identity(lab):
    """No wrong maker; the model, serial and version of the truth or none; those that the wire carries are there."""
    rows = {d["host"]: d for d in lab.base["facts"].get("devices", []) if isinstance(d, dict) and "station" in d}
    for name, device in lab.found.items():
        maker = get(device, "device", "manufacturer")
        if maker and not re.search(MAKERS.get(name, ".*"), maker, re.I):
            yield f"{name} is said to be made by {maker}"
        row = rows.get(name)
        for key, path in (("model", ("device", "model", "name")), ("serial", ("device", "serial_number"))):
            said = get(device, *path)
            other = [r[key] for n, r in rows.items() if n != name]
            if said in other:
                yield f"{name} is said to have the {key} {said} of another host"
            if row and said and said != row[key]:
                yield f"{name}: {key} is {said}, not {row[key]}"
            if row and not said and lab.stores(row):
                yield f"{name}: no {key}, and the wire says {row[key]}"
        version = get(device, "wardwatch", "device", "firmware", "version")
        if row and lab.stores(row) and row["software"] not in str(version):
            yield f"{name}: version {version}, and the wire says {row['software']}"
        if row and lab.stores(row) and row["station"] not in (get(device, "wardwatch", "device", "ae_titles") or []):
            yield f"{name}: AE titles {get(device, 'wardwatch', 'device', 'ae_titles')}, the wire says {row['station']}"


def stores(lab, row):
    """The host itself sent objects with its name in them (dcmtk's storescu, as the truth file's commands say)."""
    sent = any(a["host"] == row["host"] and "storescu" in a["cmd"] and a["rc"] == 0 for a in lab.base["actions"])
    return sent and lab.is_on_wire(row["serial"]) and lab.name == lab.source


Lab.stores = stores


def check_names(lab):
    """Host names of DHCP clients; the analyser's and the pumps' own words in HL7."""
    for client in lab.base["facts"].get("clients", []):
        if isinstance(client, dict) and client["host"] in lab.found and lab.name == lab.source:
            said = str(get(lab.found[client["host"]], "host", "name"))
            if client["hostname"].lower() not in said.lower():
                yield f"{client['host']}: host name {said}, not {client['hostname']}"


def check_announced(lab):
    """What says its name and address by LLDP alone is known by them."""
    for name, device in lab.found.items():
        host = lab.base["hosts"][name]
        said = get(device, "host", "name")
        if host["ip"] in lab.base["facts"].get("lldp_hosts", []) and (said != host["hostname"] or host["ip"] not in addresses(device)):
            yield f"{name}: host name {said}, addresses {sorted(addresses(device))}, not {host['hostname']} and {host['ip']}"


def check_types(lab):
    """No wrong type: the host's own or unknown."""
    for name, device in lab.found.items():
        said = get(device, "wardwatch", "device", "type")
        if not re.fullmatch(TYPES.get(name, ".*") + "|unknown", str(said)):
            yield f"{name} is said to be of type {said}"


def check_findings(lab, alerts):
    texts = [" ".join(str(get(a, *p) or "") for p in (("rule", "id"), ("rule", "name"), ("rule", "category"), ("event", "action")))
             .lower() for a in alerts]
    for want in FINDINGS.get(lab.name, []):
        hits = [t for t in texts if re.search(want[1:], t)]
        if want[0] == "+" and not hits:
            yield f"no finding like /{want[1:]}/ among {sorted(set(texts))}"
        if want[0] == "-" and hits:
            yield f"false alarm: {hits[0]}"


def main(program, file):
    lab = Lab(ward.lab_or_skip(), file)
    first, second = ward.Run(program, lab.file), ward.Run(program, lab.file)
    bad = []
    if first.status != STATUS.get(lab.name, 0):
        bad.append(f"exit status {first.status}: {first.stderr.decode(errors='replace')[-3000:]}")
    for name in ("alerts.jsonl", "devices.jsonl", "events.jsonl"):
        if first.files.get(name) is None or first.files[name] != second.files.get(name):
            bad.append(f"{name} is missing or differs between two runs")
    if not bad:
        bad += check_hosts(lab, first.lines("devices.jsonl"))
        bad += check_identity(lab)
        bad += check_names(lab)
        bad += check_announced(lab)
        bad += check_types(lab)
        bad += check_findings(lab, first.lines("alerts.jsonl"))
    bad += planted.leaks(lab.words | planted.OURS, first.files | {"stdout": first.stdout, "stderr": first.stderr})
    print("\n".join(f"{lab.name}: {b}" for b in bad) or "as the truth file says")
    return bool(bad)


sys.exit(main(sys.argv[1], sys.argv[2]))
