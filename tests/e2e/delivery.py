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
    server = chain.redis(folder).start()
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


def all_there(client, wanted):
    for name, documents in wanted.items():
        found = chain.ids(client, name)
        expect(set(found) == set(documents), f"{name}: {set(found) ^ set(documents)}")
        expect(len(found) == len(documents), f"{name}: {len(found) - len(documents)} are there twice")


def case_sensor_kills(program, folder, people="70", kills="50"):
    """A replay that is killed and begun again, often: in the end as if it had been left alone."""
    server = chain.redis(folder).start()
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
    rng, landed, among, rounds = random.Random(17), 0, 0, 0
    while landed < int(kills) and rounds < int(kills):
        before = sum(client("XLEN", chain.key(c)) for c in chain.CLASSES)
        was_killed = killed_once(command, client, rng, before)
        landed += was_killed
        among += sum(client("XLEN", chain.key(c)) for c in chain.CLASSES) > before
        if not was_killed:  # all is delivered: looked at, and once more from the beginning
            rounds += 1
            all_there(client, wanted)
            client("FLUSHALL")
            for file in folder.glob("s.db*"):
                file.unlink()
    print(f"{landed} kills, {among} of them in the midst of delivery, {rounds} times to the end between them")
    expect(landed == int(kills) and among > int(kills) / 5, "it was over too soon: nothing is proved")
    chain.replay(program, config, folder / "s.db", folder / "crowd.pcap", output=folder / "out")
    all_there(client, wanted)
    expect(not chain.ids(client, "health"), "something of the sensor's health was told")
    server.kill()


PROBED = chain.key("alert")


def kill_servers(server, process, kills, rng, length):
    """At random, each time after something new came; how many it was before all was delivered."""
    done = before = 0
    while done < kills and process.poll() is None:
        client = server.client()
        while process.poll() is None and client(length, PROBED) <= before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        before = client(length, PROBED)
        client.close()
        server.kill()
        time.sleep(rng.uniform(0, 0.05))
        server.start()
        done += 1
    return done


