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


def cluster_call(port, *words):
    c = Client(port)
    reply = c(*words)
    c.close()
    return reply


def start_cluster(folder, size=3):
    """So many masters, each with its share of the slots."""
    nodes = [Server(folder, f"node{i}", "cluster-enabled yes", "cluster-node-timeout 2000", "appendonly yes",
                    f"cluster-port {free_port()}").start() for i in range(size)]
    subprocess.run(["redis-cli", "--cluster", "create", *[f"127.0.0.1:{n.port}" for n in nodes], "--cluster-yes"], check=True,
                   capture_output=True, timeout=60)
    end = time.monotonic() + 20
    while time.monotonic() < end and not all("cluster_state:ok" in cluster_call(n.port, "CLUSTER", "INFO") for n in nodes):
        time.sleep(0.1)
    return nodes


def owner_of(nodes, slot):
    for node in nodes:
        for low, high, (host, port, *_), *_ in cluster_call(node.port, "CLUSTER", "SLOTS"):
            if low <= slot <= high:
                return next(n for n in nodes if n.port == port)
    sys.exit(f"nobody has slot {slot}")


def node_id(node):
    return cluster_call(node.port, "CLUSTER", "MYID")


def move_slot(nodes, slot, source, target, pause):
    """As redis-cli --cluster reshard does it, with pauses, so that ASK is seen."""
    cluster_call(target.port, "CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
    cluster_call(source.port, "CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))
    time.sleep(pause)
    for key in cluster_call(source.port, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        reply = cluster_call(source.port, "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        if reply != "OK":
            sys.exit(f"MIGRATE {key}: {reply}")
        time.sleep(pause)
    for node in (target, source, *nodes):
        cluster_call(node.port, "CLUSTER", "SETSLOT", slot, "NODE", node_id(target))


def start_sentinels(folder, password="pw"):
    """A master, a replica that has caught up, and three sentinels that know of both and of each other."""
    common = ["repl-diskless-sync-delay 0", "repl-timeout 5", f"requirepass {password}", f"masterauth {password}", "appendonly yes"]
    master = Server(folder, "master", *common).start()
    replica = Server(folder, "replica", f"replicaof 127.0.0.1 {master.port}", *common).start()
    sentinels = [Server(folder, f"sentinel{i}", f"sentinel monitor siem 127.0.0.1 {master.port} 2",
                        f"sentinel auth-pass siem {password}", "sentinel down-after-milliseconds siem 500",
                        "sentinel failover-timeout siem 3000", sentinel=True).start() for i in range(3)]
    c = Client(replica.port)
    c("AUTH", password)
    end = time.monotonic() + 15
    while "master_link_status:up" not in c("INFO", "replication") and time.monotonic() < end:
        time.sleep(0.05)
    c.close()
    for sentinel in sentinels:
        while time.monotonic() < end:
            master_is = cluster_call(sentinel.port, "SENTINEL", "MASTER", "siem")
            known = dict(zip(master_is[::2], master_is[1::2]))
            if known["num-slaves"] == "1" and known["num-other-sentinels"] == "2":
                break
            time.sleep(0.1)
    return master, replica, sentinels
