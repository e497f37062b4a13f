"""`python -P -m lrerank.ui.server run PAGE`: Streamlit's own command, with the first page loaded beforehand.

So whoever opens the browser once the server is up has not to wait for imports.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Loads, then hands over; the arguments are Streamlit's."""
    import lrerank.ui.main  # noqa: F401
    from lrerank.ui.frame import jobs
    from lrerank.ui.welcome.page import load

    load()
    jobs()
    from streamlit.web.cli import main as streamlit

    code: str | int | None = 0
    try:
        streamlit(prog_name="streamlit")
    except SystemExit as ended:
        code = ended.code
    # At once: threads that still read files or draw a page may keep an interpreter that ends in order from ending at all.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main()
