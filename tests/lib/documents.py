"""All documents that the sensor makes of pcaps/, and their keys: what the files of tools/siem are held against."""
import sys

sys.dont_write_bytecode = True
import ward  # noqa: E402


def leaves(value, prefix=""):
    """(dotted key, value) of each leaf; of a list each element."""
    for key, v in value.items():
        if isinstance(v, dict):
            yield from leaves(v, f"{prefix}{key}.")
        else:
            for one in v if isinstance(v, list) else [v]:
                yield prefix + key, one


class Documents:
    def __init__(self, program):
        self.alerts, self.devices, self.events, self.raw = [], [], [], []
        for capture in sorted(ward.TOP.glob("pcaps/**/*.pcap")):
            run = ward.Run(program, capture)
            run.must_be_good(capture.name)
            self.alerts += run.lines("alerts.jsonl")
            self.devices += run.lines("devices.jsonl")
            self.events += run.lines("events.jsonl")
            self.raw += run.files["alerts.jsonl"].splitlines() + run.files["devices.jsonl"].splitlines()

    def all(self):
        return self.alerts + self.devices

    def keys(self):
        return {key for d in self.all() for key, _ in leaves(d)}
