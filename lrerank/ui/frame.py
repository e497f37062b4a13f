"""What every page begins with: its heading, the badge that says whose figures these are, and the chosen policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from math import isinf
from typing import Any

import streamlit as st

from lrerank.errors import InputError, LrerankError
from lrerank.store import Store
from lrerank.ui.downloads import Download
from lrerank.ui.jobs import Jobs
from lrerank.ui.policy import Policy
from lrerank.ui.words import told

_POLICY, _DEMO = "chosen-policy", "demo-mode"

STYLE = """<style>
[data-testid="stMainBlockContainer"]{padding:3.6rem 2.2rem 3rem}
[data-testid="stStatusWidget"]{visibility:hidden}
[data-testid="stCaptionContainer"],[data-testid="stCaptionContainer"] p{color:inherit;opacity:.86}
[data-testid="stCaptionContainer"] code{color:inherit}
[data-testid="stMarkdownContainer"] h2{font-size:1.25rem;padding:.2rem 0 .4rem}
[data-testid="stMarkdownContainer"] h3{font-size:1.1rem;padding:.2rem 0 .3rem}
[data-testid="stBaseButton-primary"]:not(:disabled) p,[data-testid="stBaseButton-primary"]:not(:disabled) span,
[data-testid="stMultiSelect"] span[title]{color:light-dark(#fff,#0b1520)}
.lr-heading{margin-bottom:-.4rem;display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:center}
.lr-heading h1{padding:0;font-size:1.7rem}
.lr-badge{display:inline-block;font-size:.8rem;font-weight:600;padding:.15rem .65rem;border-radius:1rem;
background:rgba(128,128,128,.16)}
.lr-warn{background:rgba(217,130,43,.22)}
.lr-title-of-chart{font-weight:600;margin-bottom:-.6rem}
.lr-lead{font-size:1.12rem;line-height:1.5;max-width:62rem}
</style>"""
_LARGE = "<style>html{font-size:19px}</style>"


def heading(title: str, provenance: str = "") -> None:
    """The title with the provenance badge; to be drawn first on every page."""
    style = STYLE + (_LARGE if demo() else "")
    st.html(f'{style}<div class="lr-heading"><h1>{escape(title)}</h1>{badge(provenance) if provenance else ""}</div>')


def badge(text: str, *, warning: bool = False) -> str:
    """A pill, as HTML."""
    return f'<span class="lr-badge{" lr-warn" if warning else ""}">{escape(text)}</span>'


def demo() -> bool:
    """Whether this window is a demonstration: large type, fixed seeds, a finished run as a net."""
    if "demo" in st.query_params:
        st.session_state[_DEMO] = st.query_params["demo"] not in ("", "0")
    found: bool = st.session_state.get(_DEMO, False)
    if found:
        st.query_params["demo"] = "1"
    return found


def chosen() -> Policy:
    """The policy that travels; from the address where it came with one."""
    if _POLICY not in st.session_state:
        st.session_state[_POLICY] = Policy()
        if "policy" in st.query_params:
            try:
                st.session_state[_POLICY] = Policy.from_query(st.query_params["policy"])
            except InputError as error:
                st.warning(told(error))
    found: Policy = st.session_state[_POLICY]
    if found != Policy():
        st.query_params["policy"] = found.to_query()
    elif "policy" in st.query_params:
        del st.query_params["policy"]
    return found


def choose(policy: Policy) -> None:
    """Makes it the policy that all pages use."""
    st.session_state[_POLICY] = policy


def number_box(
    label: str, key: str, between: tuple[float, float], usual: float | None = None, *, step: float = 1, **more: Any
) -> Any:
    """A number that the address keeps, of the kind of its ends; None where there is no usual one and nobody set it."""
    try:
        # Streamlit fails at making a whole number of an infinite one.
        kept = not isinf(float(st.query_params.get(key, 0)))
    except ValueError:
        kept = True
    return st.number_input(label, *between, usual, step, key=key, bind="query-params" if kept else None, **more)


def download_buttons(found: Sequence[Download], of: str) -> None:
    """A button for each file, made when it is pressed.

    Args:
        of: what they are of, such as a run's id: unlike others on the page.
    """
    for place, each in enumerate(found):
        st.download_button(
            each.label,
            each.content,
            each.file_name,
            each.mime,
            key=f"download-{place}-{of}",
            help=each.told,
            on_click="ignore",
            width="stretch",
        )


def go_on_button(run_id: str, refused: str) -> None:
    """Goes on with a run that did not end.

    Args:
        refused: what of the session's state gets a sentence where that can't be done.
    """
    st.button(
        "Go on",
        icon=":material/resume:",
        key=f"resume-{run_id}",
        on_click=_go_on,
        args=(run_id, refused),
        help="Computes what is missing; what was finished stays.",
    )


def _go_on(run_id: str, refused: str) -> None:
    try:
        jobs().resume(Store(), run_id)
    except LrerankError as error:
        st.session_state[refused] = told(error)


@cache
def jobs() -> Jobs:
    """The server's runs under way, which all windows share."""
    return Jobs()
