#!/usr/bin/env python3
"""usage: delivery.py PROGRAM CASE [SHIP_PROBE]
Alerts and devices from captures into a real redis-server, with sensors and servers that are killed, a bound that is too
small, servers that refuse. CASE is the name of a function below, without case_."""
import json
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import chain  # noqa: E402
import ward  # noqa: E402
from chain import expect  # noqa: E402

CAPTURES = [ward.TOP / "pcaps" / "ward.pcap", *sorted((ward.TOP / "pcaps" / "hl7").glob("*.pcap"))]


def written(output):
    """By class and id: what the files have."""
    both = {}
    for name in ("alerts", "devices"):
        for d in chain.lines(output / f"{name}.jsonl"):
            both.setdefault(d["wardwatch"]["class"], {})[d["event"]["id"]] = d
    return both


def case_replay(program, folder):
    """What is in the streams is what is in the files; the same again is not sent again, also by another sensor's run
    of other forms into a list."""
    server = chain.Server(folder, "redis").start()
    client = server.client()
    config = chain.configuration(folder / "c.yml", server.port)
    for turn in ("first", "again"):
        chain.replay(program, config, folder / "s.db", *CAPTURES, output=folder / turn)
        wanted = written(folder / "first")
        expect(len(wanted["alert"]) > 30 and len(wanted["asset"]) > 10, wanted.keys())
        for name, documents in wanted.items():
            found = chain.stream(client, name)
            expect(sorted(e["id"] for e in found) == sorted(documents), f"{turn}: {name}: ids differ, or one is there twice")
            expect(all(json.loads(e["body"]) == documents[e["id"]] for e in found), f"{turn}: {name}: a document differs")
            expect(all(e["kind"] == documents[e["id"]]["event"]["kind"] and e["v"] == "1" for e in found), "fields")
    for form in ("ecs", "eve", "ocsf"):
        more = f"mode: list, format: {form}, key: '{form}:%SENSOR%:%CLASS%'"
        config = chain.configuration(folder / f"{form}.yml", server.port, more)
        chain.replay(program, config, folder / f"{form}.db", *CAPTURES)
        for name, documents in wanted.items():
            bodies = client("LRANGE", f"{form}:{chain.SENSOR}:{name}", 0, -1)
            found = [chain.event_id(b) for b in bodies]
            expect(sorted(found) == sorted(documents), f"{form}: {name}: {found} instead of {list(documents)}")
    channel(program, folder, server, wanted)
    server.kill()


def channel(program, folder, server, wanted):
    listener = server.client()
    listener("PSUBSCRIBE", "heard:*")
    config = chain.configuration(folder / "p.yml", server.port, "mode: channel, key: 'heard:%CLASS%'")
    chain.replay(program, config, folder / "p.db", *CAPTURES)
    heard = {}
    for _ in range(sum(map(len, wanted.values()))):
        _, _, name, body = listener.read()
        heard.setdefault(name.removeprefix("heard:"), []).append(chain.event_id(body))
    expect({k: sorted(v) for k, v in heard.items()} == {k: sorted(v) for k, v in wanted.items()}, "heard something else")


def killed_once(command, client, rng, before):
    """Half of them while it reads, the others just after it began to deliver. True: it was killed, not over."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if rng.random() < 0.4:
        time.sleep(rng.uniform(0, 0.9))
    else:
        while process.poll() is None and client("XLEN", chain.key("alert")) + client("XLEN", chain.key("asset")) <= before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
    process.kill()
    return process.wait() != 0


def case_sensor_kills(program, folder, people="70", kills="50"):
    """A replay that is killed and begun again, often: in the end as if it had been left alone."""
    server = chain.Server(folder, "redis").start()
    client = server.client()
    alerts = chain.crowd(folder / "crowd.pcap", int(people))
    # One at a time, so that there is always something left to deliver.
    slowly = "batch: {max_entries: 1, in_flight: 1, max_delay: 1ms}"
    config = chain.configuration(folder / "c.yml", server.port, slowly)
    whole = chain.configuration(folder / "whole.yml", server.port, "key: 'whole:%CLASS%'")
    chain.replay(program, whole, folder / "whole.db", folder / "crowd.pcap", output=folder / "whole")
    wanted = written(folder / "whole")
    expect(len(wanted["alert"]) == alerts, f"{len(wanted['alert'])} alerts instead of {alerts}")
    command = chain.command(program, config, folder / "s.db", folder / "crowd.pcap", output=folder / "out")
    rng, landed, among = random.Random(17), 0, 0
    for _ in range(int(kills)):
        before = sum(client("XLEN", chain.key(c)) for c in chain.CLASSES)
        landed += killed_once(command, client, rng, before)
        among += sum(client("XLEN", chain.key(c)) for c in chain.CLASSES) > before
    print(f"{landed} kills, {among} of them in the midst of delivery")
    expect(landed >= int(kills) * 0.9 and among > int(kills) / 5, "it was over too soon: nothing is proved")
    chain.replay(program, config, folder / "s.db", folder / "crowd.pcap", output=folder / "out")
    for name, documents in wanted.items():
        found = chain.ids(client, name)
        expect(set(found) == set(documents), f"{name}: {set(found) ^ set(documents)}")
        expect(len(found) == len(documents), f"{name}: {len(found) - len(documents)} are there twice")
    expect(not chain.ids(client, "health"), "something of the sensor's health was told")
    server.kill()


def main(program, case, *more):
    chain.skip_without_redis()
    with chain.folder() as folder:
        globals()[f"case_{case}"](program, Path(folder), *more)
    print("good")


main(*sys.argv[1:])
