#!/usr/bin/env python3
"""usage: redis.py PROBE CASE
The Redis output against a real redis-server (7) and against servers that are slow, silent or lie. PROBE feeds it
from an outbox in memory (redis_probe.c). CASE is the name of a function below, without case_."""
import json
import os
import pwd
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from redis_nodes import Client, Server, cluster_call, move_slot, owner_of, skip_without_redis, start_cluster, start_sentinels

KEY = "wardwatch:{probe}:alert"


class Probe:
    def __init__(self, program, **options):
        words = [f"{k}={v}" for k, v in options.items()]
        self.process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def told(self):
        return [line.split(" ", 3)[1:] for line in self.lines if line.startswith("tell ")]

    def events(self):
        return [t[0] for t in self.told()]

    def wait_for(self, event, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if event in self.events():
                return
            time.sleep(0.01)
        self.process.kill()
        fail(f"{event} was not told: {self.lines}")

    def running(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        return self.result()

    def result(self):
        self.process.wait(60)
        self.reader.join()
        errors = self.process.stderr.read()
        if self.process.returncode or errors:
            fail(f"the probe ended with {self.process.returncode}: {errors[-3000:]}")
        for line in self.lines:
            if line.startswith("result "):
                return json.loads(line[7:])
        fail(f"no result: {self.lines}")


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def expect(condition, text):
    if not condition:
        fail(text)


def ids_in_stream(client, key=KEY):
    """event.id of each entry, in order, from the field and from the body, which have to agree."""
    ids, start = [], "-"
    while True:
        part = client("XRANGE", key, start, "+", "COUNT", 5000)
        for entry, fields in part:
            named = dict(zip(fields[::2], fields[1::2]))
            expect(json.loads(named["body"])["event"]["id"] == named["id"], f"body and id differ: {named}")
            ids.append(named["id"])
        if len(part) < 5000:
            return ids
        start = "(" + part[-1][0]


def expect_each_once(ids, count):
    distinct = set(ids)
    wanted = {f"e1-{n:020d}" for n in range(1, count + 1)}
    expect(distinct == wanted, f"{len(wanted - distinct)} are missing, {len(distinct - wanted)} are foreign")
    expect(len(ids) == count, f"{len(ids) - count} are there twice")


def kill_while(probe, server, kills, seed, longest, length="XLEN"):
    """Kills and restarts the server at random moments, each time after something new came; how many times."""
    rng = random.Random(seed)
    done = before = 0
    while done < kills and probe.running():
        client = server.client()
        while probe.running() and client(length, KEY) <= before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, longest))
        before = client(length, KEY)
        client.close()
        server.kill()
        time.sleep(rng.uniform(0, 0.05))
        server.start()
        done += 1
    return done


def stream_under_kills(program, folder, fsync, count, kills, **more):
    server = Server(folder, "redis", "appendonly yes", f"appendfsync {fsync}").start()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=count, seconds=100, rate=count // 10, most=60, **more)
    done = kill_while(probe, server, kills, 4711, 0.3)
    result = probe.result()
    print(done, "kills:", result)
    expect(done == kills, f"only {done} kills before all was delivered")
    expect(result["done"] == count, f"{result['done']} of {count} delivered")
    expect_each_once(ids_in_stream(server.client()), count)
    server.kill()
    return result, probe


def case_stream_kills(program, folder):
    """100,000 records, the server killed 20 times: each in the stream exactly once. A kill loses nothing that was
    written to the append-only file before its answer, as always does; everysec may hold a write back while it
    syncs, which case_stream_everysec covers."""
    stream_under_kills(program, folder, "always", 100000, 20)


def case_stream_everysec(program, folder):
    stream_under_kills(program, folder, "everysec", 30000, 10)


def case_stream_transactions(program, folder):
    """Without the right to read, by MULTI and EXEC."""
    server = Server(folder, "redis", "appendonly yes", "appendfsync always",
                    "user default on nopass ~* &* +@all -xrange").start()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=60000, seconds=60, rate=14000, most=60)
    done = kill_while(probe, server, 10, 4712, 0.3)
    result = probe.result()
    print(done, "kills:", result)
    expect(result["done"] == 60000, "not all delivered")
    server.kill()
    server.options[-1] = ""
    os.remove(os.path.join(server.folder, "redis.conf"))
    server.start()
    expect_each_once(ids_in_stream(server.client()), 60000)
    server.kill()


