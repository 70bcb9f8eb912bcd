#!/usr/bin/env python3
"""usage: delivery_live.py PROGRAM CASE
The sensor live, in a network namespace of its own with a cable: what it finds goes to a real redis-server, whatever that
does meanwhile. CASE is the name of a function below, without case_. Needs root."""
import atexit
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "lib"), str(Path(__file__).resolve().parent)]
import chain  # noqa: E402
import ward  # noqa: E402
from chain import expect  # noqa: E402
from live import frames_of, ip, make_pair, namespace_or_skip, send  # noqa: E402

PASSWORD = "Tr0mpetenkaefer"
# siem-conventions 4.2: the smallest useful set.
RIGHTS = ("resetkeys ~wardwatch:* resetchannels &wardwatch:* -@all +auth +ping +select +role +wait +client|setname +xadd "
          "+rpush +publish +xinfo|stream +xinfo|groups +cluster|slots +cluster|shards +asking +xrange +xlen")
ENDS_WITHIN = 10


class Sensor:
    """As a service runs it; its folder and its user's password file are there from one start to the next."""

    def __init__(self, program, folder, port, redis="", outbox=""):
        self.program, self.folder, self.socket = program, folder, folder / "s.sock"
        for path in (folder, folder / "out"):
            path.mkdir(exist_ok=True)
            shutil.chown(path, "nobody")
        config = folder / "c.yml"
        chain.configuration(config, port, f"backoff: {{initial: 50ms, max: 500ms}}{', ' if redis else ''}{redis}",
                            f"drain_timeout: 2s{', ' if outbox else ''}{outbox}")
        with open(config, "a") as f:
            f.write(f"sensor: {{user: nobody}}\nstatus: {{socket: {self.socket}}}\nmetrics: {{file: {folder}/m.prom}}\n")
        self.err = open(folder / "err", "a+")
        self.process = subprocess.Popen([program, "-i", "ward1", "-c", config, "-p", ward.TOP / "policies", "-o",
                                         folder / "out", "--state", folder / "s.db"], stderr=self.err)
        atexit.register(self.process.kill)
        self.wait(self.status, "it does not start")

    def said(self):
        return (self.folder / "err").read_text()[-3000:]

    def status(self):
        done = subprocess.run([self.program, "status", "--json", "--socket", self.socket], capture_output=True, text=True,
                              timeout=20, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait(self, until, what, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        chain.fail(f"{what}: {self.said()}")

    def packets(self):
        return self.status()["counters"]["packets"]

    def end(self, code=0):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            got = self.process.wait(3 * ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            chain.fail(f"it does not end: {self.said()}")
        took = time.monotonic() - began
        expect(got == code and took < ENDS_WITHIN, f"exit status {got} after {took:.1f} s: {self.said()}")

    def alerts(self):
        return [a["event"]["id"] for a in whole_lines(self.folder / "out" / "alerts.jsonl")]


def whole_lines(path):
    return [json.loads(line) for line in open(path) if line.endswith("\n")] if path.exists() else []


def password_file(folder):
    path = folder / "redis.pw"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    shutil.chown(path, "nobody")
    return path


def crowd(folder, people, first=0):
    chain.crowd(folder / "crowd.pcap", people, first)
    return frames_of(folder / "crowd.pcap")


def each_once(client, sensor):
    """Every alert that the files have, once."""
    wanted = sensor.alerts()
    found = chain.ids(client, "alert") + chain.ids(client, "health")
    missing = set(wanted) - set(found)
    twice = len(found) - len(set(found))
    return f"{len(missing)} are missing, {twice} are there twice" if missing or twice else ""


def figures(sensor):
    """The metrics by name and labels."""
    rows = (line.rsplit(" ", 1) for line in (sensor.folder / "m.prom").read_text().splitlines() if line[:1] not in "#")
    return {name: float(value) for name, value in rows}


def case_comes_and_goes(program, folder):
    """Away at the start, comes, goes, away at the end; the next start sends the rest."""
    make_pair("ward0", "ward1")
    port = chain.free_port()
    auth = f"auth: {{username: wardwatch, password_file: {password_file(folder)}}}"
    server = chain.redis(folder, "appendonly yes", f"user wardwatch on >{PASSWORD} {RIGHTS}", port=port)
    s = Sensor(program, folder / "s", port, redis=auth)
    frames = crowd(folder, 30)
    send(frames)
    s.wait(lambda: len(s.alerts()) >= 55, "no alerts")
    s.wait(lambda: s.status()["outbox"]["waiting"] >= 55, "nothing waits")
    seen = s.status()
    expect(seen["outputs"]["connected"] == [False] and seen["outputs"]["problem"][0] != "-", seen)
    server.start()
    client = server.client()
    s.wait(lambda: s.status()["outbox"]["waiting"] == 0 and s.status()["outputs"]["connected"] == [True], "it waits on")
    expect(not each_once(client, s), each_once(client, s))
    # In the midst of it.
    sender = threading.Thread(target=send, args=(crowd(folder, 60, 100),))
    sender.start()
    time.sleep(0.2)
    server.kill()
    sender.join()
    time.sleep(0.3)
    server.start()
    client = server.client()
    s.wait(lambda: len(s.alerts()) >= 55 + 110 and not each_once(client, s), "not all came")
    health = [json.loads(e["body"])["event"]["action"] for e in chain.stream(client, "health")]
    expect("sensor_alive" in health and "redis_unreachable" in health, health)
    server.kill()
    send(crowd(folder, 20, 200))
    s.wait(lambda: len(s.alerts()) >= 55 + 110 + 36, "no alerts")
    s.end()
    expect("wait in the outbox" in s.said(), s.said())
    waits = chain.alerts(program, folder / "s" / "s.db", "--waiting")
    expect(36 <= len(waits) <= 40, f"{len(waits)} wait")
    server.start()
    client = server.client()
    s = Sensor(program, folder / "s", port, redis=auth)
    s.wait(lambda: s.status()["outbox"]["waiting"] == 0, "the rest is not sent")
    s.end()
    expect(not each_once(client, s), each_once(client, s))
    assets(program, folder, client)
    expect(PASSWORD not in s.said() and "WARN" not in s.said() and "Sanitizer" not in s.said(), s.said())
    server.kill()


def assets(program, folder, client):
    """All devices, each document once, the last of each as the state file has it."""
    known = subprocess.run([program, "devices", "--state", folder / "s" / "s.db", "--json"], capture_output=True, text=True,
                           check=True).stdout
    known = {d["device"]["id"]: d for d in map(json.loads, known.splitlines())}
    found = [json.loads(e["body"]) for e in chain.stream(client, "asset")]
    names = [d["event"]["id"] for d in found]
    expect(len(names) == len(set(names)), "a device's document is there twice")
    last = {d["device"]["id"]: d for d in found}
    expect(set(last) == set(known), f"{len(known)} devices are known, {len(last)} were sent")


class Liar(threading.Thread):
    """A server that is not as Redis is: silent, slow (a byte each tenth of a second), garbage, endless, deep, wrong (ids
    that were not sent), hanging up."""

    WAYS = ("silent", "slow", "garbage", "endless", "deep", "wrong", "closing")

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.way, self.connections, self.served, self.over = "silent", [], [], False
        self.start()

    def run(self):
        while not self.over:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection, self.way), daemon=True).start()

    def serve(self, connection, way):
        try:
            while asked := connection.recv(65536):
                self.served.append(way)
                self.answer(connection, way, asked)
        except OSError:
            pass

    @staticmethod
    def answer(connection, way, asked):
        if way == "closing":
            connection.close()
        elif way == "slow":
            for octet in b"+OK\r\n" * 3:
                connection.send(bytes([octet]))
                time.sleep(0.1)
        elif way in ("wrong", "garbage", "endless", "deep"):
            told = {"garbage": b"\x00\xffSSH-2.0\r\n", "endless": b"$99999999999\r\n", "deep": b"*1\r\n" * 5000}
            for command in asked.split(b"\r\n*"):
                known = [(b"XADD", b"$3\r\n1-1\r\n"), (b"ROLE", b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
                         (b"XINFO", b"-ERR no such key\r\n"), (b"CLUSTER", b"-ERR This instance has cluster support disabled\r\n")]
                said = next((reply for word, reply in known if word in command), b"+OK\r\n")
                connection.send(told.get(way, said) if b"XADD" in command or way in told else said)

    def close(self):
        self.over = True
        for one in (self.listener, *self.connections):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


def unhurt(s, sent, alerts, what):
    """All packets were counted, none lost, and what they say was found within seconds."""
    s.wait(lambda: s.packets() == sent, f"{what}: packets")
    s.wait(lambda: len(s.alerts()) == alerts, f"{what}: {len(s.alerts())} alerts instead of {alerts}", 5)
    seen = s.status()
    expect(sum(seen["interfaces"]["dropped"]) == 0 and seen["counters"].get("events_lost", 0) == 0, f"{what}: {seen}")


def case_liars(program, folder):
    """Servers of all bad kinds, none at all, and a state file that somebody has locked: the rest does not notice. Then a
    good one: everything is there, once."""
    make_pair("ward0", "ward1")
    port = chain.free_port()
    liar = Liar(port)
    s = Sensor(program, folder / "s", port, redis="timeouts: {reply: 300ms}")
    sent = alerts = n = 0
    for way in (*Liar.WAYS, "locked", "away"):
        liar.way = way
        if way == "away":
            liar.close()
        for one in liar.connections:
            one.close()
        lock = sqlite3.connect(folder / "s" / "s.db", isolation_level=None) if way == "locked" else None
        if lock:
            lock.execute("PRAGMA busy_timeout = 5000")
            lock.execute("BEGIN IMMEDIATE")
        n += 1
        frames = crowd(folder, 12, n * 100)
        send(frames)
        sent, alerts = sent + len(frames), alerts + 22
        unhurt(s, sent, alerts, way)
        if way in Liar.WAYS:
            s.wait(lambda: any(w == way for w in liar.served), f"{way}: it was not asked", 5)
        if lock:
            lock.execute("ROLLBACK")
            lock.close()
    server = chain.redis(folder, port=port).start()
    s.wait(lambda: s.status()["outbox"]["waiting"] == 0, "it waits on")
    s.end()
    expect(not each_once(server.client(), s), each_once(server.client(), s))
    expect(s.status() is None and "Sanitizer" not in s.said(), s.said())
    server.kill()


def case_bound(program, folder):
    """Redis away, and an outbox that is soon full: the figures are what is missing in the end."""
    make_pair("ward0", "ward1")
    port = chain.free_port()
    s = Sensor(program, folder / "s", port, outbox="outbox: {max_bytes: 100KiB}")
    frames = crowd(folder, 60)
    send(frames)
    unhurt(s, len(frames), 110, "full")
    s.wait(lambda: s.status()["outbox"]["lost"] > 50, "nothing was lost")
    server = chain.redis(folder, port=port).start()
    client = server.client()
    s.wait(lambda: s.status()["outbox"]["waiting"] == 0 and chain.ids(client, "health"), "it waits on")

    def notes():
        return [n for n in (json.loads(e["body"]) for e in chain.stream(client, "health")) if n["event"]["action"] == "alerts_lost"]

    # A note too needs room: what goes for it is told ten seconds later.
    s.wait(lambda: s.status()["outbox"]["lost"] == sum(n["wardwatch"]["lost"]["all"] for n in notes()), "losses are not told", 30)
    missing = {}
    there = {*chain.ids(client, "alert"), *chain.ids(client, "health")}
    for a in whole_lines(folder / "s" / "out" / "alerts.jsonl"):
        if a["event"]["id"] not in there:
            missing[a["wardwatch"]["level"]] = missing.get(a["wardwatch"]["level"], 0) + 1
    told = {}
    for note in notes():
        for level, n in note["wardwatch"]["lost"].get("alert", {}).items():
            told[level] = told.get(level, 0) + n
    expect(told == missing, f"told {told}, missing {missing}")
    labels = {level: f'wardwatch_spool_lost_total{{class="alert",level="{level}"}}' for level in missing}
    s.wait(lambda: {level: figures(s).get(name) for level, name in labels.items()} == missing,
           f"{figures(s)} instead of {missing}")
    expect("lost since the state file was begun" in s.said(), s.said())
    s.end()
    server.kill()


def main(program, case):
    chain.skip_without_redis()
    namespace_or_skip()
    ip("link", "set", "lo", "up")
    with chain.folder() as folder:
        globals()[f"case_{case}"](program, Path(folder))
    print("good")


main(*sys.argv[1:])
