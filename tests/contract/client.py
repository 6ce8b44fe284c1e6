"""The clients that judge, and short ways to say what is expected of an answer."""

import json
import os
import subprocess
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-central-1"
ZONE_A, ZONE_B = REGION + "a", REGION + "b"
QUICK = {"Delay": 0.05, "MaxAttempts": 200}

class World:
    """The clients, and what the tests build up in order."""

    def __init__(self, endpoints, aws_cli):
        self.at = endpoints
        self.aws_cli = aws_cli
        self.ec2 = self.client("ec2")
        self.asg = self.client("autoscaling")
        self.cfn = self.client("cloudformation")

    def client(self, service, key=None, secret=None, token=None, region=REGION, attempts=1):
        return boto3.client(
            service,
            endpoint_url=self.at["api"],
            region_name=region,
            aws_access_key_id=key or self.at["access_key"],
            aws_secret_access_key=secret or self.at["secret"],
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=10),
        )

    def aws(self, *words, check=True, secret=None):
        """The aws CLI's answer, parsed; or, with check=False, its exit code and stderr."""
        env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            "AWS_ACCESS_KEY_ID": self.at["access_key"],
            "AWS_SECRET_ACCESS_KEY": secret or self.at["secret"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.at["api"],
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
        }
        done = subprocess.run([self.aws_cli, "--output", "json", *words], env=env, capture_output=True, text=True)
        if not check:
            return done.returncode, done.stderr
        assert done.returncode == 0, f"aws {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.at["control"] + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def journal(self):
        return [json.loads(line) for line in self.control("GET", "journal").splitlines()]

    def fault(self, **fault):
        self.control("POST", "faults", fault)

    def imds(self, path):
        base = self.at["imds"]
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        put = urllib.request.Request(base + "/latest/api/token", headers=ttl, method="PUT")
        token = urllib.request.urlopen(put, timeout=10).read().decode()
        get = urllib.request.Request(base + path, headers={"X-aws-ec2-metadata-token": token})
        return urllib.request.urlopen(get, timeout=10).read().decode()


def tags(kind, **pairs):
    return [{"ResourceType": kind, "Tags": [{"Key": k.replace("__", ":"), "Value": v} for k, v in pairs.items()]}]


def refused(code, call, **params):
    """The error, if the call is refused with this code."""
    try:
        answer = call(**params)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"wanted {code}, got {got}: {error.response['Error']['Message']}"
        assert error.response["ResponseMetadata"]["RequestId"], "no request id in the error"
        return error.response
    raise AssertionError(f"wanted {code}, and it was done: {answer}")


def until(what, look, wanted, timeout=10):
    deadline = time.monotonic() + timeout
    while True:
        seen = look()
        if seen == wanted:
            return
        assert time.monotonic() < deadline, f"{what}: wanted {wanted!r}, still {seen!r} after {timeout} s"
        time.sleep(0.02)
