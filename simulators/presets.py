"""Click models with their numbers: a search page, fitted to published facts, and a product grid, assumed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.dbn import DBN
from simulators.click_models.pbm import PBM

PAGE = 20  # results per page of the search that was measured

# `python benchmarks/search_page.py` fits these.
_FIRST, _FLOOR, _EXPONENT = 0.2601, 0.0188, 1.758
_CONTINUATION = 0.808
_SATISFACTION = 0.6575


def search_page() -> DBN:
    """How English Wikipedia's searchers went down a list of results in August 2017: a DBN.

    Facts: Wikimedia Discovery, "First assessment of learning-to-rank" (CC BY 4.0), of the arms BM25, MLR@20, MLR@1024.
    Fitted to the BM25 arm alone, with the attractiveness that `served_attractiveness` has by rank:

    - continuation 0.808 and the three numbers of that law: by maximum likelihood from five facts, the share of
      searches with a click and where the first clicks fall. One degree of freedom is left; the fit is good.
    - satisfaction 0.6575 is not in first clicks at all. It is the share of clicked pages that are still open after 30
      seconds, a convention for a satisfied click, and an assumption.

    Not fitted:

    - Searches that see page 2: predicted 0.8 %, published 0.50, 0.44 and 0.63 %. The right order of magnitude, but
      outside their sampling error; and a weak success. First clicks say little about how far users look: at 95 % they
      allow anything from 0.1 to 49 %. What pins it is the law of attractiveness by rank, which was chosen with all
      facts known. A power law without a floor fits as well (continuation 0.949) and predicts 25 %.
    - The MLR arms, if a better ranker concentrates the same attractiveness of a page nearer its top: the exponent is
      set by the arm's share of slot 1, the rest predicted. All other shares of first clicks agree within 1.7 standard
      errors; not a severe test, for if they just shrank in proportion, they would within 2.3. Searches with a click:
      39.2 % predicted for MLR@20, where 38.5 +- 0.8 were seen.
    - **Fails**: 39.8 % predicted for MLR@1024, where 38.3 +- 0.8 were seen. A better order at the top brought no more
      searches with a click, as if some searches had nothing worth a click in any order. One curve of attractiveness
      for all searches can't say that; a world whose queries differ in what there is to find can.

    Clicks after the first, which satisfaction and continuation decide, are not among the facts.
    """
    return DBN(continuation_probability=_CONTINUATION, satisfaction_probability=_SATISFACTION)


def served_attractiveness(slots: int = PAGE) -> NDArray[np.float64]:
    """The mean attractiveness by rank of the policy that was served while `search_page` was measured: [slots].

    floor + (first - floor) * k^-exponent for k = 1..slots: a result from the middle of the page still has the query's
    words, so attractiveness does not fall to nothing. Not needed to simulate clicks on lists whose attractiveness is
    known; a world may choose its own so that its served policy has these means.

    Raises:
        ValueError: fewer than one slot.
    """
    if slots < 1:
        raise ValueError(f"a page of {slots} slots")
    return np.asarray(_FLOOR + (_FIRST - _FLOOR) * np.arange(1, slots + 1, dtype=np.float64) ** -_EXPONENT)


def product_grid(slots: int, columns: int = 4, row_decay: float = 0.7, column_decay: float = 0.95) -> PBM:
    """A grid of products, row by row: a PBM whose examination falls more from row to row than within a row.

    theta = row_decay^(rows above) * column_decay^(columns to the left). An assumption, not a measurement: people scroll
    by rows and see much of a row at once. Eye tracking on grids of images finds more that this leaves out, such as a
    preference for the middle of a row (Xie et al., "Investigating examination behavior of image search users", SIGIR
    2017). In wide grids the first slot of a row is examined more than the last one above it.

    Args:
        slots: on the whole page; slot 1 is top left, slot columns + 1 is below it.
        columns: per row.
        row_decay, column_decay: 0..1.

    Raises:
        ValueError: no slots or no columns, or a decay outside 0..1.
    """
    if slots < 1 or columns < 1 or not (0 <= row_decay <= 1 and 0 <= column_decay <= 1):
        raise ValueError(f"a grid of {slots} slots in {columns} columns with decays {row_decay} and {column_decay}")
    row, column = np.divmod(np.arange(slots), columns)
    return PBM(np.asarray(row_decay**row * column_decay**column, dtype=np.float64))
