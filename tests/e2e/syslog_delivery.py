#!/usr/bin/env python3
"""usage: syslog_delivery.py PROGRAM PROBE
run/syslog.h against servers of ours, in clear, as datagrams and over TLS, that are away, are cut off and do not read,
and against a real rsyslogd that is killed: every message is as RFC 5424 says by a reader that is not ours, and what
was acknowledged is there. Then the whole sensor, offline in every form, live in its jail."""
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "privacy")]
import hostile  # noqa: E402
import planted  # noqa: E402
import service  # noqa: E402
import ward  # noqa: E402

RSYSLOGD = os.environ.get("RSYSLOGD") or shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
HEADER = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) ", re.ASCII)
PARAMETER = re.compile(r' ([!-~]{1,32}?)="((?:[^"\\\]]|\\["\\\]])*)"')
SEVERITY = {"informational": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
TEMPLATE = json.loads((ward.TOP / "tests/golden/forms/phi.json").read_text())
bad = []


def check(what, holds, detail=""):
    if not holds:
        bad.append(what)
        print(f"wrong: {what}: {str(detail)[:800]}")


def documents(n, **changes):
    for i in range(n):
        d = TEMPLATE | changes
        d["event"] = TEMPLATE["event"] | {"id": f"e1-{i:020d}"}
        yield json.dumps(d, sort_keys=True, separators=(",", ":"))


def read_message(text):
    """(priority, host, app, msgid, parameters, body) of RFC 5424, or AssertionError."""
    head = HEADER.match(text)
    assert head, text
    pri, when, host, app, proc, msgid = head.groups()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", when) and proc == "-", text
    assert all(re.fullmatch(r"[!-~]+", x) for x in (host, app, msgid)), text
    assert len(host) <= 255 and len(app) <= 48 and len(msgid) <= 32 and int(pri) < 192, text
    rest = text[head.end():]
    name = re.match(r"\[([^ =\]\"]{1,32})", rest)
    assert name, rest
    at, parameters = name.end(), {}
    while m := PARAMETER.match(rest, at):
        parameters[m[1]] = re.sub(r'\\(["\\\]])', r"\1", m[2])
        at = m.end()
    assert rest[at:at + 2] == "] ", rest[at:]
    return int(pri), host, app, msgid, (name[1], parameters), rest[at + 2:]


class Probe:
    def __init__(self, probe, transport, port, lines, form="ecs", host="127.0.0.1", more=(), **environment):
        self.lines, self.said = list(lines), []
        self.process = subprocess.Popen([probe, transport, host, str(port), form, *map(str, more)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env=os.environ | {k: str(v) for k, v in environment.items()})
        threading.Thread(target=self.feed, daemon=True).start()
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def feed(self):
        with self.process.stdin as f:
            f.write("".join(line + "\n" for line in self.lines).encode())

    def listen(self):
        for line in self.process.stdout:
            self.said.append(line.decode(errors="replace").strip())

    def acknowledged(self):
        return sum(line.startswith("acknowledged") for line in list(self.said))

    def told(self):
        return [line for line in list(self.said) if line.startswith("told")]

    def end(self, seconds=100):
        self.process.wait(timeout=seconds)
        self.reader.join()
        check("in order, without complaints of a sanitizer", not any("out of order" in x or "rror:" in x.replace("told", "")
                                                                     for x in self.said if not x.startswith("told")), self.said)
        return self.said


class Server(threading.Thread):
    """Reads frames with octet counting. cut(n): closes the connection, unread bytes and all, after n messages."""

    def __init__(self, context=None, port=0):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port, self.messages, self.context, self.cuts, self.failures = self.listener.getsockname()[1], [], context, [], 0
        self.start()

    def run(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            try:
                s = self.context.wrap_socket(s, server_side=True) if self.context else s
                self.serve(s)
            except (OSError, ssl.SSLError):
                self.failures += 1
            s.close()

    def serve(self, s):
        cut = self.cuts.pop(0) if self.cuts else None
        f = s.makefile("rb")
        while digits := self.number(f):
            frame = f.read(int(digits))
            if len(frame) < int(digits):
                return
            self.messages.append(frame.decode("utf-8"))
            if cut is not None and (cut := cut - 1) == 0:
                time.sleep(0.3)  # the kernel takes more meanwhile
                return

    @staticmethod
    def number(f):
        digits = b""
        while (c := f.read(1)) not in (b" ", b""):
            digits += c
        return digits

    def close(self):
        self.listener.close()


def wait_for(test, seconds=60):
    end = time.monotonic() + seconds
    while not test() and time.monotonic() < end:
        time.sleep(0.02)
    return test()


def ids(messages):
    return [read_message(m)[4][1]["id"] for m in messages]


def wanted(lines):
    return [json.loads(line)["event"]["id"] for line in lines]


# ---- servers of ours -------------------------------------------------------------------------------------------------

def form_of_messages(probe):
    names = ['ward "east" ]\\', "\u202e\x00x", "n" * 400, "é 山"]
    docs = list(documents(1)) + [next(documents(1, observer=TEMPLATE["observer"] | {"name": n})) for n in names]
    server = Server()
    lines = Probe(probe, "tcp", server.port, docs, SETTLE_MS=0).end()
    check("all are acknowledged", f"acknowledged {len(docs)}" in lines, lines)
    for message, line in zip(server.messages, docs):
        d = json.loads(line)
        pri, host, app, msgid, (sd, parameters), body = read_message(message)
        check("priority", pri == 16 * 8 + SEVERITY["high"], message)
        check("host", host == "".join(c if "!" <= c <= "~" else "_" for c in d["observer"]["name"])[:255], message)
        check("app and category", (app, msgid, sd) == ("wardwatch", d["wardwatch"]["category"], "wardwatch@32473"), message)
        check("parameters", parameters == {"id": d["event"]["id"], "score": str(d["event"]["risk_score"]),
                                           "conf": str(d["wardwatch"]["confidence"])}, parameters)
        found = json.loads(body)
        found["event"].pop("sequence")
        check("body", found == d, body)
    server.close()
    odd = next(documents(1)).replace("e1-" + "0" * 20, 'a\\"b]c\\\\d')
    server = Server()
    Probe(probe, "tcp", server.port, [odd], SETTLE_MS=0).end()
    check("an id that would end the data", read_message(server.messages[0])[4][1]["id"] == 'a"b]c\\d', server.messages)
    server.close()


def too_long(probe):
    docs = list(documents(2, related={"hosts": ["x" * 9000]}))
    server = Server()
    Probe(probe, "tcp", server.port, docs, SETTLE_MS=0).end()
    Probe(probe, "tcp", server.port, docs, SETTLE_MS=0, MOST=65536).end()
    for m in server.messages[:2]:
        check("shortened, and JSON still", len(m.encode()) <= 8192 and
              json.loads(read_message(m)[5])["wardwatch"]["truncated"] is True, m)
    for m in server.messages[2:]:
        check("whole where it may be", "x" * 9000 in m and "truncated" not in m, m)
    server.close()


def datagrams(probe):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("127.0.0.1", 0))
    docs = list(documents(200))
    said = Probe(probe, "udp", s.getsockname()[1], docs, form="cef").end()
    s.settimeout(1)
    got = [s.recv(65536).decode() for _ in docs]
    check("datagrams: all, in order", ids(got) == wanted(docs), got[:1])
    check("datagrams: acknowledged once sent", "acknowledged 200" in said, said)
    check("datagrams: CEF", all(read_message(m)[5].startswith("CEF:0|") for m in got), got[:1])
    s.close()


def cut_off(probe, context=None, more=(), n=3000, cuts=(1, 50, 700, 1)):
    """Connections that end in the middle, with bytes that were acknowledged and not read."""
    docs = list(documents(n))
    server = Server(context)
    server.cuts = list(cuts)
    p = Probe(probe, "tls" if context else "tcp", server.port, docs, more=more)
    missing = []
    while p.process.poll() is None:
        done = p.acknowledged()
        if len(server.messages) < done:
            missing.append(done)
        time.sleep(0.05)
    said = p.end()
    got = ids(server.messages)
    check("cut off: none is missing", set(got) == set(wanted(docs)), len(set(got)))
    check("cut off: acknowledged ones were there", not missing and f"acknowledged {len(docs)}" in said, (missing[:3], said[-3:]))
    check("cut off: an operator is told", p.told() and "closed" in p.told()[0] or "broke" in p.told()[0], p.told())
    server.close()


def away(probe):
    """Nobody there; then there. Tried again ever more rarely, told once."""
    spare = socket.create_server(("127.0.0.1", 0))
    port = spare.getsockname()[1]
    spare.close()
    p = Probe(probe, "tcp", port, documents(10), SETTLE_MS=100)
    time.sleep(2)
    check("away: nothing is acknowledged", p.acknowledged() == 0, p.said)
    server = Server(port=port)
    said = p.end()
    check("away: then all", "acknowledged 10" in said and len(server.messages) == 10, said)
    check("away: told once, with a remedy", len(p.told()) == 1 and "is the server running there?" in p.told()[0], p.told())
    errors = int(re.search(r"errors (\d+)", said[-1])[1])
    check("away: tried a few times", 2 <= errors <= 8, errors)
    server.close()


def does_not_read(probe):
    """What fits into the server's kernel only is not acknowledged beyond it."""
    listener = socket.create_server(("127.0.0.1", 0))
    docs = list(documents(20000))
    p = Probe(probe, "tcp", listener.getsockname()[1], docs, SETTLE_MS=0)
    s = listener.accept()[0]
    time.sleep(3)
    n = p.acknowledged()
    check("a server that does not read: few", n * len(docs[0]) < 16 << 20, n)
    data = [b"-"]
    s.settimeout(20)
    while data[-1]:
        data.append(s.recv(1 << 20))
    data, said = b"".join(data), p.end()
    check("and goes on when it does", "acknowledged 20000" in said and data.count(b"<131>1 ") == 20000, data.count(b"<131>1 "))
    s.close()
    listener.close()


# ---- TLS -------------------------------------------------------------------------------------------------------------

def openssl(*words, **options):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60, **options)


def certificates(folder):
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for ca in ("ca", "other"):
        openssl("req", "-x509", *key, "-subj", f"/CN=test {ca}", "-keyout", folder / f"{ca}.key", "-out", folder / f"{ca}.pem")
    openssl("req", *key[:-2], "-subj", "/CN=siem", "-keyout", folder / "server.key", "-out", folder / "server.csr")
    (folder / "ext").write_text("subjectAltName=DNS:siem.example.net,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", folder / "ext", "-out", folder / "server.pem")


def tls(probe, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    cut_off(probe, context, (folder / "ca.pem", "siem.example.net"))
    for what, ca, name, words in (("a wrong name", "ca", "other.example.net", "name"),
                                  ("an unknown authority", "other", "siem.example.net", "authorit")):
        server = Server(context)
        p = Probe(probe, "tls", server.port, documents(3), more=(folder / f"{ca}.pem", name))
        check(f"TLS: {what} is told", wait_for(p.told), p.said)
        time.sleep(0.5)
        check(f"TLS: to {what} nothing is sent", not server.messages and p.acknowledged() == 0, server.messages)
        check(f"TLS: {what} in words", words in p.told()[0].lower(), p.told())
        p.process.kill()
        server.close()


# ---- rsyslogd --------------------------------------------------------------------------------------------------------

def rsyslogd(folder, port, secure):
    out = folder / f"got-{secure}"
    driver = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"' if secure else ""
    files = "".join(f'defaultNetstreamDriver{what}File="{folder / name}" ' for what, name in
                    (("CA", "ca.pem"), ("Cert", "server.pem"), ("Key", "server.key"))) if secure else ""
    config = folder / f"rsyslog-{secure}.conf"
    config.write_text(f'''global(workDirectory="{folder}" maxMessageSize="64k" {files})
module(load="imtcp" {driver})
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="all" type="string" string="%msgid% %structured-data% %msg:::drop-last-lf%\\n")
action(type="omfile" file="{out}" template="all")
''')
    process = subprocess.Popen([RSYSLOGD, "-n", "-f", config, "-i", folder / f"pid-{secure}"], stderr=subprocess.DEVNULL)
    return process, out


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def real(probe, folder, secure):
    """Killed five times while messages come, half of the time without a chance to write what it has."""
    spare = socket.create_server(("127.0.0.1", 0))
    port, rnd = spare.getsockname()[1], random.Random(5)
    spare.close()
    process, out = rsyslogd(folder, port, secure)
    if not wait_for(lambda: listens(port) or process.poll() is not None, 20) or process.poll() is not None:
        ward.skip("this rsyslogd does not start" + (" with TLS (rsyslog-openssl)" if secure else ""))
    docs = list(documents(10000))
    more = (folder / "ca.pem", "siem.example.net") if secure else ()
    p = Probe(probe, "tls" if secure else "tcp", port, docs, form="ecs", more=more)
    kills = 0
    while p.process.poll() is None:
        time.sleep(rnd.uniform(0.2, 0.6))
        if kills == 5 or p.acknowledged() == len(docs):
            continue
        process.send_signal(signal.SIGKILL if kills % 2 == 0 else signal.SIGTERM)
        process.wait()
        time.sleep(rnd.uniform(0, 0.4))
        process, _ = rsyslogd(folder, port, secure)
        kills += 1
    said = p.end()
    process.terminate()
    process.wait()
    got = set(re.findall(rb'id="(e1-\d{20})"', out.read_bytes()))
    check(f"rsyslogd {secure}: all is acknowledged", "acknowledged 10000" in said and kills >= 2, (kills, said[-2:]))
    check(f"rsyslogd {secure}: none is missing", got == {i.encode() for i in wanted(docs)}, len(got))
    whole = sum(line.endswith(b"}") for line in out.read_bytes().splitlines())
    check(f"rsyslogd {secure}: bodies are whole", whole >= 10000, whole)
    print(f"rsyslogd {'TLS' if secure else 'TCP'}: killed {kills} times; {said[-1]}")


# ---- the whole sensor ------------------------------------------------------------------------------------------------

def offline(program, folder):
    """Nobody who is planted in a capture is in a message, in any form; and each alert is one."""
    hostile.write(folder / "hostile.pcap")
    for form in ("ecs", "cef", "leef", "ocsf", "eve"):
        server, out = Server(), folder / f"out-{form}"
        config = folder / f"{form}.yml"
        config.write_text(f"output: {{syslog: {{server: 'tcp://127.0.0.1:{server.port}', format: {form}}}}}\n")
        run = subprocess.run([program, "-c", config, "-p", ward.TOP / "policies", "-r", folder / "hostile.pcap", "-q", "-o",
                              out, "--state", folder / f"{form}.db"], capture_output=True, text=True, timeout=100)
        alerts = [json.loads(line)["event"]["id"] for line in open(out / "alerts.jsonl")]
        wait_for(lambda: len(server.messages) >= len(alerts), 10)
        check(f"offline, {form}: the run is good", run.returncode == 0 and not run.stderr, run.stderr)
        check(f"offline, {form}: each alert is a message", alerts and set(alerts) <= set(ids(server.messages)), alerts)
        leaks = list(planted.leaks(hostile.PEOPLE, {"wire": "\n".join(server.messages).encode()}))
        check(f"offline, {form}: no planted person", not leaks, leaks)
        server.close()


READER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
listener = socket.create_server(("127.0.0.1", 6514))
while True:
    with open(sys.argv[1], "ab", buffering=0) as out:
        try:
            s = context.wrap_socket(listener.accept()[0], server_side=True)
            while data := s.recv(65536):
                out.write(data)
        except OSError:
            pass
"""


def live(program, folder):
    """In its jail, over TLS; the server is killed and comes again."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("not root: nothing live")
        return
    try:
        net = service.Net()
    except (subprocess.CalledProcessError, FileNotFoundError):
        print("no network namespaces: nothing live")
        return
    got, capture = folder / "live.got", next((ward.TOP / "pcaps/dicom").glob("*.pcap"))
    reader = lambda: net.run(sys.executable, "-c", READER, got, folder / "server.pem", folder / "server.key")  # noqa: E731
    replay = lambda: net.run(sys.executable, "-c", service.SENDER, capture).wait()  # noqa: E731
    seen = lambda: {i.decode() for i in re.findall(rb' id="(e1-\w+)"', got.read_bytes() if got.exists() else b"")}  # noqa: E731
    written = lambda: {x["event"]["id"] for x in service.lines(folder / "jailed" / "out" / "alerts.jsonl")}  # noqa: E731
    try:
        server = reader()
        config = f"output: {{syslog: {{server: 'tls://127.0.0.1:6514', tls: {{ca: {folder}/ca.pem}}}}}}\n"
        s = service.Sensor(net, program, folder / "jailed", ward.TOP / "policies", 1, config)
        replay()
        check("live: alerts come", s.wait(lambda: written() and written() <= seen()), (written(), seen(), s.said()))
        server.kill()
        server.wait()
        replay()
        time.sleep(1)
        server = reader()
        replay()
        check("live: all come again", s.wait(lambda: written() <= seen()), (written() - seen(), s.said()))
        s.end()
        check("live: also those of the end", written() <= seen(), written() - seen())
        server.kill()
        server.wait()
    finally:
        for sensor in service.sensors:
            sensor.process.kill()
        net.close()
    check("live: as the service's own checks say", service.wrong == 0)


def main(program, probe):
    with tempfile.TemporaryDirectory(prefix="ward-syslog-") as temp:
        folder = Path(temp)
        certificates(folder)
        form_of_messages(probe)
        too_long(probe)
        datagrams(probe)
        cut_off(probe)
        cut_off(probe, n=20, cuts=(1, 2, 3))  # all that is left fits into the server's kernel
        away(probe)
        does_not_read(probe)
        tls(probe, folder)
        offline(program, folder)
        live(program, folder)
        print(f"servers of ours: {len(bad)} wrong")
        if bad:
            return 1
        if not RSYSLOGD:
            ward.skip("no rsyslogd")
        real(probe, folder, False)
        real(probe, folder, True)
    print(f"{len(bad)} wrong")
    return bool(bad)


sys.exit(main(*sys.argv[1:3]))
