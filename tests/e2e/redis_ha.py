#!/usr/bin/env python3
"""usage: redis_ha.py PROGRAM CASE
The whole sensor into a Redis that is more than one server. CASE is the name of a function below, without case_."""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import chain  # noqa: E402
from chain import expect  # noqa: E402
from redis_nodes import Client, Server, cluster_call, owner_of, skip_without_redis, start_cluster, start_sentinels  # noqa: E402


def wanted_of(program, folder, crowd):
    """Ids by class, of a run into files."""
    (folder / "none.yml").write_text("{}\n")
    chain.replay(program, folder / "none.yml", folder / "none.db", crowd, output=folder / "out")
    return {name: sorted(d["event"]["id"] for d in chain.lines(folder / "out" / f"{file}.jsonl"))
            for name, file in (("alert", "alerts"), ("asset", "devices"))}


def case_cluster(program, folder):
    """Two sensors, three nodes, each sensor beginning with the wrong one: each key space where its slot is, each id once."""
    chain.crowd(folder / "crowd.pcap", 60)
    wanted = wanted_of(program, folder, folder / "crowd.pcap")
    nodes = start_cluster(folder)
    for sensor in "ward-east", "ward-west":
        first = nodes.index(owner_of(nodes, cluster_call(nodes[0].port, "CLUSTER", "KEYSLOT", chain.key("alert", sensor)))) + 1
        config = chain.configuration(folder / f"{sensor}.yml", "PORT")
        servers = ", ".join(f"'redis://127.0.0.1:{nodes[n % 3].port}'" for n in range(first, first + 3))
        config.write_text(f"sensor: {{name: {sensor}}}\n" + config.read_text().replace("'redis://127.0.0.1:PORT'", servers))
        chain.replay(program, config, folder / f"{sensor}.db", folder / "crowd.pcap")
        for name, ids in wanted.items():
            slot = cluster_call(nodes[0].port, "CLUSTER", "KEYSLOT", chain.key(name, sensor))
            found = chain.ids(owner_of(nodes, slot).client(), name, sensor)
            expect(sorted(found) == ids, f"{sensor} {name}: {len(found)} entries instead of {len(ids)}")
        print(sensor, {name: len(ids) for name, ids in wanted.items()}, "at", owner_of(nodes, slot).port, "asked", nodes[first % 3].port)


def case_sentinel(program, folder):
    """The master's address comes from the sentinels; a second run finds the one that took over."""
    chain.crowd(folder / "crowd.pcap", 60)
    wanted = wanted_of(program, folder, folder / "crowd.pcap")
    master, replica, sentinels = start_sentinels(folder)
    password = folder / "password"
    password.write_text("pw")
    password.chmod(0o600)
    servers = ", ".join(f"'127.0.0.1:{s.port}'" for s in sentinels)
    config = chain.configuration(folder / "c.yml", master.port,
                                 f"sentinel: {{master: siem, servers: [{servers}]}}, auth: {{password_file: '{password}'}}")
    config.write_text(config.read_text().replace(f"'redis://127.0.0.1:{master.port}'",
                                                 f"'redis://127.0.0.1:{master.port}', 'redis://127.0.0.1:{replica.port}'"))

    def check(server, sensor, what):
        client = Client(server.port)
        client("AUTH", "pw")
        for name, ids in wanted.items():
            found = chain.ids(client, name, sensor)
            expect(sorted(found) == ids, f"{what} {name}: {len(found)} entries instead of {len(ids)}")
        role = client("ROLE")[0]
        client.close()
        return role

    chain.replay(program, config, folder / "one.db", folder / "crowd.pcap")
    expect(check(master, chain.SENSOR, "before") == "master", "the wrong one")
    time.sleep(0.5)
    master.kill()
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if cluster_call(sentinels[0].port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "siem")[1] == str(replica.port):
            break
        time.sleep(0.1)
    config.write_text(config.read_text().replace("output:", "sensor: {name: second}\noutput:"))
    chain.replay(program, config, folder / "two.db", folder / "crowd.pcap")
    expect(check(replica, "second", "after") == "master", "the wrong one")


def main():
    program, case = sys.argv[1:]
    skip_without_redis()
    with chain.folder() as folder:
        try:
            globals()["case_" + case](program, Path(folder))
        finally:
            Server.kill_all()
    print("ok")


main()
