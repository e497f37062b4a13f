"""`python -P -m lrerank.ui.server run PAGE`: Streamlit's own command, with the first page loaded beforehand.

So whoever opens the browser once the server is up has not to wait for imports.
"""

from __future__ import annotations


def main() -> None:
    """Loads, then hands over; the arguments are Streamlit's."""
    import lrerank.ui.main  # noqa: F401
    from lrerank.ui.welcome.page import load

    load()
    from streamlit.web.cli import main as streamlit

    streamlit(prog_name="streamlit")


if __name__ == "__main__":
    main()
