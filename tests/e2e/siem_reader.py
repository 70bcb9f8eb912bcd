#!/usr/bin/env python3
"""usage: siem_reader.py PROGRAM
tools/siem/redis-to-jsonl against a real redis-server that is fed as the sensor does: the reader killed at random, the
server killed, another reader's leavings, a rotated file, ids that come twice, lists, TLS, a Cluster, a user with few rights:
every document is in the file, whole, and none twice."""
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import redis_server as redis  # noqa: E402
import ward  # noqa: E402

READER = ward.TOP / "tools/siem/redis-to-jsonl"
EAST, WEST = "wardwatch:{ward-east}:alert", "wardwatch:{ward-west}:alert"
# The ACL user of tools/siem/README.md.
README = (ward.TOP / "tools/siem/README.md").read_text()
RIGHTS = next(line for line in README.splitlines() if line.startswith("    user siem on >SECRET ")).split()[2:]
SECONDS = 90


class Reader:
    def __init__(self, folder, port, *options, keys=("wardwatch:*:alert",), server=None):
        self.out, self.log = folder / "alerts.jsonl", open(folder / "reader.log", "ab")
        self.command = [sys.executable, READER, "--server", server or f"redis://127.0.0.1:{port}", "--out", self.out,
                        "--count", "20", *options, *keys]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=self.log, stdout=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends in good order, soon."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=10)
        if status:
            sys.exit(f"the reader ended with {status}")


def documents(program, n):
    """(id, kind, level, body) of n alerts: those of a capture, with ids of their own."""
    run = ward.Run(program, ward.TOP / "pcaps/ward.pcap")
    run.must_be_good("ward")
    lines, made = run.files["alerts.jsonl"].splitlines(), []
    while len(made) < n:
        line = lines[len(made) % len(lines)]
        doc = json.loads(line)
        name = "e1-%020x" % len(made)
        body = line.replace(doc["event"]["id"].encode(), name.encode())
        made.append((name, doc["event"]["kind"], doc["wardwatch"]["level"], body))
    return made


def add(key, number, doc):
    """The command of siem-conventions.md section 4.2."""
    name, kind, level, body = doc
    return ("XADD", key, "MAXLEN", "~", 1000000, f"{1772352000000 + number}-0", "body", body, "id", name, "kind", kind,
            "level", level, "v", 1)


def feed(client, key, docs, pause=0.0, first=1):
    for at in range(0, len(docs), 25):
        part = docs[at:at + 25]
        client.send([add(key, first + at + i, d) for i, d in enumerate(part)])
        for _ in part:
            client.reply()
        time.sleep(pause)


def lines(path):
    return path.read_bytes().splitlines() if path.exists() else []


def wait_for(what, test):
    end = time.monotonic() + SECONDS
    while not test():
        if time.monotonic() > end:
            sys.exit(f"{what}: not in {SECONDS} s")
        time.sleep(0.05)


def pending(client, *keys):
    return sum(client("XPENDING", k, "siem")[0] for k in keys)


def must_hold(name, got, docs):
    want = {d[3] for d in docs}
    if len(set(got)) != len(got):
        sys.exit(f"{name}: {len(got) - len(set(got))} lines come twice")
    if set(got) != want:
        sys.exit(f"{name}: {len(want - set(got))} of {len(want)} missing, {len(set(got) - want)} that nobody sent")


def kills(folder, server, docs, rnd):
    """Two sensors, some of their documents under two stream ids; the reader is killed 15 times, the server 3 times."""
    client = redis.Client(server.port)
    half = len(docs) // 2
    again = rnd.sample(docs[:half], 100)
    # A reader that took 50 entries and is never seen again.
    feed(client, EAST, docs[:50])
    client("XGROUP", "CREATE", EAST, "siem", "0")
    client("XREADGROUP", "GROUP", "siem", "gone", "COUNT", 50, "STREAMS", EAST, ">")
    client("ACL", "SETUSER", "siem", *RIGHTS)
    (folder / "password").write_text("SECRET\n")
    reader = Reader(folder, server.port, "--consumer", "a", "--claim-after", "0.3", "--user", "siem", "--password-file",
                    str(folder / "password"))
    reader.start()
    feeders = [threading.Thread(target=feed, args=(redis.Client(server.port), EAST, docs[50:half] + again, 0.05, 51)),
               threading.Thread(target=feed, args=(redis.Client(server.port), WEST, docs[half:], 0.05))]
    for f in feeders:
        f.start()
    for _ in range(15):
        time.sleep(rnd.uniform(0.1, 0.5))
        reader.kill()
        reader.start()
    for f in feeders:
        f.join()
    for _ in range(3):
        server.kill()
        server.start()
        client = redis.Client(server.port)
        client("ACL", "SETUSER", "siem", *RIGHTS)
        more = redis.Client(server.port)
        extra = docs[-1][3].replace(docs[-1][0].encode(), b"e1-after-%d" % server.process.pid)
        docs.append((f"e1-after-{server.process.pid}", docs[-1][1], docs[-1][2], extra))
        feed(more, WEST, docs[-1:], first=1000000 + len(docs))
        wait_for("after a kill of the server", lambda: extra in lines(reader.out))
    wait_for("all", lambda: len(lines(reader.out)) >= len(docs))
    wait_for("nothing pending", lambda: pending(client, EAST, WEST) == 0)
    reader.stop()
    must_hold("kills", lines(reader.out), docs)


