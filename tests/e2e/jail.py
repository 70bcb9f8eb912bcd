#!/usr/bin/env python3
"""usage: jail.py PROGRAM PROBE
What a jailed process cannot do, tried in a thread of each kind by PROBE (jail_probe.c), in a network namespace of its
own; the same without the jail is the control. Needs root."""
import os
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
import ward  # noqa: E402
from live import ip, make_pair, namespace_or_skip  # noqa: E402

# What each attempt gives without the jail; it has to be refused with it.
FREE = {"exec_nothing": "EFAULT", "trace": None, "sendfile_frame": None}
FILES = ("read_outside", "read_passwd", "write_outside", "write_read_only", "climb_out")
# What is refused to no kind, or to some.
EITHER = {"read_inside", "write_inside", "capture_frames", "make_thread", "allocate"}
# What has to work in the jail, by kind; any: in a thread that is of none.
NEEDED = {"any": EITHER | {"unlisted"}, "hub": {"allocate"}, "worker": {"allocate", "capture_frames"},
          "shipper": {"allocate", "read_inside", "write_inside"},
          "main": {"allocate", "read_inside", "write_inside", "make_thread"}}
AS_SERVICE = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all,+net_raw",
              "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", "--no-new-privs")
REFUSED = {"EPERM", "ENOSYS", "EACCES"}