def probed(probe, folder, count, kills, mode, length):
    """Synthetic alerts through outbox and output, while the server is killed again and again."""
    server = chain.redis(folder, "appendonly yes", "appendfsync always").start()
    config = chain.configuration(folder / "c.yml", server.port, f"mode: {mode}, backoff: {{max: 1s}}")
    rate = max(int(count) // (int(kills) * 3 // 4), 1)
    with open(folder / "result", "w") as result:
        process = subprocess.Popen([probe, config, folder / "s.db", count, str(rate), "1000"], stdout=result)
        done = kill_servers(server, process, int(kills), random.Random(23), length)
        expect(process.wait(ward.SECONDS) == 0, "the probe failed")
    figures = json.loads((folder / "result").read_text())
    print(f"{done} kills, {figures}")
    expect(done == int(kills), f"only {done} kills before all was delivered")
    expect(figures["waiting"] == 0 and figures["lost"] == 0, figures)
    return server, {f"e1-{n:020d}" for n in range(1, int(count) + 1)}


def case_server_kills(_, folder, probe, count="30000", kills="20"):
    server, wanted = probed(probe, folder, count, kills, "stream", "XLEN")
    found = chain.ids(server.client(), "alert")
    expect(set(found) == wanted, f"{len(wanted - set(found))} are missing")
    expect(len(found) == len(wanted), f"{len(found) - len(wanted)} are there twice")
    server.kill()


def case_server_kills_list(_, folder, probe, count="20000", kills="12"):
    """At least once, and what is there twice is equal."""
    server, wanted = probed(probe, folder, count, kills, "list", "LLEN")
    bodies = [b for at in range(0, server.client()("LLEN", PROBED), 2000)
              for b in server.client()("LRANGE", PROBED, at, at + 1999)]
    expect({chain.event_id(b) for b in bodies} == wanted, "some are missing")
    expect(len(set(bodies)) == len(wanted), "two bodies of one id")
    expect(len(bodies) - len(wanted) <= int(kills) * 1024, f"{len(bodies) - len(wanted)} duplicates")
    print(f"{len(bodies) - len(wanted)} duplicates")
    server.kill()


LEVELS = ["informational", "low", "medium", "high", "critical"]


def lost_of(program, state):
    """The table at the end of `wardwatch alerts`, by class and level."""
    said = subprocess.run([program, "alerts", "--state", state], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in said.partition("\nLOST ")[2].splitlines()[1:]]
    return {(name, level): int(n.replace(",", "").replace("\u202f", "")) for name, level, n in rows}


def by_level(documents):
    count = {}
    for d in documents:
        at = (d["wardwatch"]["class"], d["wardwatch"].get("level", "informational"))
        count[at] = count.get(at, 0) + 1
    return count


def case_losses(program, folder):
    """An outbox that is too small while Redis is away: the lowest levels go first, the oldest of them; what is said of
    the losses is what is missing."""
    port = chain.free_port()
    chain.crowd(folder / "crowd.pcap", 200)
    outbox = "outbox: {max_bytes: 500KiB}, drain_timeout: 1s"
    config = chain.configuration(folder / "c.yml", port, "backoff: {max: 500ms}", outbox)
    chain.replay(program, config, folder / "s.db", folder / "crowd.pcap", output=folder / "out")
    wanted = written(folder / "out")
    everything = wanted["alert"] | wanted["asset"] | wanted.get("health", {})
    rows = chain.alerts(program, folder / "s.db", "--class", "all")
    expect(all(r["delivery"] == {"redis": "waiting"} for r in rows), "delivered to nobody")
    sizes = {r["id"]: len(json.dumps(r["document"], separators=(",", ":"), ensure_ascii=False).encode()) for r in rows}
    expect(rows and sum(sizes.values()) <= 500 << 10, f"{len(rows)} are kept")
    kept = {r["id"] for r in rows if r["class"] != "health"}
    gone = [d for i, d in everything.items() if i not in kept]
    rank = {i: LEVELS.index(d["wardwatch"].get("level", "informational")) for i, d in everything.items()}
    order = [d["event"]["id"] for d in chain.lines(folder / "out" / "alerts.jsonl")]
    highest = max(rank[d["event"]["id"]] for d in gone)
    # One that came late may be small enough for what a larger one left free.
    expect(sum(sizes[i] for i in kept if rank[i] < highest) <= max(sizes.values()), "a lower one was kept, a higher one went")
    last = max(order.index(d["event"]["id"]) for d in gone if rank[d["event"]["id"]] == highest)
    expect(all(order.index(i) > last for i in kept if rank[i] == highest), "an older one was kept")
    lost = lost_of(program, folder / "s.db")
    # What the sensor itself had to say, that Redis is away, is as old as the oldest.
    own = {("health", "high"): lost[("health", "high")]} if ("health", "high") in lost else {}
    expect(lost == by_level(gone) | own and sum(own.values()) <= 1, f"{lost}, not {by_level(gone)}")
    told(program, folder, config, port, kept, lost)


def told(program, folder, config, port, kept, gone):
    """Redis comes: what was kept is there, and the numbers of the rest."""
    server = chain.redis(folder, port=port).start()
    chain.replay(program, config, folder / "s.db", ward.TOP / "pcaps" / "arp" / "neighbors.pcap")
    client = server.client()
    expect(kept <= {*chain.ids(client, "alert"), *chain.ids(client, "asset")}, "what was kept was not sent")
    notes = [json.loads(e["body"]) for e in chain.stream(client, "health")]
    notes = [n for n in notes if n["event"]["action"] == "alerts_lost"]
    expect(len(notes) == 1, f"{len(notes)} notes of losses")
    lost = notes[0]["wardwatch"]["lost"]
    expect(lost.pop("from") <= lost.pop("to"), "its time range")
    expect(lost.pop("all") == sum(gone.values()), lost)
    expect({(c, level): n for c, levels in lost.items() for level, n in levels.items()} == gone, f"{lost}, not {gone}")
    server.kill()


def main(program, case, *more):
    chain.skip_without_redis()
    with chain.folder() as folder:
        globals()[f"case_{case}"](program, Path(folder), *more)
    print("good")


main(*sys.argv[1:])