def case_list_kills(program, folder):
    """At least once, and what is there twice is equal."""
    count = 100000
    server = Server(folder, "redis", "appendonly yes", "appendfsync always").start()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", mode="list", count=count, seconds=100, rate=count // 10,
                  most=60)
    done = kill_while(probe, server, 20, 4713, 0.3, "LLEN")
    result = probe.result()
    print(done, "kills:", result)
    expect(done == 20 and result["done"] == count, "not all delivered, or too few kills")
    bodies = server.client()("LRANGE", KEY, 0, -1)
    expect(len({json.loads(b)["event"]["id"] for b in bodies}) == count, "some are missing")
    expect(len(set(bodies)) == count, "two bodies of one id")
    expect(len(bodies) - count <= 20 * 1024, f"{len(bodies) - count} duplicates")
    print(len(bodies) - count, "duplicates")
    server.kill()


def case_sensor_kills(program, folder):
    """The sensor itself is killed, and offers all again that it may have sent: still once each."""
    server = Server(folder, "redis", "appendonly yes").start()
    rng = random.Random(5)
    for _ in range(8):
        probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=20000, seconds=60, offered=20000, rate=40000)
        time.sleep(rng.uniform(0.1, 0.45))
        probe.process.kill()
        probe.reader.join()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=20000, seconds=60, offered=20000)
    result = probe.result()
    print(result)
    expect(result["duplicates"] > 0, "nothing was there already")
    expect_each_once(ids_in_stream(server.client()), 20000)
    server.kill()


def case_modes(program, folder):
    """What goes out in each mode, to a socket in the file system, of all classes; a channel nobody hears."""
    path = os.path.join(folder, "socket")
    server = Server(folder, "redis", f"unixsocket {path}").start()
    os.chmod(folder, 0o755)
    c = server.client()
    r = Probe(program, servers=path, count=300, classes="mixed", database=3).result()
    expect(r["done"] == 300, r)
    c("SELECT", 3)
    for name in "alert", "asset", "health":
        ids = ids_in_stream(c, f"wardwatch:{{probe}}:{name}")
        expect(len(ids) == 100, f"{name}: {len(ids)}")
    c("SELECT", 0)
    entry = Probe(program, servers=path, count=1).result() and c("XRANGE", KEY, "-", "+")[0][1]
    expect(entry[::2] == ["body", "id", "kind", "level", "v"] and entry[5::2] == ["alert", "high", "1"], entry)
    Probe(program, servers=path, count=10, mode="list", key="suricata").result()
    bodies = c("LRANGE", "suricata", 0, -1)
    expect([json.loads(b)["event"]["sequence"] for b in bodies] == list(range(1, 11)), "order of a list")
    r = Probe(program, servers=path, count=5, mode="channel").result()
    expect(r["no_receiver"] == 5, r)
    listener = server.client()
    listener("SUBSCRIBE", KEY)
    r = Probe(program, servers=path, count=5, mode="channel").result()
    expect(r["no_receiver"] == 0 and [listener.read()[0] for _ in range(5)] == ["message"] * 5, r)
    Probe(program, servers=path, count=30000, maxlen=1000, key="short").result()
    expect(1000 <= c("XLEN", "short") < 2500, f"trimmed to {c('XLEN', 'short')}")
    Probe(program, servers=path, count=30000, minid=3600000, key="aged").result()
    expect(c("XLEN", "aged") < 2500, f"trimmed by age to {c('XLEN', 'aged')}")
    server.kill()


def case_speed(program, folder):
    """10,000 records per second into a local stream, and what that costs."""
    server = Server(folder, "redis").start()
    r = Probe(program, servers=f"127.0.0.1:{server.port}", count=100000, seconds=60).result()
    print(f"{r['count'] / r['seconds']:.0f} records per second")
    expect(r["done"] == 100000, r)
    expect(server.client()("XLEN", KEY) == 100000, "not all there")
    server.kill()


