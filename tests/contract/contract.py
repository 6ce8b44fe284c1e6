"""The region judged by somebody else's parser: boto3 and the aws CLI, unchanged, against `region serve`.

Every call that berth makes, and every call that builds a world, is made over HTTP with real signatures. What comes back
is asserted as boto3 parsed it; errors by the codes that boto3 found. Each test_* function of a rules_* file is one rule;
they run in order, on one world.
"""

import json
import os
import subprocess
import sys
import time
import traceback

import rules_boot
import rules_faults
import rules_groups
import rules_world
from client import ZONE_A, World

WORLD = """
[settings]
seed = 11
many_interfaces = 100000

[settings.delays]
instance_pending = { fixed = 150 }
instance_shutting_down = { fixed = 300 }
instance_stopping = { fixed = 100 }
volume_create = { fixed = 100 }
volume_attach = { fixed = 200 }
volume_detach = { fixed = 150 }
eni_attach = { fixed = 200 }
eni_detach = { fixed = 150 }
group_launch = { fixed = 50 }
group_notice = { fixed = 50 }
hook_proceed = { fixed = 50 }
health_check = { fixed = 100 }
console_output = { fixed = 100 }
imds_new_interface = { fixed = 0 }
imds_device_number = { fixed = 0 }
imds_target_state = { fixed = 0 }
"""


def serve(region, config, *more):
    server = subprocess.Popen([region, "serve", "--config", config, *more], stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line:
        server.wait()
        sys.exit(f"contract test: {region} serve ended with code {server.returncode} before it was ready")
    return server, json.loads(line)


def main():
    region, aws_cli = sys.argv[1], sys.argv[2]
    here = os.path.dirname(os.path.abspath(__file__))
    world = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"region-contract-{os.getpid()}.toml")
    with open(world, "w") as file:
        file.write(WORLD)
        # The instance whose metadata is served; it is in a group's stead tagged for the stack `mine`.
        file.write(f'[[subnet]]\nname = "m"\nzone = "{ZONE_A}"\ncidr = "10.0.8.0/24"\n')
        file.write('[[instance]]\nname = "me"\nsubnet = "m"\n[instance.launch]\nprofile = "berth"\n')
        file.write('tags = { "aws:cloudformation:stack-name" = "mine" }\n')
    server, endpoints = serve(region, world, "--imds", "127.0.0.1:0", "--imds-as", "me")
    failed = 0
    try:
        w = World(endpoints, aws_cli)
        tests = [
            (name, test)
            for rules in (rules_world, rules_boot, rules_groups, rules_faults)
            for name, test in vars(rules).items()
            if name.startswith("test_")
        ]
        for name, test in tests:
            began = time.monotonic()
            try:
                test(w)
                print(f"ok    {name[5:].replace('_', ' ')} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED {name[5:].replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
        print(f"{len(tests) - failed} of {len(tests)} rules hold ({os.path.relpath(here)})", flush=True)
    finally:
        server.terminate()
        server.wait()
        os.unlink(world)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
