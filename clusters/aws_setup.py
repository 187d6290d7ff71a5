"""One-time set-up on AWS of what `cluster.yaml` needs and Ray does not make.

    python -m clusters.aws_setup --bucket BUCKET --ssh-from MY_ADDRESS

A security group that lets in ssh from one address and nothing else from outside, for Ray's default
opens ssh to the world; and a role each for head and workers, for Ray's default lets the head do
anything with EC2 and S3, and the workers nothing at all. The bucket has to exist.
"""

import ipaddress
import json
from typing import Any

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

GROUP = "captcha-search"
HEAD, WORKER = "captcha-search-head", "captcha-search-worker"

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# What the autoscaler on the head asks of EC2.
_LAUNCH = [
    "ec2:CreateTags", "ec2:DeleteTags", "ec2:Describe*", "ec2:RunInstances",
    "ec2:TerminateInstances", "ec2:StopInstances", "ec2:StartInstances",
    "ec2:CancelSpotInstanceRequests",
]  # fmt: skip


@click.command()
@click.option("--bucket", required=True, help="Where runs are kept.")
@click.option("--ssh-from", required=True, help="Your address as the cloud sees it: 203.0.113.7.")
@click.option("--region", default="us-west-2", show_default=True)
@click.option("--vpc", help="Network of the cluster; by default the region's default one.")
def setup(bucket: str, ssh_from: str, region: str, vpc: str | None) -> None:
    """Make the security group and the roles; prints what to write into cluster.yaml."""
    source = address(ssh_from)
    try:
        import boto3
    except ImportError:
        raise InputError("AWS needs the extra `cluster`: make setup, or add boto3") from None

    ec2, iam = boto3.client("ec2", region), boto3.client("iam")
    group = security_group(ec2, source, vpc or _default_vpc(ec2, region))
    worker = role(iam, WORKER, _storing(bucket))
    launching = {"Effect": "Allow", "Action": _LAUNCH, "Resource": "*"}
    handing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": worker}
    role(iam, HEAD, [*_storing(bucket), launching, handing])
    click.echo(f"security_groups: &security_groups [{group}]      # ssh from {source} alone")
    click.echo(f"roles {HEAD} and {WORKER} may use the bucket {bucket}")


def address(text: str) -> str:
    """One address as a network of its own, or a network that is not all of them.

    Raises:
        InputError: neither, or open to the world.
    """
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError:
        raise InputError(f"--ssh-from {text!r}: give an address such as 203.0.113.7") from None
    if network.version != 4 or network.prefixlen < 16:
        raise InputError(f"--ssh-from {text}: too wide, or not IPv4; at most a /16 may come in")
    return str(network)


def security_group(ec2: Any, source: str, vpc: str) -> str:
    """Id of the group, made or brought to exactly these rules: all inside, ssh from one source."""
    named = [{"Name": "group-name", "Values": [GROUP]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    if found:
        group: str = found[0]["GroupId"]
        if found[0]["IpPermissions"]:
            ec2.revoke_security_group_ingress(
                GroupId=group, IpPermissions=found[0]["IpPermissions"]
            )
    else:
        about = "Search cluster: ssh from one address"
        group = ec2.create_security_group(GroupName=GROUP, Description=about, VpcId=vpc)["GroupId"]
    inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": source}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[inside, ssh])
    return group


def role(iam: Any, name: str, statements: list[dict[str, Any]]) -> str:
    """ARN of a role that machines may take on, made or brought to exactly this policy."""
    exists = iam.exceptions.EntityAlreadyExistsException
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    except exists:
        pass
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])


def _storing(bucket: str) -> list[dict[str, Any]]:
    arn = f"arn:aws:s3:::{bucket}"
    inside = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    return [
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": arn},
        {"Effect": "Allow", "Action": inside, "Resource": f"{arn}/*"},
    ]


def _default_vpc(ec2: Any, region: str) -> str:
    default = [{"Name": "is-default", "Values": ["true"]}]
    found = ec2.describe_vpcs(Filters=default)["Vpcs"]
    if not found:
        raise InputError(f"{region} has no default network: name one with --vpc")
    return str(found[0]["VpcId"])


if __name__ == "__main__":
    command_line(setup)
