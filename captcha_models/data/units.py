"""Units of a split: images of one group and images that show one picture stay on one side.

Two copies on both sides of a split would let a model be judged on what it was trained on; two
lines of one receipt share paper, printer and scanner.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

THUMBNAIL = (32, 8)
"""Width and height in px at which pictures are compared."""
SAME = 0.1
"""Root mean square difference of two thumbnails, each at mean 0 and deviation 1, up to which they
show one picture. Of the article's images no two different ones are nearer than 0.37, of numbers cut
out of receipts 0.21, of four-digit captchas 0.17; a picture saved as JPEG again or scaled to
four fifths stays below 0.1."""
PROJECTIONS, NEIGHBOURS = 8, 4
"""Along so many random directions each picture is compared with so many that lie next to it."""


def duplicates(
    images: Sequence[NDArray[np.uint8]], digests: Sequence[str]
) -> list[tuple[int, int]]:
    """Pairs (i, j) with i < j of images that show one picture; each j but once per i.

    Args:
        images: N arrays (C, H, w).
        digests: of the images; equal ones are duplicates.
    """
    found = set(_equal(digests))
    thumbnails = np.stack([_thumbnail(image) for image in images])
    chance = np.random.default_rng(0)
    directions = chance.standard_normal((thumbnails.shape[1], PROJECTIONS)).astype(np.float32)
    for place in (thumbnails @ directions).T:
        order = np.argsort(place, kind="stable")
        for apart in range(1, NEIGHBOURS + 1):
            one, other = order[:-apart], order[apart:]
            near = np.square(thumbnails[one] - thumbnails[other]).mean(axis=1) < SAME**2
            found |= {
                (min(i, j), max(i, j))
                for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True)
            }
    return sorted(found)


def units(
    names: Sequence[str], groups: Sequence[str] | None, pairs: Sequence[tuple[int, int]]
) -> tuple[str, ...]:
    """A key for each image, the same for those that belong together.

    It is the image's name, whatever other images there are; the first name of those that show one
    picture; and `group NAME` of those of one group, and what shows the same picture as one of them.

    Args:
        names: of N images, all different.
        groups: of each image, "" for none; None if there are none.
        pairs: of images that show one picture.
    """
    keys = list(names)
    places = {f"group {group}": 0 for group in sorted(set(groups or ())) if group}
    for key in places:
        places[key] = len(keys)
        keys.append(key)
    edges = [*pairs, *((i, places[f"group {g}"]) for i, g in enumerate(groups or ()) if g)]
    if not edges:
        return tuple(names)
    rows, columns = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(keys), len(keys)))
    components = connected_components(graph, directed=False)[1].tolist()
    key_of: dict[int, str] = {}
    # Groups first, by name; then images by name.
    order = [*places.values(), *sorted(range(len(names)), key=names.__getitem__)]
    for i in order:
        key_of.setdefault(components[i], keys[i])
    return tuple(key_of[components[i]] for i in range(len(names)))


def _equal(digests: Sequence[str]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        if (earlier := first.setdefault(digest, i)) != i:
            yield earlier, i


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(256,) grey of an image (C, H, w), at mean 0 and deviation 1."""
    grey = Image.fromarray(image.mean(axis=0).astype(np.uint8))
    small = np.asarray(grey.resize(THUMBNAIL, Image.Resampling.BILINEAR), dtype=np.float32).ravel()
    # An empty image has no deviation: it is like no other but its equals.
    level: NDArray[np.float32] = small - small.mean()
    return level / np.float32(float(small.std()) or 1.0)