def case_refusals(program, folder):
    """Each kind of refusal: its event, told once; no busy loop; all delivered after the repair."""
    password = os.path.join(folder, "password")
    server = Server(folder, "redis", "requirepass c0rrect").start()
    c = server.client()
    c("AUTH", "c0rrect")

    def attempts():
        return int(re.search(r"total_connections_received:(\d+)", c("INFO", "stats")).group(1))

    def write(text, mode=0o600):
        Path(password).write_text(text)
        os.chmod(password, mode)

    def refused(event, repair, count=500, **more):
        before = attempts()
        probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=count, seconds=20, password=password, most=400,
                      sensor=event, **more)
        probe.wait_for(event)
        time.sleep(1)
        tried = attempts() - before
        expect(probe.running(), f"{event}: ended: {probe.lines}")
        expect(tried <= 8, f"{event}: {tried} connections in a second")
        expect(probe.events().count(event) == 1, f"{event}: told {probe.events()}")
        repair()
        r = probe.result()
        expect(r["done"] == count, f"{event}: {r}")
        expect(probe.events()[-1] == "redis_recovered" and r["problem"] == "", f"{event}: {probe.told()}, {r}")
        expect(c("XLEN", f"wardwatch:{{{event}}}:alert") == count, f"{event}: not in the stream once")
        print(event, tried, "connections;", [t[2] for t in probe.told() if t[0] == event][0])
        for line in probe.lines:
            expect("c0rrect" not in line and "s3cret" not in line, f"a password in: {line}")

    write("s3cret-wrong\n")
    refused("redis_auth", lambda: write("c0rrect\n"))
    c("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
    refused("redis_oom", lambda: c("CONFIG", "SET", "maxmemory", "0"))
    other = Server(folder, "master").start()
    c("REPLICAOF", "127.0.0.1", other.port)
    refused("redis_read_only", lambda: c("REPLICAOF", "NO", "ONE"))
    other.kill()
    c("SET", "wardwatch:{redis_wrong_type}:alert", "x")
    refused("redis_wrong_type", lambda: c("DEL", "wardwatch:{redis_wrong_type}:alert"))
    rights = "+ping +select +role +client|setname +xadd +xinfo|stream +xinfo|groups +xrange".split()
    c("ACL", "SETUSER", "sensor", "on", ">c0rrect", "resetkeys", "~other*", "-@all", *rights)
    refused("redis_permission", lambda: c("ACL", "SETUSER", "sensor", "~wardwatch:*"), user="sensor")
    c("ACL", "SETUSER", "sensor", "-xadd")
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=5, seconds=2, password=password, user="sensor")
    r = probe.result()
    expect("XADD on wardwatch:{probe}:alert" in r["problem"], f"names no command and key: {r}")
    write("c0rrect", 0o644)
    r = Probe(program, servers=f"127.0.0.1:{server.port}", count=5, seconds=1, password=password).result()
    expect("chmod 0600" in r["problem"] and r["done"] == 0, r)
    server.kill()


def case_loading(program, folder):
    """A server that loads its data is waited for, over one connection."""
    server = Server(folder, "redis", "appendonly yes", "appendfsync no", "enable-debug-command yes").start()
    c = server.client()
    c("DEBUG", "POPULATE", 40000)
    c("BGREWRITEAOF")
    while "aof_rewrite_in_progress:1" in c("INFO", "persistence"):
        time.sleep(0.05)
    server.kill()
    server.start("--key-load-delay", "50", "--loading-process-events-interval-bytes", "1024", wait=True)
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=100, seconds=25, most=300)
    probe.wait_for("redis_loading")
    r = probe.result()
    expect(r["done"] == 100 and r["reconnects"] == 0, r)
    expect(probe.events() == ["redis_loading", "redis_recovered"], probe.told())
    expect_each_once(ids_in_stream(server.client()), 100)
    server.kill()


