"""The whole chain of a test: the sensor, its state file, a Redis server, and what is in it in the end."""
import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import ward  # noqa: E402
from redis_nodes import Client, RedisError, Server, free_port, skip_without_redis  # noqa: E402, F401

sys.path.append(str(ward.TOP / "tools/lib"))
from capture import dicom, net  # noqa: E402

SENSOR = "wardwatch"  # sensor.name, where nothing else is configured
CLASSES = ("alert", "asset", "health")


def redis(folder, *options, port=None):
    """A server that ends with the test, however that ends; not started."""
    server = Server(folder, "redis", *options, port=port)
    atexit.register(server.kill)
    return server


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def expect(condition, text):
    if not condition:
        fail(text)


def key(name, sensor=SENSOR):
    return f"wardwatch:{{{sensor}}}:{name}"


def configuration(path, port, redis="", more=""):
    """redis: further keys of output.redis, more: of the file; each a YAML flow's inside."""
    Path(path).write_text(f"output: {{redis: {{servers: ['redis://127.0.0.1:{port}']{', ' if redis else ''}{redis}}}"
                          f"{', ' if more else ''}{more}}}\n")
    return path


def command(program, config, state, *captures, output=None):
    return [program, "-q", "-c", config, "-p", ward.TOP / "policies", "--state", state,
            *(word for c in captures for word in ("-r", c)), *(("-o", output) if output else ())]


def replay(program, config, state, *captures, output=None, status=0):
    done = subprocess.run(command(program, config, state, *captures, output=output), capture_output=True, text=True,
                          timeout=ward.SECONDS, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    expect(done.returncode == status, f"exit status {done.returncode}: {done.stderr}")
    return done


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def stream(client, name, sensor=SENSOR):
    """Entries, oldest first: of each its fields."""
    found, start = [], "-"
    while True:
        part = client("XRANGE", key(name, sensor), start, "+", "COUNT", 2000)
        found += [dict(zip(fields[::2], fields[1::2])) for _, fields in part]
        if len(part) < 2000:
            return found
        start = "(" + part[-1][0]


def ids(client, name, sensor=SENSOR):
    return [e["id"] for e in stream(client, name, sensor)]


def event_id(document):
    """In any of the three forms."""
    d = json.loads(document) if isinstance(document, str) else document
    if "event" in d:
        return d["event"]["id"]
    return d["metadata"]["uid"] if "metadata" in d else d["wardwatch"]["id"]


def alerts(program, state, *options):
    """What `wardwatch alerts --json` says."""
    done = subprocess.run([program, "alerts", "--state", state, "--json", *options], capture_output=True, text=True,
                          timeout=ward.SECONDS, check=False)
    expect(done.returncode == 0, f"wardwatch alerts: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def folder():
    made = tempfile.TemporaryDirectory(prefix="ward-chain-")
    os.chmod(made.name, 0o755)
    return made


def crowd(path, people, first=0):
    """So many machines that each send a patient in clear over HL7 (high), every second an image archive's association
    (low), every third a Telnet password (high): as many alerts as all of these, and as many devices as machines and three. first: number of the first, others are others."""
    c = net.Capture()
    lis, pacs, old = (net.Host(f"00:05:69:20:00:{n}", f"10.9.0.{n}") for n in (12, 13, 14))
    for i in range(people):
        n = first + i
        host = net.Host(f"00:01:e3:11:{n >> 8:02x}:{n & 255:02x}", f"10.8.{n >> 8}.{n & 255}")
        t = c.tcp(host, lis, 2575)
        t.send(b"\x0bMSH|^~\\&|HIS|X|LAB|X|1||ADT^A01|%d|P|2.5\rPID|1||%d||Other^Person\r\x1c\r" % (i, i))
        t.fin()
        if i % 2 == 0:
            t = c.tcp(host, pacs, 104)
            t.send(dicom.associate_rq("CT1", "PACS", [(dicom.CT_STORAGE, [dicom.EXPLICIT])]))
            t.reply(dicom.associate_ac("CT1", "PACS", [dicom.EXPLICIT]))
            t.send(dicom.release_rq())
            t.reply(dicom.release_rp())
            t.fin()
        if i % 3 == 0:
            t = c.tcp(host, old, 23)
            for n, word in enumerate((b"login: ", b"root\r\n", b"root\r\nPassword: ", b"xyzzy1\r\n", b"\r\n$ ")):
                (t.send if n % 2 else t.reply)(word)
            t.fin()
    c.write(path)
    return people + (people + 1) // 2 + (people + 2) // 3
