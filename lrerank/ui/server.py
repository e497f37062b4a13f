"""`python -P -m lrerank.ui.server run PAGE`: Streamlit's own command, with the first page loaded beforehand.

So whoever opens the browser once the server is up has not to wait for imports, and whoever begins a simulation not for
the processes and the built-in world, which are begun meanwhile.
"""

from __future__ import annotations


def main() -> None:
    """Loads, then hands over; the arguments are Streamlit's."""
    import lrerank.ui.main  # noqa: F401
    from lrerank.store import Store
    from lrerank.ui.frame import jobs
    from lrerank.ui.policy import Policy
    from lrerank.ui.simulate.setup import Setup
    from lrerank.ui.welcome.page import load

    jobs().prepare(Store(), Setup(Policy()).experiment())
    load()
    from streamlit.web.cli import main as streamlit

    streamlit(prog_name="streamlit")


if __name__ == "__main__":
    main()
