"""`cluster.yaml` with `ray up` against a stand-in for the cloud, which hands out our hosts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster._hosts import DESK, NET, ROOT, Hosts, ray
from tests.cluster.test_up import lean, succeed, wait, written

pytestmark = [
     pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip

MINE = "203.0.113.7"
ENDPOINT = f"http://{NET}.1:5000"
CLOUD = {
    "AWS_ENDPOINT_URL": ENDPOINT, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-west-2",
}  # fmt: skip

# Said by the desk, where alone the stand-in can be reached.
NETWORK = f"""
import boto3, sys
ec2 = boto3.client("ec2", "us-west-2")
vpc = ec2.create_vpc(CidrBlock="{NET}.0/24")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="{NET}.0/24", AvailabilityZone="us-west-2a")
ec2.import_key_pair(KeyName="desk", PublicKeyMaterial=open(sys.argv[1], "rb").read())
print(vpc, subnet["Subnet"]["SubnetId"])
"""
LOOK = """
import boto3, json
ec2 = boto3.client("ec2", "us-west-2")
found = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
groups = ec2.describe_security_groups()["SecurityGroups"]
print(json.dumps([found, groups], default=str))
"""


@contextmanager
def cloud(hosts: Hosts) -> Iterator[None]:
    """The stand-in, on the desk."""
    server = [sys.executable, "-m", "moto.server", "-H", f"{NET}.1", "-p", "5000"]
    with open(hosts.folder / "cloud.log", "wb") as log:
        process = subprocess.Popen(
            hosts.inside(DESK, *server), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            knock = ["bash", "-c", f"</dev/tcp/{NET}.1/5000"]
            wait(lambda: hosts.run(DESK, *knock).returncode == 0, 60)
            yield
        finally:
            process.kill()  # What it has started ends with its host.
            process.wait(20)


def told(hosts: Hosts, *command: str) -> str:
    done = hosts.run(DESK, sys.executable, *command, **CLOUD)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(hosts: Hosts) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All instances and all security groups there are."""
    instances, groups = json.loads(told(hosts, "-c", LOOK))
    return instances, groups


def in_the_cloud(hosts: Hosts, group: str, subnet: str) -> Path:
    """The shipped file with its blanks filled in, in the hosts' network."""
    text = (ROOT / "cluster.yaml").read_text().replace("sg-SET-ME", group)
    values: dict[str, Any] = yaml.safe_load(text.replace("ami-SET-ME", "ami-12c6146b"))
    values["provider"] |= {"use_internal_ips": True, "availability_zone": "us-west-2a"}
    values["auth"] = {"ssh_user": "root", "ssh_private_key": str(hosts.key)}
    for kind in values["available_node_types"].values():
        kind["node_config"] |= {"SubnetIds": [subnet], "KeyName": "desk"}
    told = " ".join(f"{name}={value}" for name, value in CLOUD.items())
    return written(hosts, lean(values, f"export {told}", cpus=None))


def test_the_cloud_gives_what_the_file_asks_for_and_takes_it_back(three_hosts: Hosts) -> None:
    hosts = three_hosts
    hosts.run(DESK, sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate")
    with cloud(hosts):
        vpc, subnet = told(hosts, "-c", NETWORK, f"{hosts.key}.pub").split()
        setup = ["-m", "clusters.aws_setup", "--bucket", "b", "--ssh-from", MINE, "--vpc", vpc]
        told(hosts, *setup)
        said = told(hosts, *setup)  # A second time changes nothing.
        group = said.split("[")[1].split("]")[0]
        path = str(in_the_cloud(hosts, group, subnet))

        succeed(ray(hosts, "up", "-y", "--no-config-cache", path, **CLOUD))
        instances, groups = look(hosts)
        assert [i["InstanceType"] for i in instances] == ["m5.large"]
        assert "InstanceLifecycle" not in instances[0]
        assert hosts.processes("h0", "gcs_server")

        # A trial's demand, without a trial: one machine is asked for, and only one.
        asking = "from ray.autoscaler.sdk import request_resources as r; import ray; ray.init(); "
        succeed(ray(hosts, "exec", path, f"python -c '{asking} r(bundles=[{{\"GPU\": 1}}])'",
                    **CLOUD))  # fmt: skip
        wait(lambda: len(look(hosts)[0]) == 2, 120)
        instances, groups = look(hosts)
        (worker,) = (i for i in instances if i["InstanceType"] != "m5.large")
        assert worker["InstanceType"] == "g5.xlarge"
        assert worker["InstanceLifecycle"] == "spot"
        assert "captcha-search-worker" in worker["IamInstanceProfile"]["Arn"]
        assert_closed(instances, groups, group)

        succeed(ray(hosts, "down", "-y", path, **CLOUD))
        assert {i["State"]["Name"] for i in look(hosts)[0]} == {"terminated"}


def assert_closed(instances: list[dict[str, Any]], groups: list[dict[str, Any]], ours: str) -> None:
    """All inside may talk; from outside there is ssh from one address, and nothing else."""
    used = {g["GroupId"] for i in instances for g in i["SecurityGroups"]}
    assert used == {ours}
    assert not [g for g in groups if g["GroupName"].startswith("ray-")]
    (group,) = (g for g in groups if g["GroupId"] == ours)
    outside = [
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), where["CidrIp"])
        for rule in group["IpPermissions"]
        for where in rule["IpRanges"]
    ]
    assert outside == [("tcp", 22, 22, f"{MINE}/32")]
    inside = [pair["GroupId"] for rule in group["IpPermissions"]
              for pair in rule["UserIdGroupPairs"]]  # fmt: skip
    assert inside == [ours]
    assert not any(rule.get("Ipv6Ranges") for rule in group["IpPermissions"])
