"""An example test: the renderings of this commit against the saved baseline.

Copy it beside your tests. Predictors and signals decide together; the report folder has the page. With votes of a
listening page at hand, give `votes=[...]` and `page=`.
"""

import pytest


@pytest.mark.mos_gate(baseline="tests/mos-baseline.json", candidate="renders", margin=0.2, report="mos-gate")
def test_the_voice_is_not_worse() -> None:
    """The marker gates before the body; here stands whatever else a rendering has to fulfil."""
