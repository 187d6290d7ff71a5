"""Model card of an exported model: what it is, how well it reads, what it is for and is not."""

from math import sqrt
from statistics import NormalDist
from typing import Any

from captcha_models.data.geometry import STEP, Geometry
from captcha_models.training.checkpoint import Card
from captcha_models.words import counted, percent

VERSION = 1
FILES = {
    "onnx": "model.onnx",
    "onnx-int8": "model.int8.onnx",
    "safetensors": "model.safetensors",
}
INTENDED_USE = (
    "Research on recognising text in a public benchmark of generated captchas: comparing "
    "architectures, training recipes and hyperparameter searches. Not for defeating live sites, "
    "and no access control should rest on, or be judged by, what it reads."
)
LIMITS = (
    "It reads one kind of image: the style, the alphabet and the lengths of label it was trained "
    "on. On anything else it still answers, and its probabilities then mean nothing.",
    "Images have to be brought to its size as it was trained on them: see Use.",
    "The validation images may have chosen its configuration or its last epoch, so their figures "
    "flatter it; only images that nothing was chosen by judge it.",
    "Intervals are over images alone: another training with another seed may differ by more.",
)
_ACCURACIES = {
    "valid_exact_match": "captchas read, validation",
    "valid_exact_match_greedy": "the same without beam search",
}
_NATS = {
    "valid_nll": "NLL, nats per captcha, validation",
    "valid_cer": "character error rate, validation",
    "train_nll": "NLL, nats per captcha, training images",
    "gap": "gap between them",
}

_ONNX = """\
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")
symbols = session.get_modelmeta().custom_metadata_map["symbols"]
image = Image.open("captcha.png").convert("RGB")
{resize}
pixels = np.asarray(image).transpose(2, 0, 1)[None]
log_probs, ids = session.run(None, {{"images": pixels}})
print("".join(symbols[i - 1] for i in ids[0] if i))
"""
_SQUEEZE = "image = image.resize(({width}, {height}), Image.BILINEAR)"
_KEEP = """\
width = min(max(round(image.width * {height} * {stretch} / image.height), 1), {width})
image = image.resize((width, {height}), Image.BILINEAR)
# Filled up on the right with the median colour of its border, to {filled_to}.
a = np.asarray(image)
border = np.concatenate([a[0], a[-1], a[:, 0], a[:, -1]])
paper = tuple(int(level) for level in np.median(border, axis=0))
filled = Image.new("RGB", ({filled}, {height}), paper)
filled.paste(image)
image = filled"""
_SAFETENSORS = """\
from captcha_models.inference.predictor import load

predictor = load("model.safetensors")
print(predictor.predict(["captcha.png"])[0].label)
"""
_USE = {"onnx": _ONNX, "onnx-int8": _ONNX, "safetensors": _SAFETENSORS}


def describe(card: Card, kind: str, by_columns: bool, any_width: bool) -> dict[str, Any]:
    """All of a model card, as plain values.

    Args:
        card: of the model.
        kind: of the file: a key of FILES.
        by_columns: whether it reads columns in any alignment (CTC), else positions.
        any_width: whether it takes images as wide as they are, if they keep their aspect.
    """
    any_width = any_width and card.keep_aspect
    return {
        "version": VERSION,
        "file": FILES[kind],
        "format": kind,
        "any_width": any_width,
        **({} if kind == "safetensors" else {"interface": interface(card, by_columns, any_width)}),
        "metrics": figures(card),
        "model": card.model_dump(mode="json"),
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS),
    }


def interface(card: Card, by_columns: bool, any_width: bool) -> dict[str, str]:
    """Inputs, outputs and how to decode them, in words."""
    per = "column, left to right" if by_columns else "character position"
    steps, classes = "T" if by_columns else str(card.max_length), len(card.symbols) + 1
    config, mixed = card.config, card.label_length is None
    width = f"W up to {card.width}" if any_width else str(card.width)
    exact = (
        f"prefix beam search of log_probs at beam width {config.get('beam_width')}, class 0 the "
        "blank" + (f", labels of {card.max_length} characters" * bool(config.get("fixed_length")))
        if by_columns
        else "ids: positions are independent, so no search finds a better label"
        + "; a label's probability is that of its symbols and, if it has fewer than "
        f"{card.max_length}, of class 0 at the position after them" * mixed
    )
    return {
        "images": f"uint8 (N, 3, {card.height}, {width}): pixels as they are, 0 to 255, red, "
        "green, blue; any N",
        "log_probs": f"float32 (N, {steps}, {classes}): per {per}, ln of the classes' "
        "probabilities at the calibrated temperature",
        "ids": f"int64 (N, {steps}): class ids read without a search; 0 is nothing, i is symbol "
        "number i, counted from 1" + "; after the label's end 0" * (mixed and not by_columns),
        "exact": exact,
    }


