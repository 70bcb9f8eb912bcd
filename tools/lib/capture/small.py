"""Payloads of the smaller protocols: MLLP, LLDP, CDP, DNS, DHCP, ICMPv6, TLS, Telnet."""
import ipaddress
import struct
from pathlib import Path

from .net import checksum, mac_bytes

TOP = Path(__file__).resolve().parent.parent.parent.parent


def mllp(text):
    """An HL7 message written with one segment per line, in its MLLP frame (VT ... FS CR)."""
    lines = [line.strip() for line in text.strip().split("\n")]
    return b"\x0b" + "".join(line + "\r" for line in lines).encode() + b"\x1c\r"


# ---- LLDP (IEEE 802.1AB-2016) ----

LLDP_MULTICAST, LLDP_ETHERTYPE = "01:80:c2:00:00:0e", 0x88CC
LLDP_MED = {"hardware": 5, "firmware": 6, "software": 7, "serial": 8, "maker": 9, "model": 10, "asset": 11}


def lldp_tlv(kind, value):
    return struct.pack("!H", kind << 9 | len(value)) + value


def lldp(chassis, port, ttl=120, name="", description="", capabilities=(0, 0), managed=(), vlan=0, med=None, klass=0):
    """chassis: a MAC; port: an interface name; capabilities: has, enabled; med: words of LLDP_MED; klass: of LLDP-MED."""
    out = lldp_tlv(1, b"\4" + mac_bytes(chassis)) + lldp_tlv(2, b"\5" + port.encode()) + lldp_tlv(3, struct.pack("!H", ttl))
    for kind, text in ((5, name), (6, description)):
        out += lldp_tlv(kind, text.encode()) if text else b""
    out += lldp_tlv(7, struct.pack("!HH", *capabilities)) if capabilities[0] else b""
    for address in map(ipaddress.ip_address, managed):
        head = bytes([len(address.packed) + 1, 1 if address.version == 4 else 2])
        out += lldp_tlv(8, head + address.packed + struct.pack("!BIB", 2, 1, 0))
    out += lldp_tlv(127, bytes.fromhex("0080c201") + struct.pack("!H", vlan)) if vlan else b""
    out += lldp_tlv(127, bytes.fromhex("0012bb01") + struct.pack("!HB", 0x21, klass)) if klass else b""
    for key, text in (med or {}).items():
        out += lldp_tlv(127, bytes.fromhex("0012bb") + bytes([LLDP_MED[key]]) + text.encode())
    return out + lldp_tlv(0, b"")


# ---- CDP: over 802.3 with an 802.2 SNAP header, so its EtherType field is a length ----

CDP_MULTICAST = "01:00:0c:cc:cc:cc"
CDP_TEXT = {"device": 1, "port": 3, "software": 5, "platform": 6, "domain": 9}


def cdp_tlv(kind, value):
    return struct.pack("!HH", kind, 4 + len(value)) + value


def cdp(version=2, ttl=180, capabilities=0, addresses=(), vlan=0, **text):
    """The whole 802.2 frame. text: words of CDP_TEXT."""
    out = b"".join(cdp_tlv(CDP_TEXT[key], value.encode()) for key, value in text.items())
    if addresses:
        listed = struct.pack("!I", len(addresses))
        for address in map(ipaddress.ip_address, addresses):
            listed += b"\1\1\xcc" if address.version == 4 else bytes.fromhex("0208aaaa0300000086dd")
            listed += struct.pack("!H", len(address.packed)) + address.packed
        out += cdp_tlv(2, listed)
    out += cdp_tlv(4, struct.pack("!I", capabilities)) if capabilities else b""
    out += cdp_tlv(10, struct.pack("!H", vlan)) if vlan else b""
    head = bytes([version, ttl])
    summed = out[:-1] + b"\0" + out[-1:] if len(out) % 2 else out  # an odd byte counts as the low one
    return bytes.fromhex("aaaa0300000c2000") + head + struct.pack("!H", checksum(head + b"\0\0" + summed)) + out


# ---- DNS (RFC 1035) ----

DNS_TYPES = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33, "CNAME": 5, "AXFR": 252, "MX": 15}


def dns_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def dns_query(number, name, kind="A"):
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + dns_name(name) + struct.pack("!HH", DNS_TYPES[kind], 1)


def dns_answer(number, name, kind="A", answers=(), rcode=0):
    """answers: addresses for A and AAAA, names for CNAME and PTR; each points back to the question's name."""
    out = struct.pack("!HHHHHH", number, 0x8180 | rcode, 1, len(answers), 0, 0) + dns_name(name)
    out += struct.pack("!HH", DNS_TYPES[kind], 1)
    for answer in answers:
        data = ipaddress.ip_address(answer).packed if kind in ("A", "AAAA") else dns_name(answer)
        out += struct.pack("!HHHIH", 0xC00C, DNS_TYPES[kind], 1, 300, len(data)) + data
    return out


def over_tcp(message):
    return struct.pack("!H", len(message)) + message


# ---- DHCP (RFC 2131, 2132) and DHCPv6 (RFC 8415) ----

