"""Corrections of labels: a table whose rows replace the labels of a listing's images."""

from dataclasses import replace
from pathlib import Path

from captcha_models.data.collect import common_folder
from captcha_models.data.labels.archive import file_reader
from captcha_models.data.labels.file_index import FileIndex, shown
from captcha_models.data.labels.listing import Listing
from captcha_models.data.labels.rows import labels_of
from captcha_models.data.labels.tables import read_table
from captcha_models.errors import InputError
from captcha_models.words import counted


def corrected(listing: Listing, file: str) -> Listing:
    """The listing with the labels of a table; images with an empty label are left out.

    Args:
        listing: of images and their labels.
        file: path of the table; of its columns `image` and `label` are read, if it has them.

    Raises:
        InputError: no such table, or one that names an image that is not there.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"--corrections {shown(file)}: no such file")
    # By the names that a run gives them: `LabelledImages.names`.
    root = common_folder([item.path for item in listing.items])
    name_of = {item.path: item.path.removeprefix(f"{root}/") for item in listing.items}
    index = FileIndex(name_of.values())
    table = read_table(file_reader(path)(), shown(path.name), lambda c: index.find(c) is not None)
    if table is None:
        raise InputError(
            f"--corrections {shown(file)}: no table; write a line image,label and below it one for "
            "each image"
        )
    if not table.rows:
        return listing
    named = {"image", "label"} <= set(table.header or ())
    said = labels_of(table, index, {"image": "image", "label": "label"} if named else {})
    if said.missing:
        raise InputError(
            f"--corrections {shown(file)}: {len(set(said.missing))} of its images are not in "
            f"{listing.source} ({shown(said.missing[0])}): mend or remove those rows"
        )
    out = set(said.empty)
    items = tuple(
        replace(item, label=row.label) if (row := said.rows.get(name_of[item.path])) else item
        for item in listing.items
        if name_of[item.path] not in out
    )
    changed = sum(
        row.label != item.label
        for item in listing.items
        if (row := said.rows.get(name_of[item.path]))
    )
    note = (
        f"corrections: {counted(changed, 'label')} replaced, {counted(len(out), 'image')} left out"
    )
    return replace(listing, items=items, notes=(*listing.notes, note))
