"""Options of every command that reads labelled images: where they lie, what their labels are."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from captcha_models.cli import files, option

if TYPE_CHECKING:
    from captcha_models.data.geometry import Geometry
    from captcha_models.data.images import LabelledImages

GROUP = "Images"


def image_options(
    group: str = GROUP,
    *,
    data: bool = True,
    required: bool = False,
    sized: bool = True,
    otherwise: str = "; by default auto, one of the last two.",
) -> Callable[[Any], Any]:
    """A decorator that gives a click command the options; what is not typed is None or False.

    Args:
        group: heading in the help.
        data: with `--data`; a command may take it as its argument.
        required: nothing is read unless `--data` is given.
        sized: with `--size`; a model has a size of its own.
        otherwise: what the help says of a command without `--data`, where it is not required.
    """
    options = [
        option(
            "--data",
            required=required,
            shell_complete=files,
            group=group,
            help="Folder, zip or table of labelled images, download, or synthetic[:N]"
            + ("." if required else otherwise),
        ),
        option(
            "--labels",
            metavar="RULE",
            group=group,
            help="What the labels are: a table's path, stem (the file's name), folder, or a "
            "pattern such as '{label}_{number}'; by default found out.",
        ),
        option(
            "--columns",
            metavar="ROLE=NAME,...",
            group=group,
            help="Columns of the table: image=file,label=text,group=receipt,split=part; by "
            "default found out.",
        ),
        option("--ignore-case", is_flag=True, group=group, help="Make labels lower case."),
        option(
            "--corrections",
            metavar="FILE",
            group=group,
            help="Table of image,label that replaces labels; an empty one leaves the image out.",
        ),
        option("--skip-bad", is_flag=True, group=group, help="Leave wrong images out."),
        option("--synthetic-seed", type=int, group=group, help="Seed of generated images.  [0]"),
        option("--synthetic-preset", group=group, help="default, hard, extreme, or a TOML file."),
    ]
    if sized:
        options.insert(
            -2,
            option(
                "--size",
                metavar="HEIGHT[xWIDTH]",
                group=group,
                help="Scale images to so many px; the height alone keeps their proportions; by "
                "default chosen by the images.",
            ),
        )

    if not data:
        options = options[1:]

    def decorate(command: Any) -> Any:
        for one in reversed(options):
            command = one(command)
        return command

    return decorate


def as_words(options: Mapping[str, Any]) -> list[str]:
    """The options as they are typed.

    Args:
        options: by name, as click gives them.
    """
    words = []
    for name, value in options.items():
        if value not in (None, False):
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def read_chosen(options: Mapping[str, Any], geometry: "Geometry | None" = None) -> "LabelledImages":
    """The images that the options of `image_options` name.

    Args:
        options: by name, as click gives them.
        geometry: of a model, in the place of `--size`.

    Raises:
        InputError: see `open_images`.
    """
    from captcha_models.data.sources import open_images

    typed = {name: value for name, value in options.items() if value not in (None, False)}
    spec = typed.pop("data", "auto")
    return open_images(spec, **typed, **({"size": geometry} if geometry else {}))