class Sniffer(threading.Thread):
    """Counts the probe's frames at the other end of the wire."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
        self.socket.bind((name, 0x88b5))
        self.socket.settimeout(0.3)
        self.seen, self.stop = 0, False

    def run(self):
        while True:
            try:
                frame, where = self.socket.recvfrom(2048)
                self.seen += b"escaped" in frame and where[2] != socket.PACKET_OUTGOING
            except TimeoutError:
                if self.stop:
                    return

    def end(self):
        self.stop = True
        self.join()
        return self.seen


def folder_with(parts):
    folder = Path(tempfile.mkdtemp(prefix="ward-jail-"))
    folder.chmod(0o755)
    for name in parts:
        (folder / name).mkdir()
        (folder / name).chmod(0o777)  # that it is refused is Landlock's doing, not theirs
    for name in ("read/rules", "outside/secret"):
        (folder / name).write_text("x" * 64)
        (folder / name).chmod(0o644)
    return folder


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def probe(how, user="", prefix=()):
    """Results by kind and attempt, /proc's status, frames that got out, standard error, exit status."""
    folder = folder_with(("read", "write", "outside"))
    program = shutil.copy(sys.argv[2], folder / "probe")  # where anybody can run it
    server = socket.create_server(("127.0.0.1", 0), backlog=32)
    sniffer = Sniffer("ward1")
    sniffer.start()
    process = subprocess.Popen([*prefix, program, how, user, "ward0", str(server.getsockname()[1]), f"{folder}/"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    results, status = {}, {}
    for line in process.stdout:
        if line == "ready\n":
            status = status_of(process.pid)
            status["owner"] = os.stat(f"/proc/{process.pid}/status").st_uid
            break
        words = line.split()
        results.setdefault(words[0], {}).update({words[1]: words[-1]})
    stderr = process.communicate("\n", timeout=60)[1]
    server.close()
    shutil.rmtree(folder)
    return results, status, sniffer.end(), stderr, process.returncode


def check(what, wrong):
    print(("ok      " if not wrong else "FAILED  ") + what + (f": {wrong}" if wrong else ""))
    return bool(wrong)


def control():
    results, _, escaped, stderr, code = probe("none")
    wrong = [f"{kind} {name}: {got}" for kind, rows in results.items() if kind in NEEDED
             for name, got in rows.items()
             if FREE.get(name, "done") not in (None, got)
             and not (name in ("connect_elsewhere", "bind_and_listen") and got in ("EISCONN", "EINVAL"))]
    if code != 0 or escaped < 20 or len(results) < 6:
        wrong.append(f"exit status {code}, {escaped} frames sent, {len(results)} kinds: {stderr}")
    return check("without the jail everything works", wrong), "1" in results.get("sanitized", {})


def jailed(has_landlock, sanitized, what, prefix=(), bounds="0+"):
    results, status, escaped, stderr, code = probe("jail", prefix=prefix)
    wrong = []
    for kind, needed in NEEDED.items():
        for name, got in results.get(kind, {"nothing": "reported"}).items():
            if name in needed:
                bad = got != "done"
            elif name in EITHER or (name in FILES and not has_landlock and kind in ("any", "shipper", "main")):
                bad = False
            elif sanitized:
                bad = name in FILES and got not in REFUSED
            else:
                bad = got not in REFUSED
            if bad:
                wrong.append(f"{kind} {name}: {got}")
    if code != 0:
        wrong.append(f"exit status {code}: {stderr}")
    failed = check(f"{what}: in the jail it does not, and what has to work does", wrong)
    wrong = [f"{k}: {status.get(k)}" for k, pattern in
             {"Uid": r"(?!0\b)(\d+)\t\1\t\1\t\1", "Gid": r"(?!0\b)(\d+)\t\1\t\1\t\1", "CapEff": "0+", "CapPrm": "0+",
              "CapInh": "0+", "CapBnd": bounds, "CapAmb": "0+", "NoNewPrivs": "1",
              "Seccomp": "0" if sanitized else "2"}.items() if not re.fullmatch(pattern, status.get(k, "").strip())]
    if not sanitized and status.get("owner") != 0:
        wrong.append("it is dumpable")
    failed |= check(f"{what}: another user, no capabilities, no new ones, a filter", wrong)
    if not sanitized:
        failed |= check(f"{what}: not one frame got out", escaped and f"{escaped} did")
    return failed


def groups():
    """The user's groups, which stand in a file, are its own in the jail too."""
    with tempfile.NamedTemporaryFile("w", prefix="ward-group-") as file:
        file.write(Path("/etc/group").read_text() + "wardtest:x:54321:nobody\n")
        file.flush()
        prefix = ("unshare", "-m", "sh", "-c", f'mount --bind {file.name} /etc/group && exec "$@"', "sh")
        _, status, _, stderr, _ = probe("jail", "nobody", prefix)
    return check("groups of the user", "54321" not in status.get("Groups", "") and f"{status.get('Groups')} {stderr}")


def refusals():
    failed = False
    for user, words in (("no-such-user", "there is no user no-such-user"), ("root", "unprivileged user, not root")):
        *_, stderr, code = probe("jail", user)
        failed |= check(f"user {user}", code != 1 and f"exit status {code}", ) | \
            check(f"user {user}: why", words not in stderr and stderr)
    return failed


def brokers(pid, folder):
    """Of each process beside the sensor: it has given up its rights, hears no network and has none of its files."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    wrong = [] if children else ["there is no broker"]
    hearing = {line.split()[8] for line in Path("/proc/net/packet").read_text().splitlines()[1:]}
    for child in children:
        row = status_of(child)
        wrong += [f"broker: {k} {row.get(k)}" for k, pattern in
                  {"Uid": r"(?!0\b)(\d+)\t\1\t\1\t\1", "CapEff": "0+", "CapPrm": "0+", "CapBnd": "0+", "NoNewPrivs": "1",
                   "Seccomp": "2", "Threads": "1"}.items() if not re.fullmatch(pattern, row.get(k, "").strip())]
        for fd in Path(f"/proc/{child}/fd").iterdir():
            to = os.readlink(fd)
            if str(folder) in to or to.removeprefix("socket:[").removesuffix("]") in hearing:
                wrong.append(f"broker: has {to}")
    return wrong


def sensor():
    """The sensor itself: every thread of it, once it captures, and its end."""
    if "--interface" not in subprocess.run([sys.argv[1], "--help"], capture_output=True, text=True).stdout:
        print("this program captures from no interface: it is not tried")
        return False
    folder = folder_with(("read", "write", "outside"))
    # A server that is not there: who may connect is a process beside the sensor.
    (folder / "write/c.yml").write_text(f"status.socket: {folder}/write/s.sock\n"
                                        "output.redis.servers: ['redis://127.0.0.1:9']\n")
    process = subprocess.Popen([sys.argv[1], "-i", "ward0", "-j", "2", "-p", ward.TOP / "policies", "-c",
                                folder / "write/c.yml", "-o", folder / "write", "--state", folder / "write/s.db"],
                               stderr=subprocess.PIPE, text=True)
    wrong = ["not one in 20 seconds"]
    tasks, end = Path(f"/proc/{process.pid}/task"), time.monotonic() + 20
    while wrong and time.monotonic() < end and process.poll() is None:
        time.sleep(0.2)
        rows = [status_of(f"{process.pid}/task/{t.name}") for t in tasks.iterdir()]
        wrong = [f"{len(rows)} threads"] if len(rows) < 5 else []
        wrong += [f"thread {row['Pid']}: {k} {row.get(k)}" for row in rows for k, pattern in
                  {"Uid": r"(?!0\b)(\d+)\t\1\t\1\t\1", "CapEff": "0+", "CapPrm": "0+", "CapBnd": "0+", "NoNewPrivs": "1",
                   "Seccomp": "2", "Seccomp_filters": "2"}.items() if not re.fullmatch(pattern, row.get(k, "").strip())]
    if wrong and process.poll() is not None:
        wrong.append("it ended")
    wrong += brokers(process.pid, folder)
    process.terminate()
    stderr = process.communicate(timeout=30)[1]
    if process.returncode != 0 or (folder / "write/s.sock").exists() or not (folder / "write/summary.json").exists():
        wrong.append(f"exit status {process.returncode}, left {os.listdir(folder / 'write')}")
    shutil.rmtree(folder)
    return check("every thread of the sensor is in it", wrong and wrong + [stderr])


def main():
    namespace_or_skip()
    make_pair("ward0", "ward1")
    ip("link", "set", "lo", "up")
    has_landlock = subprocess.run([sys.executable, "-c", "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall("
                                   "444, None, 0, 1) < 1)"]).returncode == 0
    if not has_landlock:
        print("this kernel has no Landlock: files are not tried")
    failed, sanitized = control()
    failed |= jailed(has_landlock, sanitized, "root")
    # As the systemd unit starts it: the bounding set stays, and is nothing without exec.
    failed |= jailed(has_landlock, sanitized, "service", AS_SERVICE, "0+2000")
    failed |= groups()
    failed |= refusals()
    if not sanitized:
        failed |= sensor()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
