"""The judge judged: a good record of six slots in three zones passes, and each way to spoil it is refused by its own
sentence. The record goes through the binary form of ZooKeeper's log, so that its reader is tested with it."""

import copy
import json
import struct
import sys
import tempfile
from pathlib import Path

import judge
import transactions

ROOT = "/herd/berth/orders/"


def text(value):
    data = value.encode()
    return struct.pack(">i", len(data)) + data


def create(path, data="", ephemeral=True):
    acl = struct.pack(">i", 1) + struct.pack(">i", 31) + text("world") + text("anyone")
    return transactions.CREATE2, text(path) + text(data) + acl + struct.pack(">bi", ephemeral, 1)


def delete(path):
    return transactions.DELETE, text(path)


def multi(*parts):
    body = b"".join(struct.pack(">i", kind) + struct.pack(">i", len(data)) + data for kind, data in parts)
    return transactions.MULTI, struct.pack(">i", len(parts)) + body


def log(steps):
    """A log file: each step is (zxid, time, session, (kind, record))."""
    out = b"ZKLG" + struct.pack(">iq", 2, 0)
    for zxid, time, session, (kind, record) in steps:
        entry = struct.pack(">qiqqi", session, 0, zxid, time, kind) + record + b"\0" * 12
        out += struct.pack(">qi", 7, len(entry)) + entry + b"B"
    return out + b"\0" * 64


class Run:
    """A good run; tests change one thing of it."""

    def __init__(self):
        self.slots = [
            {"id": n, "zone": f"z{n % 3}", "volume": f"vol-{n}", "eni": f"eni-{n}"} for n in (0, 1, 2, 3, 4, 2147483647)
        ]
        self.slots[5]["zone"] = "z2"
        self.takers = {slot["id"]: f"i-{slot['id']}" for slot in self.slots}
        self.zones = {self.takers[slot["id"]]: slot["zone"] for slot in self.slots}
        self.order = [slot["id"] for slot in self.slots]
        self.journal, self.steps = [], []

    def event(self, at, name, **fields):
        self.journal.append({"at": at, "event": name, **fields})

    def step(self, time, session, step, epoch=1):
        self.steps.append(((epoch << 32) + len(self.steps) + 1, 1000 + time, session, step))

    def take(self, n, at, slot, instance, epoch):
        session, made = 100 + n, next(s for s in self.slots if s["id"] == slot)
        boot = json.dumps({"v": 1, "instance": instance, "token": "t"})
        claim = json.dumps({"v": 1, "state": "held", "holder": {"instance": instance}})
        intent, lock = f"{ROOT}intents/{slot}", f"{ROOT}lock/n-{n:010}"
        check = (transactions.CHECK, text(lock) + struct.pack(">i", 0))
        self.step(at, session, create(lock, boot), epoch)
        self.step(at + 1, session, multi(check, create(intent, boot)), epoch)
        self.step(at + 2, session, delete(lock), epoch)
        self.event(at + 3, "volume-attaching", volume=made["volume"], instance=instance)
        self.step(at + 4, session, multi(create(f"{ROOT}slots/{slot}", claim, False), delete(intent)), epoch)
        self.event(at + 5, "eni-attaching", eni=made["eni"], instance=instance)
        self.event(at + 6, "volume-attached", volume=made["volume"], instance=instance)
        self.event(at + 6, "eni-attached", eni=made["eni"], instance=instance)
        self.step(at + 7, 200 + n, create(f"/herd/brokers/ids/{slot}", "{}"), epoch)
        call = {"api": "cloudformation", "caller": instance, "params": {"Status": "SUCCESS"}}
        self.event(at + 8, "call", action="SignalResource", outcome="reset", **copy.deepcopy(call))
        self.event(at + 9, "call", action="SignalResource", outcome="ok", **call)
        self.event(at + 9, "signal", instance=instance, status="SUCCESS")
        self.step(at + 9, session, (transactions.CLOSE_SESSION, b""), epoch)

    def play(self):
        for instance, zone in self.zones.items():
            self.event(0, "instance-launched", instance=instance, zone=zone)
        for instance in self.zones:
            self.event(1, "instance-running", instance=instance)
        for n, slot in enumerate(self.order):
            self.take(n, 10 + 10 * n, slot, self.takers[slot], 1 if n < 3 else 2)
        return self

    def write(self, directory):
        (directory / "zookeeper").mkdir()
        made = {"slots": self.slots, "chroot": "/herd", "cluster": "orders", "epoch": 1000}
        (directory / "made.json").write_text(json.dumps(made))
        (directory / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in self.journal))
        half = len(self.steps) // 2
        (directory / "zookeeper" / "log.1").write_bytes(log(self.steps[: half + 2]))
        (directory / "zookeeper" / f"log.{self.steps[half][0]:x}").write_bytes(log(self.steps[half:]))

    def judged(self, leader_killed=True):
        with tempfile.TemporaryDirectory() as directory:
            self.write(Path(directory))
            return judge.judge(judge.Record.read(Path(directory)), leader_killed)

    def without(self, keep):
        self.journal = [entry for entry in self.journal if keep(entry)]
        return self


def of(entry, name, **fields):
    return entry["event"] == name and all(entry.get(key) == value for key, value in fields.items())


def duplicate_slot():
    run = Run().play()
    run.event(90, "volume-attaching", volume="vol-1", instance="i-4")
    return run, "the volume of slot 1 was attached 2 times: i-1, i-4"


def wrong_zone():
    run = Run()
    run.takers[0], run.takers[1] = run.takers[1], run.takers[0]
    return run.play(), "slot 0 of z0 went to i-1 of z1"