def rotation(folder, server, docs):
    client = redis.Client(server.port)
    reader = Reader(folder, server.port, keys=(EAST,))
    reader.start()
    feed(client, EAST, docs[:100])
    wait_for("before the rotation", lambda: len(lines(reader.out)) == 100)
    reader.out.rename(folder / "alerts.jsonl.1")
    feed(client, EAST, docs[90:], first=1000)
    wait_for("after the rotation", lambda: len(lines(reader.out)) == len(docs) - 100)
    reader.kill()
    # Half a line, and what was acknowledged comes again: after a failover, say.
    with open(reader.out, "ab") as f:
        f.write(b'{"half":')
    reader.start()
    feed(client, EAST, docs[:10], first=5000)
    wait_for("half a line is gone", lambda: not reader.out.read_bytes().endswith(b":") and pending(client, EAST) == 0
             and client("XINFO", "GROUPS", EAST)[0][11] == 0)
    reader.stop()
    must_hold("rotation", lines(folder / "alerts.jsonl.1") + lines(reader.out), docs)


def trimmed(folder, server, docs):
    """What was trimmed between reading and acknowledging is told, not waited for."""
    client = redis.Client(server.port)
    feed(client, EAST, docs[:30])
    client("XGROUP", "CREATE", EAST, "siem", "0")
    client("XREADGROUP", "GROUP", "siem", "a", "COUNT", 30, "STREAMS", EAST, ">")
    client("XTRIM", EAST, "MAXLEN", 10)
    reader = Reader(folder, server.port, "--consumer", "a", keys=(EAST,))
    reader.start()
    wait_for("trimmed", lambda: pending(client, EAST) == 0)
    reader.stop()
    must_hold("trimmed", lines(reader.out), docs[20:30])
    if b"20 lost" not in (folder / "reader.log").read_bytes():
        sys.exit("trimmed: not told")


def lists(folder, server, docs, rnd):
    client = redis.Client(server.port)
    reader = Reader(folder, server.port, "--list")
    reader.start()
    for at in range(0, len(docs), 10):
        client("RPUSH", EAST, *[d[3] for d in docs[at:at + 10]])
        if rnd.random() < 0.2:
            reader.kill()
            reader.start()
    wait_for("the list", lambda: client("LLEN", EAST) == 0 and len(lines(reader.out)) == len(docs))
    reader.stop()
    if lines(reader.out) != [d[3] for d in docs]:
        sys.exit("the list: not in order")


def cluster(folder, docs):
    """Three nodes, a reader for each of two sensors that asks the wrong node first."""
    nodes = []
    try:
        for i, slots in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
            (folder / str(i)).mkdir()
            nodes.append(redis.Server(folder / str(i), "--cluster-enabled", "yes", "--cluster-port", str(redis.free_port())))
            redis.Client(nodes[i].port)("CLUSTER", "ADDSLOTSRANGE", *slots)
        for other in nodes[1:]:
            bus = other.settings[other.settings.index("--cluster-port") + 1]
            redis.Client(nodes[0].port)("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        wait_for("the cluster", lambda: all(b"cluster_state:ok" in redis.Client(n.port)("CLUSTER", "INFO") for n in nodes))
        owners = {}
        for key in (EAST, WEST):
            slot = redis.Client(nodes[0].port)("CLUSTER", "KEYSLOT", key)
            owners[key] = nodes[min(slot // 5461, 2)]
            feed(redis.Client(owners[key].port), key, docs)
        for key, owner in owners.items():
            wrong = next(n for n in nodes if n is not owner)
            out = folder / key.strip("}").split("{")[1].split("}")[0]
            out.mkdir()
            reader = Reader(out, wrong.port, keys=(key, key.replace(":alert", ":asset")))
            reader.start()
            wait_for("the cluster's reader", lambda: len(lines(reader.out)) == len(docs))
            reader.stop()
            must_hold("cluster", lines(reader.out), docs)
    finally:
        for node in nodes:
            node.kill()


def tls(folder, docs):
    if not shutil.which("openssl"):
        return
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   cwd=folder, check=True, capture_output=True)
    port = redis.free_port()
    with redis.Server(folder, "--tls-port", str(port), "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem",
                      "--tls-auth-clients", "no") as server:
        feed(redis.Client(server.port), EAST, docs[:10])
        wrong = Reader(folder, port, keys=(EAST,), server=f"rediss://localhost:{port}")
        wrong.start()
        time.sleep(1)
        wrong.stop()
        if lines(wrong.out) or b"CERTIFICATE_VERIFY_FAILED" not in (folder / "reader.log").read_bytes():
            sys.exit("TLS: a certificate that nobody vouches for")
        reader = Reader(folder, port, "--ca", str(folder / "cert.pem"), keys=(EAST,), server=f"rediss://localhost:{port}")
        reader.start()
        wait_for("TLS", lambda: len(lines(reader.out)) == 10)
        reader.stop()


def main():
    rnd = random.Random(5)
    docs = documents(sys.argv[1], 3000)
    cases = {"kills": lambda f, s: kills(f, s, docs[:], rnd), "rotation": lambda f, s: rotation(f, s, docs[:300]),
             "trimmed": lambda f, s: trimmed(f, s, docs), "lists": lambda f, s: lists(f, s, docs[:500], rnd)}
    for name, case in cases.items():
        with tempfile.TemporaryDirectory(prefix="ward-") as top, redis.Server(top) as server:
            case(Path(top), server)
            print(f"{name}: good")
    for name, case in (("tls", lambda f: tls(f, docs)), ("cluster", lambda f: cluster(f, docs[:100]))):
        with tempfile.TemporaryDirectory(prefix="ward-") as top:
            case(Path(top))
            print(f"{name}: good")


main()