def figures(card: Card) -> list[dict[str, Any]]:
    """The metrics, those that are shares of images with their 95 % Wilson interval."""
    rows = card.choice.rows() if card.choice else []
    for name, title in {**_ACCURACIES, **_NATS}.items():
        value = card.metrics.get(name)
        if value is None:
            continue
        row = {"name": name, "title": title, "value": value}
        count = card.data.num_valid
        if name in _ACCURACIES and count:
            row |= {"num_images": count, "ci95": wilson(round(value * count), count)}
        rows.append(row)
    return rows


def wilson(hits: int, count: int) -> list[float]:
    """Wilson's 95 % interval of a share, `hits` of `count`; scipy's would take as long to load.

    Source: Wilson 1927.
    """
    share, z = hits / count, NormalDist().inv_cdf(0.975)
    middle = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    ends = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    return [max(0.0, ends[0]), min(1.0, ends[1])]


def markdown(about: dict[str, Any]) -> str:
    """MODEL_CARD.md of what `describe` returns."""
    model, data, split = about["model"], about["model"]["data"], about["model"]["split"]
    length = model["label_length"] or f"up to {model['max_length']}"
    held = "none: every image trains"
    if split and split["fold"] is None:
        held = "none validates: every image outside the locked test set trains"
    elif split:
        held = f"fold {split['fold']} of {split['folds']} validates, split seed {split['seed']}"
    facts = {
        "architecture": f"{model['arch']} of captcha-search",
        "alphabet": f"`{model['symbols']}`, {length} characters a label",
        "images": Geometry.model_validate(model).describe(),
        "data": f"{data['num_images']} images, {data['source']}; {data['num_train']} of them train",
        "digest of the data": f"`{data['digest']}` (sha256 of names and pixels)",
        "split": held,
        "seed": str(model["seed"]),
        "temperature": f"{model['metrics'].get('temperature', 1.0):.4g}",
        "versions": ", ".join(f"{name} {at}" for name, at in model["versions"].items()),
    }
    if choice := model.get("choice"):
        facts["chosen by"] = (
            f"`search.confirm`: trial {choice['trial']} of {choice['space']}, "
            f"{counted(choice['held_out']['num_fits'], 'training')} on {choice['folds']} folds"
        )
        facts["confirmed"] = f"{'yes' if choice['confirmed'] else 'no'}: {choice['says']}"
    if found := about.get("int8"):
        facts["int8"] = (
            f"convolutions in int8; of {counted(found['num_images'], 'image')} it reads "
            f"{found['read']:,} labels, float32 {found['read_float32']:,}; "
            f"{counted(found['otherwise'], 'image')} read otherwise"
        )
    lines = [f"# Model card: {about['file']}", "", *_table(("what", "value"), facts.items())]
    lines += ["", "## How well it reads", ""]
    lines += _table(("metric", "value"), ((row["title"], _value(row)) for row in about["metrics"]))
    if "interface" in about:
        lines += ["", "## Inputs and outputs", ""]
        lines += _table(("name", "what"), about["interface"].items())
    size = {name: model[name] for name in ("width", "height", "stretch")}
    size["filled"], size["filled_to"] = size["width"], "the width of all"
    if about["any_width"]:
        size["filled"] = f"max(-(-width // {STEP}), 2) * {STEP}"
        size["filled_to"] = f"a multiple of {STEP} px"
    resize = (_KEEP if model["keep_aspect"] else _SQUEEZE).format(**size)
    code = _USE[about["format"]].format(resize=resize, file=about["file"])
    lines += ["", "## Use", "", "```python", *code.splitlines(), "```"]
    lines += ["", "## Intended use", "", about["intended_use"]]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in about["limits"])]
    lines += ["", "## Configuration", ""]
    lines += _table(("field", "value"), model["config"].items())
    return "\n".join(lines) + "\n"


def _table(heads: tuple[str, str], rows: Any) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows),
    ]


def _value(row: dict[str, Any]) -> str:
    if "ci95" in row and "num_images" not in row:
        nats = row["name"].endswith("_nll")
        mean, low, high = (
            f"{one:.4f}" if nats else percent(one, 2) for one in (row["value"], *row["ci95"])
        )
        return f"{mean} (95 % interval {low} to {high})"
    if row["name"] not in _ACCURACIES:
        return percent(row["value"], 2) if row["name"] == "valid_cer" else f"{row['value']:.4f}"
    if "ci95" not in row:
        return f"{percent(row['value'], 2)} (how many images is not recorded, so no interval)"
    low, high = row["ci95"]
    count = row["num_images"]
    return (
        f"{percent(row['value'], 2)} ({round(row['value'] * count)}/{count}; 95 % interval "
        f"{percent(low, 2)} to {percent(high, 2)})"
    )
