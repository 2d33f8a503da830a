"""What the fuse lets through, of contacts and of memberships alike."""

from __future__ import annotations

import pytest

SHARES = pytest.mark.parametrize(
    ("known", "left", "are_marked", "percent", "allowed"),
    [
        pytest.param(40, 20, 0, 20, True, id="20 left are few"),
        pytest.param(40, 0, 20, 20, True, id="20 marked are few"),
        pytest.param(40, 10, 10, 20, True, id="20 marked and left are few"),
        pytest.param(20, 0, 20, 20, True, id="20 marked of 20 are few"),
        pytest.param(40, 20, 0, 1, True, id="20 are few whatever the setting"),
        pytest.param(105, 21, 0, 20, True, id="exactly the share left"),
        pytest.param(105, 0, 21, 20, True, id="exactly the share marked"),
        pytest.param(105, 11, 10, 20, True, id="exactly the share marked and left"),
        pytest.param(104, 21, 0, 20, False, id="beyond the share left"),
        pytest.param(104, 0, 21, 20, False, id="beyond the share marked"),
        pytest.param(104, 11, 10, 20, False, id="beyond the share marked and left"),
        pytest.param(104, 21, 0, 21, True, id="a higher share"),
        pytest.param(105, 21, 0, 19, False, id="a lower share"),
        pytest.param(21, 0, 21, 100, True, id="all marked, everything allowed"),
        pytest.param(21, 0, 21, 95, False, id="all marked, nearly everything allowed"),
        pytest.param(4, 2, 0, 20, True, id="half of few left"),
        pytest.param(2, 1, 0, 20, True, id="one of two left"),
        pytest.param(5, 3, 0, 20, False, id="3 of 5 left"),
        pytest.param(5, 2, 3, 20, True, id="2 of 5 left, the others marked"),
        pytest.param(5, 3, 0, 50, False, id="3 of 5 left, half allowed"),
        pytest.param(5, 3, 0, 100, True, id="3 of 5 left, everything allowed"),
        pytest.param(42, 21, 0, 50, True, id="half left, half allowed"),
        pytest.param(42, 22, 0, 50, False, id="more than half left, half allowed"),
    ],
)
"""How many are known, leave, and are marked; the percentage; and whether they are removed."""
