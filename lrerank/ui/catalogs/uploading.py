"""A file that the browser sent, read once for as long as it stays on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.ui.catalogs.upload import LARGEST, Upload, read_upload
from lrerank.ui.words import told

Found = TypeVar("Found")


class Sent(Generic[Found]):
    """A file and what was made of it, or why it was refused."""

    def __init__(self, file_id: str, name: str, data: bytes, look: Callable[[Upload], Found]) -> None:
        self.file_id = file_id
        self.refusal = ""
        try:
            self.upload = read_upload(name, data)
            self.found = look(self.upload)
        except LrerankError as error:
            self.refusal = told(error)


def uploader(label: str, key: str, look: Callable[[Upload], Found]) -> Sent[Found] | None:
    """The box that takes a file; says why where it is refused, and then gives None as where there is none yet.

    Args:
        look: what is made of a file that can be read.
    """
    given = st.file_uploader(
        label,
        key=key,
        max_upload_size=LARGEST >> 20,
        help=f"CSV, TSV, JSON lines or Parquet, at most {LARGEST >> 20} MB. The file stays on this machine.",
    )
    place = f"{key}-read"
    if given is None:
        st.session_state.pop(place, None)
        return None
    sent: Sent[Found] | None = st.session_state.get(place)
    if sent is None or sent.file_id != given.file_id:
        with st.spinner("Reading the file"):
            sent = Sent(given.file_id, given.name, given.getvalue(), look)
        st.session_state[place] = sent
    if sent.refusal:
        st.error(f"**Refused.** {sent.refusal}", icon=":material/block:")
        return None
    return sent