def case_others(program, folder):
    """Another producer in the stream, a stream that is ahead, data that was lost, readers that lag."""
    server = Server(folder, "redis", "appendonly yes").start()
    c = server.client()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=4000, rate=1000, seconds=20, watch=300)
    for _ in range(20):
        time.sleep(0.1)
        c("XADD", KEY, "*", "body", '{"event":{"id":"foreign"}}', "id", "foreign")
    r = probe.result()
    expect(probe.events() == ["redis_second_producer"], probe.told())
    ids = [i for i in ids_in_stream(c) if i != "foreign"]
    expect_each_once(ids, 4000)
    print("second producer:", r)

    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=1000, seconds=20)
    probe.result()
    expect(probe.events() in ([], ["redis_ids_behind"]), probe.told())
    expect(c("XLEN", KEY) == 5020, "those of a stream that is ahead")

    c("FLUSHALL")
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=2000, seconds=20, rate=1000, backoff=50)
    time.sleep(1)
    kept = server.client()
    keep = kept("XREVRANGE", KEY, "+", "-", "COUNT", 200)
    kept("XTRIM", KEY, "MINID", keep[-1][0])
    server.kill()
    shutil.rmtree(os.path.join(server.folder, "appendonlydir"))
    server.start()
    r = probe.result()
    expect("redis_data_lost" in probe.events() and r["rewinds"] == 1, f"{probe.told()} {r}")
    c = server.client()
    expect_each_once(ids_in_stream(c), 2000)

    c("XGROUP", "CREATE", KEY, "siem", "0")
    r = Probe(program, servers=f"127.0.0.1:{server.port}", count=100, seconds=20, watch=100, hold=500, key=KEY, maxlen=50,
              ms=int(time.time() * 1000)).result()
    expect(r["lag"] > 0, r)
    server.kill()


def case_losses(program, folder):
    """A server that comes back with an old dump: what all three streams have lost is sent again."""
    for trial in range(3):
        server = Server(folder, f"dumped{trial}", 'save ""').start()
        probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=2500, rate=1500, seconds=25, backoff=50, classes="mixed")
        time.sleep(0.6)
        server.client()("SAVE")
        time.sleep(0.3 + 0.1 * trial)
        server.kill()
        server.start()
        r = probe.result()
        c = server.client()
        expect(r["done"] == 2500 and "redis_data_lost" in probe.events(), f"{probe.told()} {r}")
        expect_each_once([i for kind in ("alert", "asset", "health")
                          for i in ids_in_stream(c, KEY.replace("alert", kind))], 2500)
        server.kill()


def case_replicas(program, folder):
    """wait-replicas: what no replica has is not acknowledged."""
    server = Server(folder, "redis", "repl-diskless-sync-delay 0").start()
    probe = Probe(program, servers=f"127.0.0.1:{server.port}", count=2000, rate=2000, seconds=25, replicas=1, most=200)
    probe.wait_for("redis_replicas")
    time.sleep(0.3)
    replica = Server(folder, "replica", f"replicaof 127.0.0.1 {server.port}").start()
    r = probe.result()
    expect(r["done"] == 2000, r)
    expect_each_once(ids_in_stream(server.client()), 2000)
    replica.kill()
    server.kill()


