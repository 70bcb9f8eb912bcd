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
# What the lab's message files say of the device that they are of.
HL7_SAYS = {
    "oru_lab": {"manufacturer": "SYSMEX", "model": "XN-1000", "firmware": "1.22", "serial": "A8812", "hl7.application": "XN-1000"},
    "oru_pcd01": {"eui64": "00B094FFFE414141", "hl7.application": "ALARIS_PCU", "serial": "14441778"},
    "oru_pcd04": {"eui64": "00B094FFFE414141"},
}
# Truth facts of protocols with the attributes that they would tell; asked for once the protocol is in registry.def.
FACTS_OF = {
    "wsd": {"manufacturer": "manufacturer", "model": "model", "serial": "serial", "firmware": "firmware"},
}
STORES = r"\bstorescu\b|odil store|gdcmscu --store"
STATUS = {"cutfile-hl7": 2}
# In these a host's frames are missing on purpose, so not every host of the source's truth is there.
PARTIAL = {"oneway-hl7", "snap60-telnet"}


def get(doc, *path):
    for key in path:
        doc = doc.get(key, {}) if isinstance(doc, dict) else {}
    return doc or None


def attribute(device, name):
    """All values that devices.jsonl has of an attribute, in lower case."""
    value = get(device, "wardwatch", "attributes", *name.split("."), "value")
    return [str(v).lower() for v in (value if isinstance(value, list) else [value] if value else [])]


def is_dissected(proto):
    return f"DISSECTOR({proto})" in (HERE.parent.parent / "dissectors/registry.def").read_text()


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
        for key in ("manufacturer", "station_name"):
            want = row and row[key.replace("_name", "")].lower()
            if row and lab.stores(row) and want not in attribute(device, key):
                yield f"{name}: {key} is {attribute(device, key)}, the wire says {want}"
        own_title = row and any(a["host"] == name and f"-aet {row['station']}" in a["cmd"] for a in lab.base["actions"])
        if own_title and lab.stores(row) and row["station"] not in (get(device, "wardwatch", "device", "ae_titles") or []):
            yield f"{name}: AE titles {get(device, 'wardwatch', 'device', 'ae_titles')}, the wire says {row['station']}"


def stores(lab, row):
    """The host itself sent objects with its name in them (dcmtk's storescu, as the truth file's commands say)."""
    sent = any(a["host"] == row["host"] and re.search(STORES, a["cmd"]) and (a["rc"] == 0 or "gdcmscu" in a["cmd"])
               for a in lab.base["actions"])  # gdcmscu dies at its end
    return sent and lab.is_on_wire(row["serial"])


Lab.stores = stores


def check_names(lab):
    """Host names and classes of DHCP clients, the mDNS host."""
    for client in lab.base["facts"].get("clients", []):
        if isinstance(client, dict) and client["host"] in lab.found and lab.name == lab.source:
            said = str(get(lab.found[client["host"]], "host", "name"))
            if client["hostname"].lower() not in said.lower():
                yield f"{client['host']}: host name {said}, not {client['hostname']}"
            for key in ("vendor_class", "user_class"):
                said = attribute(lab.found[client["host"]], f"dhcp.{key}")
                if client[key] and not any(client[key].lower() in v for v in said):
                    yield f"{client['host']}: DHCP {key} {said}, not {client[key]}"
    mdns = lab.base["facts"].get("mdns_host")
    if mdns and not any(mdns == get(d, "host", "name") for d in lab.found.values()):
        yield f"no device is called {mdns}, as mDNS says"


def card_of(eui):
    return ":".join(re.findall("..", (eui[:6] + eui[10:]).lower()))


def check_hl7(lab, devices):
    """What HL7 says of a device is told of the one device of that EUI-64 or of that maker, and of no other."""
    for file, says in HL7_SAYS.items():
        senders = {a["host"] for a in lab.base["actions"] if re.search(rf"hl7/{file}\.hl7", a["cmd"]) and a["rc"] == 0}
        if not senders or not all(lab.is_on_wire(v) for v in says.values()) or lab.name in PARTIAL:
            continue
        if "eui64" in says:
            owners = [n for n in lab.found if lab.base["hosts"][n]["mac"].lower() == card_of(says["eui64"])]
        else:
            owners = [n for n in senders if re.search(MAKERS[n], says["manufacturer"], re.I)]
        for name in owners:
            for key, want in says.items():
                if name in lab.found and want.lower() not in attribute(lab.found[name], key):
                    yield f"{name}: {key} is {attribute(lab.found[name], key)}, {file} says {want}"
        strong = "eui64" if "eui64" in says else "serial"
        bearers = [d for d in devices if says[strong].lower() in attribute(d, strong)]
        if owners and len(bearers) != 1:
            yield f"{strong} {says[strong]} is of {len(bearers)} devices"


def check_certificates(lab):
    """A host's certificate that goes by in clear is told of that host: common name in DER (X.520, UTF8 or printable)."""
    for name, device in lab.found.items():
        common = f"{lab.base['hosts'][name]['hostname']}.stclara.example".encode()
        is_sent = any(b"\x55\x04\x03" + bytes((tag, len(common))) + common in lab.bytes for tag in (0x0C, 0x13))
        subjects = attribute(device, "tls.subject")
        if is_sent and not any(f"cn={common.decode().lower()}" in v for v in subjects):
            yield f"{name}: certificates {subjects}, the wire says {common.decode()}"


def check_facts(lab):
    """Truth facts of one device's protocol, where that protocol is read; what is not in registry.def is exempt."""
    facts = lab.base["facts"]
    for proto, keys in FACTS_OF.items():
        for key, attr in keys.items():
            want = facts.get(key)
            if not is_dissected(proto) or not isinstance(want, str):
                continue
            said = [v for d in lab.found.values() for v in attribute(d, attr)]
            if want.lower() not in said:
                yield f"no device has the {attr} {want}"


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
        bad += check_hl7(lab, first.lines("devices.jsonl"))
        bad += check_certificates(lab)
        bad += check_facts(lab)
        bad += check_announced(lab)
        bad += check_types(lab)
        bad += check_findings(lab, first.lines("alerts.jsonl"))
    bad += planted.leaks(lab.words | planted.OURS, first.files | {"stdout": first.stdout, "stderr": first.stderr})
    print("\n".join(f"{lab.name}: {b}" for b in bad) or "as the truth file says")
    return bool(bad)


sys.exit(main(sys.argv[1], sys.argv[2]))
