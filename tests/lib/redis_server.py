"""A redis-server of a test's own: a free port on loopback, a folder that goes away, killed and started again at will."""
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
import ward  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """Keeps its data over kill() and start(), as one with an append-only file does."""

    def __init__(self, folder, *settings):
        if not shutil.which("redis-server"):
            ward.skip("no redis-server")
        self.folder, self.port, self.settings, self.process = Path(folder), free_port(), settings, None
        self.start()

    def start(self):
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                 "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no", *self.settings],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                Client(self.port)("PING")
                return
            except (OSError, RuntimeError):
                time.sleep(0.05)
        sys.exit(f"redis-server does not start: {(self.folder / 'redis.log').read_text()[-500:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Client:
    """Commands, and replies as bytes, numbers and lists; a RuntimeError for an error reply."""

    def __init__(self, port):
        self.file = socket.create_connection(("127.0.0.1", port), timeout=30).makefile("rwb")

    def __call__(self, *words):
        self.send([words])
        return self.reply()

    def send(self, commands):
        for words in commands:
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            self.file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        self.file.flush()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        n = int(rest)
        if n < 0:
            return None
        return [self.reply() for _ in range(n)] if kind == b"*" else self.file.read(n + 2)[:-2]