def make_certificates(folder):
    """ca.pem, other.pem, and NAME.pem with NAME.key from ca."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for ca in "ca", "other":
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{ca}.key",
                "-out", f"{ca}.pem", "-subj", f"/CN={ca}", "-days", "2")
    for name, alt, days in (("server", "DNS:redis.test,IP:127.0.0.1", 2), ("old", "IP:127.0.0.1", -1), ("sensor", "DNS:s", 2)):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", f"/CN={name}")
        Path(folder, "ext").write_text(f"subjectAltName={alt}\n")
        # Debian's openssl 3.0 takes a negative number of days for one that has ended.
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", str(days), "-extfile", "ext")


def case_tls(program, folder):
    """A real server over TLS: right, and wrong in each way; each is refused with the reason, and nothing arrives."""
    make_certificates(folder)

    def path(name):
        return os.path.join(folder, name)

    def server(name, certificate, *options):
        return Server(folder, name, f"tls-cert-file {path(certificate + '.pem')}", f"tls-key-file {path(certificate + '.key')}",
                      f"tls-ca-cert-file {path('ca.pem')}", *options, plain=False).start()

    good = server("good", "server", "tls-auth-clients no")
    strict = server("strict", "server", "tls-auth-clients yes")
    ancient = server("ancient", "server", "tls-auth-clients no", 'tls-protocols "TLSv1.1"', 'tls-ciphers "ALL:@SECLEVEL=0"')
    old = server("old", "old", "tls-auth-clients no")
    own = {"cert": path("sensor.pem"), "certkey": path("sensor.key")}
    r = Probe(program, servers=f"127.0.0.1:{good.port}", ca=path("ca.pem"), count=20000, seconds=20).result()
    expect(r["done"] == 20000, r)
    r = Probe(program, servers=f"127.0.0.1:{good.port}", ca=path("ca.pem"), name="redis.test", count=10, min="1.3", key="k").result()
    expect(r["done"] == 10, r)
    r = Probe(program, servers=f"127.0.0.1:{strict.port}", ca=path("ca.pem"), count=10, **own).result()
    expect(r["done"] == 10, r)
    for at, more, says in ((good, {"ca": path("other.pem")}, "authority that is trusted"), (good, {"name": "other.test"}, "another name"),
                           (old, {}, "has expired"), (ancient, {}, "no TLS version that is allowed"),
                           (strict, {}, "wants a certificate")):
        probe = Probe(program, servers=f"127.0.0.1:{at.port}", **{"ca": path("ca.pem"), "count": 10, "seconds": 1, **more})
        r = probe.result()
        expect(r["done"] == 0 and says in r["problem"], f"{says}: {r}")
        expect(probe.events() == ["redis_unreachable"], probe.told())
    for s in good, strict, ancient, old:
        s.kill()


def case_jail(program, folder):
    """All of it as the confined shipper: TLS, the password read anew after a restart of the server, reconnecting."""
    make_certificates(folder)
    os.chmod(folder, 0o755)
    password = os.path.join(folder, "password")
    Path(password).write_text("pw")
    os.chmod(password, 0o600)
    if os.geteuid() == 0:
        user = "wardwatch" if "wardwatch" in {p.pw_name for p in pwd.getpwall()} else "nobody"
        os.chown(password, pwd.getpwnam(user).pw_uid, -1)
    files = {name: os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key", "sensor.pem", "sensor.key")}
    server = Server(folder, "redis", f"tls-cert-file {files['server.pem']}", f"tls-key-file {files['server.key']}", "requirepass pw",
                    f"tls-ca-cert-file {files['ca.pem']}", "appendonly yes", "appendfsync always", plain=False).start()
    probe = Probe(program, servers=f"localhost:{server.port}", name="redis.test", ca=files["ca.pem"], cert=files["sensor.pem"],
                  certkey=files["sensor.key"], password=password, jail=1, count=5000, rate=2500, seconds=20)
    time.sleep(0.7)
    server.kill()
    server.start()
    r = probe.result()
    expect(r["done"] == 5000 and r["reconnects"] == 1, r)
    server.kill()


class Liar:
    """A server of ours: `answer` gets the connection and what came, and does what it wants."""

    def __init__(self, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer = answer
        self.connections = 0
        self.over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            self.answer(peer)
        except OSError:
            pass
        peer.close()

    def close(self):
        self.over = True
        self.listener.close()


def words(stream):
    """The commands that come, one by one."""
    while True:
        line = stream.readline()
        if not line:
            return
        yield [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]


def greeting(command):
    name = command[0].upper()
    if name == b"ROLE":
        return b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
    if name == b"XINFO":
        return b"-ERR no such key\r\n"
    if name == b"XRANGE":
        return b"*0\r\n"
    if name == b"PING":
        return b"+PONG\r\n"
    return b"+OK\r\n"


def case_liars(program, folder):
    """Silent, slow, closing and lying servers: nothing is taken for delivered, no busy loop, never a long wait."""
    def silent(peer):
        while peer.recv(65536):
            pass

    def mute_after_greeting(peer):
        for command in words(peer.makefile("rb")):
            if command[0] != b"XADD":
                peer.sendall(greeting(command))

    def slow(peer):
        for command in words(peer.makefile("rb")):
            answer = b"$%d\r\n%s\r\n" % (len(command[5]), command[5]) if command[0] == b"XADD" else greeting(command)
            for byte in answer:
                time.sleep(0.002)
                peer.sendall(bytes([byte]))

    def never_reads(peer):
        time.sleep(30)

    def closes(peer):
        for command in words(peer.makefile("rb")):
            if command[0] == b"XADD":
                return
            peer.sendall(greeting(command))

    def wrong_ids(peer):
        for command in words(peer.makefile("rb")):
            peer.sendall(b"$3\r\n1-1\r\n" if command[0] == b"XADD" else greeting(command))

    def random_bytes(peer):
        rng = random.Random(7)
        for command in words(peer.makefile("rb")):
            peer.sendall(rng.randbytes(2000) if command[0] == b"XADD" else greeting(command))

    def endless(peer):
        for command in words(peer.makefile("rb")):
            if command[0] == b"XADD":
                while True:
                    peer.sendall(b"*1000\r\n" + b"$100000\r\n" + b"x" * 100000)
            peer.sendall(greeting(command))

    def http(peer):
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def too_many(peer):
        peer.sendall(b"-ERR max number of clients reached\r\n")

    for answer, event in ((silent, "redis_timeout"), (mute_after_greeting, "redis_timeout"), (never_reads, "redis_timeout"),
                          (closes, "redis_unreachable"), (wrong_ids, "redis_protocol"), (random_bytes, "redis_protocol"),
                          (endless, "redis_protocol"), (http, "redis_protocol"), (too_many, "redis_refused")):
        liar = Liar(answer)
        probe = Probe(program, servers=f"127.0.0.1:{liar.port}", count=3000, seconds=1, reply=200, backoff=50, most=300, size=2000)
        r = probe.result()
        print(answer.__name__, liar.connections, "connections;", r["problem"], f"{r['longest_ms']} ms at the longest")
        expect(r["done"] == 0 and event in probe.events(), f"{answer.__name__}: {r} {probe.told()}")
        expect(liar.connections <= 8, f"{answer.__name__}: {liar.connections} connections in a second")
        expect(r["longest_ms"] < 500, f"{answer.__name__}: it waited: {r}")
        expect(len(probe.events()) <= 3, f"{answer.__name__}: {probe.told()}")
        liar.close()
    liar = Liar(slow)
    probe = Probe(program, servers=f"127.0.0.1:{liar.port}", count=40, seconds=15, reply=500)
    r = probe.result()
    expect(r["done"] == 40 and r["reconnects"] == 0, f"slow: {r}")
    liar.close()


class CuttingProxy:
    """Between sensor and server. cut() ends the sensor's connections; what they had sent and was not passed on yet goes
    to the server later, when the sensor is back already: commands of a connection that is long gone."""

    def __init__(self, port, rng):
        self.to, self.rng, self.pairs = port, rng, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            pair = {"client": client, "server": server, "cut": threading.Event(), "delay": self.rng.uniform(0, 0.25)}
            self.pairs.append(pair)
            threading.Thread(target=self.up, args=(pair,), daemon=True).start()
            threading.Thread(target=self.down, args=(pair,), daemon=True).start()

    def up(self, pair):
        try:
            while data := pair["client"].recv(8192):
                time.sleep(0.001)
                if pair["cut"].is_set():
                    time.sleep(pair["delay"])
                pair["server"].sendall(data)
        except OSError:
            pass
        time.sleep(0.3)
        pair["server"].close()

    def down(self, pair):
        try:
            while data := pair["server"].recv(8192):
                if pair["cut"].is_set():
                    continue
                pair["client"].sendall(data)
        except OSError:
            pass

    def cut(self):
        for pair in self.pairs:
            pair["cut"].set()
            try:
                pair["client"].shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.pairs = []

    def close(self):
        self.listener.close()


def cut_often(program, folder, cuts, count, *options):
    server = Server(folder, "redis", *options).start()
    proxy = CuttingProxy(server.port, random.Random(8))
    probe = Probe(program, servers=f"127.0.0.1:{proxy.port}", count=count, rate=count // 8, seconds=40, most=60, size=1000)
    rng = random.Random(9)
    done = 0
    while done < cuts and probe.running():
        time.sleep(rng.uniform(0.05, 0.25))
        proxy.cut()
        done += 1
    r = probe.result()
    print(done, "cuts:", r)
    expect(r["done"] == count and r["reconnects"] >= cuts // 2, r)
    server.client()("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@all")
    reader = server.client()
    reader("AUTH", "reader", "x")
    expect_each_once(ids_in_stream(reader), count)
    expect("redis_second_producer" not in probe.events(), probe.told())
    proxy.close()
    server.kill()


def case_cuts(program, folder):
    """Connections that are cut while commands are under way, which the server still carries out later: once each."""
    cut_often(program, folder, 40, 40000)


def case_cuts_transactions(program, folder):
    cut_often(program, folder, 40, 40000, "user default on nopass ~* &* +@all -xrange")


def case_sentinel(program, folder):
    """Three sentinels; the master is killed, a replica takes over, the old one comes back: no loss, none twice."""
    password = os.path.join(folder, "password")
    Path(password).write_text("pw")
    os.chmod(password, 0o600)
    master, replica, sentinels = start_sentinels(folder)

    def ask(server, *words):
        client = Client(server.port)
        client("AUTH", "pw")
        reply = client(*words)
        client.close()
        return reply

    probe = Probe(program, servers=f"127.0.0.1:{master.port},127.0.0.1:{replica.port}", master="siem", password=password,
                  sentinels=",".join(f"127.0.0.1:{s.port}" for s in sentinels), count=8000, rate=800, seconds=40, most=300)
    time.sleep(2)
    master.kill()
    end = time.monotonic() + 15
    while ask(replica, "ROLE")[0] != "master" and time.monotonic() < end:
        time.sleep(0.1)
    master.start()
    time.sleep(1)
    cluster_call(sentinels[1].port, "SENTINEL", "FAILOVER", "siem")
    r = probe.result()
    print(r, probe.events(), [line for line in probe.lines if line.startswith("rewind")])
    expect(r["done"] == 8000, r)
    where = cluster_call(sentinels[0].port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "siem")
    now = Client(int(where[1]))
    now("AUTH", "pw")
    expect_each_once(ids_in_stream(now), 8000)
    for s in [master, replica, *sentinels]:
        s.kill()


def case_cluster(program, folder):
    """Three nodes, two sensors with a key space each; their slots are moved under them, twice. Each record once."""
    nodes = start_cluster(folder)
    servers = ",".join(f"127.0.0.1:{n.port}" for n in nodes)
    probes = {name: Probe(program, servers=servers, cluster=1, sensor=name, classes="mixed", count=9000, rate=900, seconds=40, most=300)
              for name in ("ward-east", "ward-west")}
    time.sleep(1)
    for name in probes:
        slot = cluster_call(nodes[0].port, "CLUSTER", "KEYSLOT", f"wardwatch:{{{name}}}:alert")
        for _ in range(2):
            source = owner_of(nodes, slot)
            move_slot(nodes, slot, source, nodes[(nodes.index(source) + 1) % 3], 0.3)
    for name, probe in probes.items():
        r = probe.result()
        print(name, r, probe.events())
        expect(r["done"] == 9000, r)
        ids = []
        for kind in "alert", "asset", "health":
            key = f"wardwatch:{{{name}}}:{kind}"
            at = owner_of(nodes, cluster_call(nodes[0].port, "CLUSTER", "KEYSLOT", key))
            ids += ids_in_stream(at.client(), key)
        expect_each_once(ids, 9000)
        expect(probe.events() == [], probe.told())
    for n in nodes:
        n.kill()


def main():
    program, case = sys.argv[1:]
    skip_without_redis()
    with tempfile.TemporaryDirectory(prefix="ward-redis-") as folder:
        try:
            globals()["case_" + case](program, folder)
        finally:
            Server.kill_all()
    print("ok")


main()
