#!/usr/bin/env python3
"""Judges one run of the herd by two records that berth did not write: the region's journal and ZooKeeper's transaction log.

    judge.py DIRECTORY [--leader-killed]
    judge.py --self-test

DIRECTORY holds journal.jsonl (one event of the region a line), made.json (the slots as they were made) and zookeeper/ (a
server's transaction log, see transactions.py). Prints the figures of the run as one JSON line and exits with 0, or prints
every rule that was broken and exits with 1. Needs nothing but Python's standard library.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import transactions

# Outcomes of a call after which its sender cannot know that it was heard, and tells it again.
UNHEARD = {"reset", "lost", "Throttling", "RequestLimitExceeded", "InternalFailure", "ServiceUnavailable"}


class Record:
    """What the run left: `made`, the journal's events, and ZooKeeper's operations below the run's chroot."""

    def __init__(self, made, journal, operations):
        self.slots = {slot["id"]: slot for slot in made["slots"]}
        self.root = f"{made['chroot']}/berth/{made['cluster']}/"
        self.ids = f"{made['chroot']}/brokers/ids/"
        self.epoch = made["epoch"]
        self.journal = journal
        self.operations = [op for op in operations if op.path is None or op.path.startswith(made["chroot"] + "/")]
        self.slot_of = {slot[part]: slot["id"] for slot in made["slots"] for part in ("volume", "eni")}

    @classmethod
    def read(cls, directory):
        made = json.loads((directory / "made.json").read_text())
        journal = [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]
        return cls(made, journal, transactions.read(directory / "zookeeper"))

    def events(self, *names):
        return [entry for entry in self.journal if entry["event"] in names]


def judge(record, leader_killed):
    """What is wrong, as sentences, and the figures."""
    wrong, facts = [], {}
    zones = instances(record, wrong)
    attachments(record, zones, wrong)
    claims(record, zones, wrong, facts)
    signals(record, zones, wrong)
    times(record, wrong, facts)
    if leader_killed:
        epochs = facts["intents_by_epoch"]
        if len(epochs) < 2:
            wrong.append(f"the leader was to be killed in mid-claim, but all intents are of one epoch: {epochs}")
    return wrong, facts


def instances(record, wrong):
    """Every instance launched once and never lost: as many as there are slots."""
    launched = record.events("instance-launched")
    zones = {entry["instance"]: entry["zone"] for entry in launched}
    if len(launched) != len(record.slots):
        wrong.append(f"{len(launched)} instances were launched for {len(record.slots)} slots")
    for entry in record.events("instance-failed", "instance-shutting-down", "instance-terminated", "health-set"):
        wrong.append(f"{entry['instance']}: {entry['event']}")
    return zones


def attachments(record, zones, wrong):
    """Each slot's volume and interface went to one instance of its zone, once, and both to the same."""
    holders = {}
    for kind in ("volume", "eni"):
        accepted = [entry for entry in record.events(f"{kind}-attaching") if entry[kind] in record.slot_of]
        attached = {entry[kind] for entry in record.events(f"{kind}-attached")}
        for entry in record.events(f"{kind}-detaching", f"{kind}-detached"):
            if entry[kind] in record.slot_of:
                wrong.append(f"{entry['event']}: the {kind} of slot {record.slot_of[entry[kind]]} from {entry['instance']}")
        for slot in record.slots.values():
            of = [entry["instance"] for entry in accepted if entry[kind] == slot[kind]]
            if len(of) != 1:
                wrong.append(f"the {kind} of slot {slot['id']} was attached {len(of)} times: {', '.join(of)}")
                continue
            holders.setdefault(slot["id"], {})[kind] = of[0]
            if zones.get(of[0]) != slot["zone"]:
                wrong.append(f"slot {slot['id']} of {slot['zone']} went to {of[0]} of {zones.get(of[0])}")
            if slot[kind] not in attached:
                wrong.append(f"the {kind} of slot {slot['id']} never was attached to the end")
        count = Counter(entry["instance"] for entry in accepted)
        for instance in zones:
            if count[instance] != 1:
                wrong.append(f"{instance} has {count[instance]} slots by its {kind} attachments")
    for slot, of in holders.items():
        if len(set(of.values())) != 1:
            wrong.append(f"slot {slot}: {of}")
    record.holders = {slot: of.get("volume") for slot, of in holders.items()}


