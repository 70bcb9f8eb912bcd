#!/usr/bin/env python3
"""usage: status.py PROGRAM TEST_STATUS
`wardwatch status` and HTTP's clients against a status socket that is served, and against what is none."""
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import prometheus  # noqa: E402

PROGRAM, SERVER = sys.argv[1:3]
failures = []


def check(name, good, shown=""):
    if not good:
        failures.append(f"{name}: {shown!r}")


def status(*words):
    done = subprocess.run([PROGRAM, "status", *words], capture_output=True, timeout=60, text=True)
    return done.returncode, done.stdout, done.stderr


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(path, url, method="GET"):
    connection = UnixHTTP(path)
    connection.request(method, url)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


def wrong_words():
    for words, says in [(["--bogus"], "--bogus is not an option"), (["--socket"], "--socket needs an argument"),
                        (["now"], "now: no such word"), (["--socket", "/nonexistent/s"], "No such file"),
                        (["--socket", "x" * 200], "File name too long"), (["--socket", "/etc/passwd"], "refused")]:
        code, out, err = status(*words)
        check(" ".join(words), code == 1 and says in err and not out, err)
    code, out, err = status("--help")
    check("--help", code == 0 and "--socket PATH" in out and not err, out)


def no_sensor(folder):
    """Something else answers: nothing, or words."""
    path = f"{folder}/other"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        for words, says in [(b"", "No data available"), (b"hello: {\n", "is no sensor")]:
            asking = subprocess.Popen([PROGRAM, "status", "--socket", path], stderr=subprocess.PIPE, text=True)
            for _ in range(2 if words else 1):
                client, _ = other.accept()
                client.recv(100)
                client.sendall(words)
                client.close()
            _, err = asking.communicate(timeout=30)
            check("another answers", asking.returncode == 1 and says in err, err)


def served(path):
    code, out, err = status("--socket", path)
    check("page", code == 0 and not err, err)
    check("page", out.startswith("ward-east-1: wardwatch ") and "now 1,000 a second" in out, out)
    code, out, err = status("--socket", path, "--json")
    check("--json", code == 0 and json.loads(out)["tables"]["name"] == ["conversations", "devices"], out)
    code, kind, text = get(path, "/metrics")
    check("GET /metrics", code == 200 and kind.startswith("text/plain; version=0.0.4"), (code, kind))
    prometheus.check_conventions(prometheus.read(text))
    code, kind, text = get(path, "/status")
    check("GET /status", code == 200 and kind == "application/json" and json.loads(text)["devices"] == 77, text)
    check("GET /", get(path, "/")[0] == 404)
    check("secrets", "patient" not in text.lower().replace("alert_patients", ""), text)
    full(path)


def full(path):
    """What an attacker in the group can do costs himself only: a crowd that is silent, and one that shouts."""
    crowd = []
    for i in range(300):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.settimeout(10)
        crowd.append(client)
        try:
            client.sendall((b"j" * 9000, b"sta", b"GET / HT", b"\0" * 5000)[i % 4])
        except OSError:
            pass  # dropped already
    began = time.monotonic()
    code, out, err = status("--socket", path, "--json")
    check("beside a crowd", code == 0 and time.monotonic() - began < 5, err)
    for client in crowd:
        client.close()


def main():
    with tempfile.TemporaryDirectory(prefix="ward-") as folder:
        path = f"{folder}/status.sock"
        wrong_words()
        no_sensor(folder)
        server = subprocess.Popen([SERVER, path], stdin=subprocess.PIPE)
        for _ in range(100):
            if Path(path).exists():
                break
            time.sleep(0.1)
        served(path)
        server.communicate(timeout=30)
        check("end", server.returncode == 0 and not Path(path).exists(), server.returncode)
    for failure in failures:
        print(failure)
    sys.exit(bool(failures))


main()