DHCP_MESSAGES = {"discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6, "release": 7, "inform": 8}


def dhcp(message, mac, number, yours="0.0.0.0", client="0.0.0.0", **options):
    """options: host_name, vendor_class, user_class, params (bytes), requested, server, lease, mask, router."""
    reply = message in ("offer", "ack", "nak")
    out = struct.pack("!BBBBIHH", 2 if reply else 1, 1, 6, 0, number, 0, 0x8000)
    out += ipaddress.ip_address(client).packed + ipaddress.ip_address(yours).packed + bytes(8)
    out += mac_bytes(mac).ljust(16, b"\0") + bytes(192) + bytes.fromhex("63825363")
    out += bytes([53, 1, DHCP_MESSAGES[message]])
    codes = {"mask": 1, "router": 3, "dns": 6, "host_name": 12, "requested": 50, "lease": 51, "server": 54,
             "params": 55, "vendor_class": 60, "user_class": 77}
    for name, value in options.items():
        if name in ("mask", "router", "dns", "requested", "server"):
            value = ipaddress.ip_address(value).packed
        elif name == "lease":
            value = struct.pack("!I", value)
        value = value.encode() if isinstance(value, str) else value
        out += bytes([codes[name], len(value)]) + value
    return (out + b"\xff").ljust(300, b"\0")


def dhcp6(message, number, mac, options=()):
    """options: [(code, bytes)]; the client identifier (DUID-LL) is put first."""
    duid = struct.pack("!HH", 3, 1) + mac_bytes(mac)
    out = struct.pack("!I", message << 24 | number)
    for code, value in [(1, duid), *options]:
        out += struct.pack("!HH", code, len(value)) + value
    return out


# ---- ICMPv6 neighbour discovery (RFC 4861) ----


def neighbor(target, mac, option=1):
    return bytes(4) + ipaddress.ip_address(target).packed + bytes([option, 1]) + mac_bytes(mac)


def neighbor_answer(target, mac):
    return struct.pack("!I", 0x60000000) + ipaddress.ip_address(target).packed + bytes([2, 1]) + mac_bytes(mac)


def router_advertisement(mac, prefix):
    head = struct.pack("!BBHII", 64, 0, 1800, 0, 0)
    source = bytes([1, 1]) + mac_bytes(mac)
    return head + source + struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + ipaddress.ip_address(prefix).packed


# ---- TLS (RFC 5246, 8446) ----


def tls_record(kind, body, version=0x0303):
    return struct.pack("!BHH", kind, version, len(body)) + body


def tls_handshake(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def tls_extension(kind, body):
    return struct.pack("!HH", kind, len(body)) + body


def client_hello(name=None, version=0x0303, ciphers=(0xC02F, 0xC030, 0x009C, 0x002F), alpn=(), versions=()):
    extensions = b""
    if name:
        host = name.encode()
        extensions += tls_extension(0, struct.pack("!HBH", len(host) + 3, 0, len(host)) + host)
    extensions += tls_extension(10, struct.pack("!HHH", 4, 29, 23)) + tls_extension(11, b"\x01\x00")
    if version >= 0x0303:
        extensions += tls_extension(13, struct.pack("!HHHH", 6, 0x0403, 0x0804, 0x0401))
    if alpn:
        names = b"".join(bytes([len(a)]) + a.encode() for a in alpn)
        extensions += tls_extension(16, struct.pack("!H", len(names)) + names)
    if versions:
        extensions += tls_extension(43, bytes([2 * len(versions)]) + struct.pack(f"!{len(versions)}H", *versions))
    body = struct.pack("!H", version) + bytes(range(32)) + b"\0"
    body += struct.pack(f"!H{len(ciphers)}H", 2 * len(ciphers), *ciphers) + b"\x01\x00"
    return tls_handshake(1, body + struct.pack("!H", len(extensions)) + extensions)


def server_hello(version=0x0303, cipher=0xC02F, chosen=None, session=b""):
    extensions = tls_extension(0xFF01, b"\0")
    if chosen:
        extensions = tls_extension(43, struct.pack("!H", chosen))
    body = struct.pack("!H", version) + bytes(range(32, 64)) + bytes([len(session)]) + session
    return tls_handshake(2, body + struct.pack("!HB", cipher, 0) + struct.pack("!H", len(extensions)) + extensions)


def certificate(*names):
    """The handshake message with pcaps/tls/certificates/NAME.der, the server's own first."""
    ders = [(TOP / "pcaps/tls/certificates" / (name + ".der")).read_bytes() for name in names]
    chain = b"".join(len(der).to_bytes(3, "big") + der for der in ders)
    return tls_handshake(11, len(chain).to_bytes(3, "big") + chain)


def tls_server(name="server", version=0x0303, cipher=0xC02F):
    """A server's first flight up to TLS 1.2: hello, certificate, done, in one record each."""
    return b"".join(tls_record(22, body, version) for body in
                    (server_hello(version, cipher), certificate(name), tls_handshake(14, b"")))


def tls_finish(version=0x0303):
    """A client's second flight: key exchange (ECDHE; RSA for old versions), change cipher spec, finished."""
    key = b"\x41" + bytes(65) if version >= 0x0303 else struct.pack("!H", 256) + bytes(256)
    return tls_record(22, tls_handshake(16, key), version) + tls_record(20, b"\x01", version) + \
        tls_record(22, bytes((i * 37 + 11) & 0xFF for i in range(40)), version)


# ---- Telnet (RFC 854) ----

IAC, DONT, DO, WONT, WILL = 255, 254, 253, 252, 251


def telnet_options(*pairs):
    """telnet_options((DO, 24), (WILL, 3))"""
    return b"".join(bytes([IAC, verb, option]) for verb, option in pairs)