def claims(record, zones, wrong, facts):
    """The order of the intents, and what was left: by ZooKeeper's transactions, one after the other."""
    nodes, owners = {}, {}
    accepted = [(record.epoch + e["at"], record.slot_of[e["volume"]], e["instance"])
                for e in record.events("volume-attaching") if e["volume"] in record.slot_of]
    intents, claimed, epochs, waiting, last_epoch = [], {}, Counter(), None, None
    for op in record.operations:
        if op.kind == "close":
            gone = [path for path, session in owners.items() if session == op.session]
            for path in gone:
                nodes.pop(path, None)
                owners.pop(path, None)
            continue
        if op.kind == "delete":
            nodes.pop(op.path, None)
            owners.pop(op.path, None)
            continue
        if op.kind == "create" and op.path.startswith(record.root + "intents/"):
            slot, instance = int(op.path.rsplit("/", 1)[1]), json.loads(op.data)["instance"]
            epoch = op.zxid >> 32
            if last_epoch is not None and epoch != last_epoch and waiting is None:
                waiting = sum(path.startswith(record.root + "lock/") for path in nodes)
            last_epoch = epoch
            epochs[str(epoch)] += 1
            intents.append((op.time, slot, instance))
            wrong.extend(not_lowest(record, nodes, accepted, zones, op.time, slot, instance))
        if op.path.startswith(record.root + "slots/"):
            slot, claim = int(op.path.rsplit("/", 1)[1]), json.loads(op.data)
            holder = (claim.get("holder") or {}).get("instance")
            before = claimed.get(slot)
            if before is not None and holder != before:
                wrong.append(f"the claim of slot {slot} went from {before} to {holder}")
            claimed[slot] = holder
        nodes[op.path] = op.data
        if op.session:
            owners[op.path] = op.session
    for when, slot, instance in accepted:
        if not any(t <= when and (slot, instance) == (s, i) for t, s, i in intents):
            wrong.append(f"{instance} attached slot {slot} without an intent of its own")
    for slot in record.slots:
        if claimed.get(slot) is None or claimed.get(slot) != record.holders.get(slot):
            wrong.append(f"the claim of slot {slot} names {claimed.get(slot)}, its volume is on {record.holders.get(slot)}")
        if f"{record.ids}{slot}" not in nodes:
            wrong.append(f"no broker {slot} is registered")
    twice = [i for i, n in Counter(i for i in claimed.values() if i).items() if n > 1]
    wrong.extend(f"{instance} has two claims" for instance in twice)
    left = [path for path in nodes if path.startswith((record.root + "intents/", record.root + "lock/"))]
    wrong.extend(f"{path} was left behind" for path in left)
    facts.update(intents=len(intents), intents_by_epoch=dict(epochs))
    if waiting is not None:
        facts["in_the_lock_queue_after_the_new_election"] = waiting


def not_lowest(record, nodes, accepted, zones, time, slot, instance):
    """At the moment of an intent, each lower slot of the zone is intended, claimed, or attached already."""
    chosen = record.slots.get(slot)
    if chosen is None:
        yield f"{instance} intended slot {slot}, which does not exist"
        return
    if chosen["zone"] != zones.get(instance):
        yield f"{instance} of {zones.get(instance)} intended slot {slot} of {chosen['zone']}"
    if json.loads(nodes.get(f"{record.root}slots/{slot}") or "{}").get("state") == "held":
        yield f"{instance} intended slot {slot}, whose claim was held"
    for lower in sorted(id for id, other in record.slots.items() if id < slot and other["zone"] == chosen["zone"]):
        claim = json.loads(nodes.get(f"{record.root}slots/{lower}") or "{}")
        taken = (
            f"{record.root}intents/{lower}" in nodes
            or claim.get("state") == "held"
            or any(of == lower and when <= time for when, of, _ in accepted)
        )
        if not taken:
            yield f"{instance} intended slot {slot} while slot {lower} of its zone was free"


def signals(record, zones, wrong):
    """One SUCCESS of each instance, heard by the stack, and no other outcome told."""
    heard = Counter((entry["instance"], entry["status"]) for entry in record.events("signal"))
    for instance in zones:
        if heard[(instance, "SUCCESS")] != 1:
            wrong.append(f"the stack heard {heard[(instance, 'SUCCESS')]} SUCCESS signals of {instance}")
    for entry in record.events("call"):
        if entry["action"] == "SignalResource" and entry["outcome"] not in UNHEARD:
            if entry["params"].get("Status") != "SUCCESS" or entry["outcome"] != "ok":
                wrong.append(f"{entry['caller']} told {entry['params'].get('Status')}: {entry['outcome']}")


def times(record, wrong, facts):
    """How long it took, and what EC2 refused on the way."""
    running = [entry["at"] for entry in record.events("instance-running")]
    told = [entry["at"] for entry in record.events("signal")]
    if len(running) != len(record.slots) or not told:
        wrong.append(f"{len(running)} instances ran, {len(told)} signals were heard")
        return
    calls = [entry for entry in record.events("call") if entry["api"] == "ec2" and entry["caller"]]
    refused = Counter(f"{entry['action']} {entry['outcome']}" for entry in calls if entry["outcome"] != "ok")
    facts.update(
        instances=len(running),
        first_running_to_last_running_s=(max(running) - min(running)) / 1000,
        first_running_to_last_success_s=(max(told) - min(running)) / 1000,
        ec2_calls=len(calls),
        refused=dict(refused),
    )


def main(arguments):
    if arguments == ["--self-test"]:
        import self_test

        return self_test.main()
    directories = [a for a in arguments if not a.startswith("--")]
    unknown = [a for a in arguments if a.startswith("--") and a != "--leader-killed"]
    if len(directories) != 1 or unknown:
        print(__doc__, file=sys.stderr)
        return 2
    wrong, facts = judge(Record.read(Path(directories[0])), "--leader-killed" in arguments)
    for sentence in wrong:
        print(sentence)
    if not wrong:
        print(json.dumps(facts))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
