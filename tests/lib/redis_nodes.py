"""Redis servers of a test: started on free loopback ports in a temporary folder, killed, asked."""
import os
import shutil
import socket
import subprocess
import sys
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """The protocol's few lines, so that the tests need no package. Errors come back as RedisError values."""

    def __init__(self, port, timeout=10, path=None):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        n = int(rest)
        if n < 0:
            return None
        if kind == b"$":
            return self.file.read(n + 2)[:-2].decode()
        return [self.read() for _ in range(n)]

    def __call__(self, *words):
        self.send(*words)
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()


class RedisError(str):
    pass


class Server:
    """redis-server with these options; its folder stays until close, so that it can be started again."""

    all = []

    @classmethod
    def kill_all(cls):
        for server in cls.all:
            server.kill()

    def __init__(self, folder, name, *options, port=None, sentinel=False, plain=True):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.port = port or free_port()
        self.options = list(options)
        self.sentinel = sentinel
        self.process = None
        self.plain = plain
        self.all.append(self)

    def start(self, *more, wait=True):
        config = os.path.join(self.folder, "redis.conf")
        if not os.path.exists(config):
            lines = ["bind 127.0.0.1", f"dir {self.folder}", "daemonize no", 'logfile "log"']
            lines += [f"port {self.port}"] if self.plain else ["port 0", f"tls-port {self.port}"]
            if not self.sentinel:
                lines += ['save ""']
            with open(config, "w") as f:
                f.write("\n".join(lines + self.options) + "\n")
        more = ["--sentinel", *more] if self.sentinel else more
        self.process = subprocess.Popen(["redis-server", config, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if wait:
            self.wait()
        return self

    def wait(self, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                time.sleep(0.01)
        with open(os.path.join(self.folder, "log")) as f:
            sys.exit(f"redis-server did not start:\n{f.read()[-2000:]}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self):
        """When it has loaded its data."""
        client = Client(self.port)
        while str(client("PING")).startswith("LOADING"):
            time.sleep(0.01)
        return client


def skip_without_redis():
    if not shutil.which("redis-server"):
        print("skipped: no redis-server here (Debian: redis-server)")
        sys.exit(77)