def skipped_slot():
    run = Run()
    run.order.remove(0)
    run.order.append(0)
    return run.play(), "i-3 intended slot 3 while slot 0 of its zone was free"


def skipped_slot_of_a_lost_intent():
    run = Run().play()
    # The first intent ends with its session before anything was attached or claimed, and nobody notices.
    run.without(lambda e: not of(e, "volume-attaching", volume="vol-0"))
    run.steps[3] = run.steps[3][:3] + (delete(f"{ROOT}nothing"),)
    return run, "i-3 intended slot 3 while slot 0 of its zone was free"


def two_slots_of_one():
    run = Run()
    run.takers[3] = run.takers[0]
    return run.play(), "i-0 has 2 slots by its volume attachments"


def two_claims_of_one():
    run = Run()
    run.takers[3] = run.takers[0]
    return run.play(), "i-0 has two claims"


def missing_instance():
    run = Run()
    run.order.pop()
    return run.play(), "i-2147483647 has 0 slots by its volume attachments"


def missing_launch():
    run = Run().play().without(lambda e: not of(e, "instance-launched", instance="i-4"))
    return run, "5 instances were launched for 6 slots"


def half_a_slot():
    run = Run().play().without(lambda e: not of(e, "eni-attaching", eni="eni-2"))
    return run, "the eni of slot 2 was attached 0 times"


def parts_of_two_instances():
    run = Run().play()
    next(e for e in run.journal if of(e, "eni-attaching", eni="eni-0"))["instance"] = "i-3"
    return run, "slot 0: {'volume': 'i-0', 'eni': 'i-3'}"


def given_up():
    run = Run().play()
    run.event(95, "volume-detaching", volume="vol-2", instance="i-2")
    return run, "volume-detaching: the volume of slot 2 from i-2"


def never_attached():
    run = Run().play().without(lambda e: not of(e, "volume-attached", volume="vol-2"))
    return run, "the volume of slot 2 never was attached to the end"


def told_twice():
    run = Run().play()
    run.event(99, "signal", instance="i-1", status="SUCCESS")
    return run, "the stack heard 2 SUCCESS signals of i-1"


def told_nothing():
    run = Run().play().without(lambda e: not of(e, "signal", instance="i-1"))
    return run, "the stack heard 0 SUCCESS signals of i-1"


def told_failure():
    run = Run().play()
    params = {"Status": "FAILURE"}
    run.event(99, "call", api="cloudformation", action="SignalResource", caller="i-1", params=params, outcome="ok")
    return run, "i-1 told FAILURE: ok"


def left_intent():
    run = Run().play()
    run.step(99, 999, create(f"{ROOT}intents/0", '{"instance": "i-0"}'), 2)
    return run, f"{ROOT}intents/0 was left behind"


def intent_on_a_claimed_slot():
    run = Run().play()
    run.step(98, 999, create(f"{ROOT}intents/0", '{"instance": "i-3"}'), 2)
    run.step(99, 999, delete(f"{ROOT}intents/0"), 2)
    return run, "i-3 intended slot 0, whose claim was held"


def left_lock():
    run = Run().play()
    run.step(99, 999, create(f"{ROOT}lock/n-0000000099", "{}"), 2)
    return run, f"{ROOT}lock/n-0000000099 was left behind"


def claim_that_changed_hands():
    run = Run().play()
    claim = json.dumps({"state": "held", "holder": {"instance": "i-1"}})
    run.step(99, 101, (transactions.SET, text(f"{ROOT}slots/0") + text(claim) + struct.pack(">i", 1)), 2)
    return run, "the claim of slot 0 went from i-0 to i-1"


def without_intent():
    run = Run().play()
    run.steps[1] = run.steps[1][:3] + (delete(f"{ROOT}nothing"),)
    return run, "i-0 attached slot 0 without an intent of its own"


def not_registered():
    run = Run().play()
    run.steps[4] = run.steps[4][:3] + (delete(f"{ROOT}nothing"),)
    return run, "no broker 0 is registered"


def lost_instance():
    run = Run().play()
    run.event(99, "instance-shutting-down", instance="i-3")
    return run, "i-3: instance-shutting-down"


def leader_lived():
    run = Run().play()
    run.steps = [((1 << 32) + (zxid & 0xFFFFFFFF), *rest) for zxid, *rest in run.steps]
    return run, "all intents are of one epoch"


SPOILT = [
    duplicate_slot, wrong_zone, skipped_slot, skipped_slot_of_a_lost_intent, two_slots_of_one, two_claims_of_one,
    missing_instance, missing_launch, half_a_slot, parts_of_two_instances, given_up, never_attached, told_twice, told_nothing,
    told_failure, left_intent, intent_on_a_claimed_slot, left_lock, claim_that_changed_hands, without_intent, not_registered,
    lost_instance, leader_lived,
]  # fmt: skip


def main():
    failed = 0
    wrong, facts = Run().play().judged()
    if wrong or facts["intents_by_epoch"] != {"1": 3, "2": 3} or facts["first_running_to_last_success_s"] != 0.068:
        print(f"a good record was judged {wrong} {facts}")
        failed += 1
    for spoil in SPOILT:
        run, sentence = spoil()
        wrong, _ = run.judged()
        if not any(sentence in said for said in wrong):
            print(f"{spoil.__name__}: {sentence!r} is not among {wrong}")
            failed += 1
    print(f"the judge's self-test: {len(SPOILT)} bad records, {failed} judged wrongly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
