"""The pages about many orders where nothing has come in yet. A process has one store at a time, so this stands apart."""

from __future__ import annotations

from pathlib import Path

from tests.web.many_orders import many_orders_site
from tests.web.test_analysis import PAGES, read


def test_a_site_without_orders_says_so(tmp_path: Path) -> None:
    with many_orders_site(tmp_path, empty=True) as address:
        for path in PAGES:
            assert "No order" in read(address, path), path
