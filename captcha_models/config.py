"""Configuration of one training: the fields that every architecture shares.

Each architecture adds its own fields in a subclass beside its model, so that a configuration is one
flat table: the same word is hyperparameter, field, space key, column and report label.
The defaults are the source article's own values.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from captcha_models.errors import InputError, explain

SHIPPED = Path(__file__).parent / "configs"


class Config(BaseModel):
    """Everything that decides how one model is built and trained, but for the data and the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    arch: ClassVar[str]
    """Name of the architecture: the stem of its file."""

    epochs: int = Field(60, ge=1, le=10_000)
    """Passes over the training images."""
    batch_size: int = Field(8, ge=2, le=4096)
    """Images per optimiser step; an incomplete last batch of an epoch is left out."""
    lr: float = Field(3e-3, gt=0, le=1)
    """Peak learning rate."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """How the learning rate goes: up and down once, or up, and on at that rate."""
    cooldown: float = Field(0.0, ge=0, le=1)
    """Share of the steps, at the end, over which a constant rate falls to 0."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """Decoupled weight decay; normalisation layers and biases are exempt."""
    clip: float = Field(0.0, ge=0, le=1000)
    """Largest norm of the whole gradient; 0 does not clip."""
    augment: float = Field(1.0, ge=0, le=1.5)
    """Strength of the augmentation; 1 is the article's (10 degrees, lighting 0.5), 0 is none."""
    augment_rotate: bool = True
    """Augment by rotation, as the article does; it hides where exactly each symbol stands."""
    augment_light: bool = True
    """Augment by brightness and contrast, as the article does."""
    augment_shape: bool = False
    """Augment by scale, shear and shift too, all kinds at the strength of `augment`."""
    augment_elastic: bool = False
    """Augment by smooth bending too."""
    augment_blur: bool = False
    """Augment by blur too."""
    augment_noise: bool = False
    """Augment by noise too."""
    augment_erase: bool = False
    """Augment by covering a rectangle too."""
    splice: float = Field(0.0, ge=0, le=1)
    """Share of the training images that are tried to be given some symbols of another one."""
    synthetic_share: float = Field(0.0, ge=0, le=1)
    """Share of each training batch that is newly generated; validation and test stay real."""
    synthetic_steps: int = Field(0, ge=0, le=1_000_000)
    """Steps at the beginning that see generated images only."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay per step of averaged weights, which are what is scored and saved; 0 averages none."""
    calibrate: bool = False
    """After each epoch, fit `temperature` on the validation images, where there are any."""
    temperature: float = Field(1.0, ge=0.01, le=100)
    """Divides the logits of a model that reads; 1 leaves its confidence as training made it."""
    normalize: bool = False
    """Shift and scale each image to mean 0 and variance 1 before the first layer."""
    bf16: bool = False
    """Multiply in bfloat16 where the machine does so natively; elsewhere in float32."""
    pretrained: bool = False
    """Start the body from ImageNet weights, which have to be downloaded."""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values (text is accepted for numbers).

        Raises:
            InputError: an unknown field or a value out of range, each named.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            known = ", ".join(cls.model_fields)
            unknown = any(item["type"] == "extra_forbidden" for item in error.errors())
            hint = f"; {cls.arch} knows: {known}" if unknown else ""
            raise InputError(explain(error) + hint) from None

    def changed(self, **values: Any) -> Self:
        """The same configuration with some fields replaced, checked again."""
        return self.parse({**self.model_dump(), **values})

    @property
    def augment_kinds(self) -> tuple[str, ...]:
        """The kinds of augmentation that are switched on."""
        switches = (name for name in type(self).model_fields if name.startswith("augment_"))
        return tuple(name.removeprefix("augment_") for name in switches if getattr(self, name))

    def save(self, path: Path) -> None:
        """Write as TOML; `load` reads it back."""
        path.write_text(tomli_w.dumps({"arch": self.arch, **self.model_dump()}), encoding="utf-8")


def shipped() -> tuple[str, ...]:
    """Names of the shipped configurations, whatever architecture they are for."""
    return tuple(sorted({path.stem.rpartition("-")[0] for path in SHIPPED.glob("*.toml")}))


def is_shipped(name: str, arch: str) -> bool:
    """Whether `read_values` takes a configuration of that name for the architecture from ours."""
    return (SHIPPED / f"{name}-{arch}.toml").is_file()


def read_values(name: str, arch: str) -> dict[str, Any]:
    """The values of a configuration file.

    Args:
        name: a path to a TOML file, or the name of a shipped one, such as `quick`, which is
            looked up for the architecture as `configs/quick-crnn.toml`.
        arch: the architecture the file has to be for.

    Raises:
        InputError: no such file, not TOML, or written for another architecture.
    """
    path = SHIPPED / f"{name}-{arch}.toml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        shipped = sorted(p.stem.removesuffix(f"-{arch}") for p in SHIPPED.glob(f"*-{arch}.toml"))
        names = ", ".join(shipped) or "none"
        raise InputError(f"no configuration {name!r}: not a file, nor shipped for {arch} ({names})")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML configuration: {error}") from None
    written_for = values.pop("arch", arch)
    if written_for != arch:
        raise InputError(f"{path} is written for arch {written_for!r}, not {arch!r}")
    return values
