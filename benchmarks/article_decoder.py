"""The source article's CTC decoder, written anew with the same algorithm and cost: only a peer.

A beam over alignments. Every step appends every class above a threshold to every alignment kept
and sorts them all; alignments that spell the same labelling are summed only at the end, among the
few that are left. So most of a labelling's probability is lost on the way, and the answer is
hardly better than that of the greedy decoder. Nothing in this project decodes with it.

Source: the article "3 approaches predicting the captcha with > 95% accuracy", `beam_search_decode`.
"""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

EMISSION_THRESHOLD = 0.01  # classes less probable than this are not tried


def collapse(alignment: list[int]) -> list[int]:
    """Runs of one class become one symbol; blanks (0) go."""
    return [symbol for symbol, _ in groupby(alignment) if symbol != 0]


def article_decode(
    log_probs: NDArray[np.floating], beam_width: int = 10, threshold: float = EMISSION_THRESHOLD
) -> list[int]:
    """The labelling whose surviving alignments are the most probable together.

    Args:
        log_probs: (T, K) log-softmax outputs of one image; class 0 is the blank.
        beam_width: alignments kept after each step.
        threshold: least probability of a class that is tried; in flat emissions with more than
            1 / threshold classes none may be left, which raises an IndexError as in the article.

    Returns:
        Class ids in 1..K-1.
    """
    num_steps, num_classes = log_probs.shape
    least = np.log(threshold)
    beam: list[tuple[list[int], float]] = [([], 0.0)]
    for t in range(num_steps):
        longer = []
        for alignment, score in beam:
            for c in range(num_classes):
                log_prob = log_probs[t, c]
                if log_prob < least:
                    continue
                longer.append(([*alignment, c], score + log_prob))
        longer.sort(key=lambda entry: entry[1], reverse=True)
        beam = longer[:beam_width]

    totals: dict[tuple[int, ...], float] = {}
    for alignment, score in beam:
        labelling = tuple(collapse(alignment))
        totals[labelling] = logsumexp([score, totals.get(labelling, -np.inf)])
    ranked = sorted(totals.items(), key=lambda entry: entry[1], reverse=True)
    return list(ranked[0][0])
