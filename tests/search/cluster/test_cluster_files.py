"""The cluster files through Ray's own validation, and what they must say for safety."""

import ast
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from captcha_models.errors import InputError
from clusters.aws_setup import address

ROOT = Path(__file__).parents[3]
FILES = ("cluster.yaml", "clusters/onprem.yaml", "clusters/gcp.yaml")
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")


def load(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return values


def prepared(values: dict[str, Any]) -> dict[str, Any]:
    """What Ray makes of a cluster file; raises, or ends, where it refuses it."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    config: dict[str, Any] = prepare_config(copy.deepcopy(values))
    validate_config(config)
    return config


@pytest.mark.parametrize("name", FILES)
def test_ray_accepts_the_file(name: str) -> None:
    config = prepared(load(name))
    assert config["cluster_name"] == "captcha-search"
    assert config["max_workers"] >= 1


def _spoilt(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    values = load("cluster.yaml")
    change(values)
    return values


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(setup_comands=[]),
        lambda c: c["available_node_types"]["gpu"].update(max_worker=3),
        lambda c: c["available_node_types"]["gpu"].pop("resources"),
        lambda c: c["available_node_types"]["gpu"]["resources"].update(GPU=0.5),
        lambda c: c.update(head_node_type="hed"),
    ],
)
def test_rays_validation_does_look(change: Callable[[dict[str, Any]], object]) -> None:
    import jsonschema

    with pytest.raises((ValueError, KeyError, jsonschema.ValidationError)):
        prepared(_spoilt(change))


@pytest.mark.parametrize("name", FILES)
def test_every_start_asks_for_the_token_and_every_machine_gets_it(name: str) -> None:
    values = load(name)
    for key in STARTS:
        starts = [line for line in values[key] if "ray start" in line]
        assert len(starts) == 1
        assert "RAY_AUTH_MODE=token ray start" in starts[0]
    assert values["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "--dashboard-host=127.0.0.1" in " ".join(values[STARTS[0]])
    assert "RAY_AUTH_MODE=token" in " ".join(values["setup_commands"])


@pytest.mark.parametrize("name", FILES)
def test_the_head_trains_nothing_and_commands_there_use_the_cluster(name: str) -> None:
    values = load(name)
    assert "--num-cpus=0 --num-gpus=0" in " ".join(values["head_start_ray_commands"])
    told = " ".join(values["head_setup_commands"])
    assert "RAY_ADDRESS=auto" in told
    assert "CAPTCHA_STORAGE=" in told
    assert "CAPTCHA_PRICES=" in told


@pytest.mark.parametrize("name", FILES)
def test_the_working_copy_goes_to_every_machine(name: str) -> None:
    """Every package that a search imports, and nothing that is not there."""
    mounts = load(name)["file_mounts"]
    sent = {Path(local).name for local in mounts.values()}
    for local in mounts.values():
        assert local.startswith("~") or (ROOT / local).exists(), local
    imported = set()
    for package in sent & {"captcha_models", "spaces", "search"}:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module.partition(".")[0])
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert imported & ours <= sent
    assert {"Makefile", "README.md", "LICENSE", "requirements.lock", "pyproject.toml"} <= sent


def test_cloud_machines_open_nothing_by_themselves_and_are_terminated() -> None:
    """Ray makes a group open to the world for each node type that names none."""
    values = load("cluster.yaml")
    assert values["provider"]["cache_stopped_nodes"] is False
    for kind in values["available_node_types"].values():
        assert kind["node_config"]["SecurityGroupIds"] == ["sg-SET-ME"]
    worker = values["available_node_types"]["gpu"]
    assert worker["min_workers"] == 0
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert values["available_node_types"]["head"]["resources"] == {"CPU": 0, "GPU": 0}


def test_what_has_to_be_set_stands_at_the_top() -> None:
    text = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
    top, line, rest = text.partition("# ---- The rest may stay")
    assert line
    assert top.count("SET-ME") == 3
    assert "SET-ME" not in rest


def test_ray_reads_the_kubernetes_manifest() -> None:
    """By the code that Ray's autoscaler runs in the head pod."""
    from ray.autoscaler._private.kuberay.autoscaling_config import (
        _derive_autoscaling_config_from_ray_cr,
    )
    from ray.autoscaler._private.util import validate_config

    manifest = load("clusters/kuberay.yaml")
    manifest["metadata"]["namespace"] = "default"
    config = _derive_autoscaling_config_from_ray_cr(manifest)
    validate_config(config)
    kinds = config["available_node_types"]
    assert kinds["gpu"]["resources"]["GPU"] == 1
    assert (kinds["gpu"]["min_workers"], kinds["gpu"]["max_workers"]) == (1, 8)
    assert kinds[config["head_node_type"]]["resources"]["CPU"] == 0
    assert manifest["spec"]["authOptions"] == {"mode": "token"}
    assert manifest["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_ssh_comes_from_an_address_and_not_from_everywhere() -> None:
    assert address("203.0.113.7") == "203.0.113.7/32"
    assert address("203.0.113.0/24") == "203.0.113.0/24"
    for wide in ("0.0.0.0/0", "10.0.0.0/8", "::/0", "me"):
        with pytest.raises(InputError, match="--ssh-from"):
            address(wide)
