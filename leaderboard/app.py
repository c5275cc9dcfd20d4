"""The app that Streamlit runs: its pages, and nothing else. `evalsuite leaderboard` starts it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.pagelist import PAGES

HERE = Path(__file__).resolve().parent

st.set_page_config(page_title="evalsuite", page_icon=str(HERE / "site" / "icon.png"), layout="wide")
st.html(f"<style>{(HERE / 'site' / 'app.css').read_text(encoding='utf-8')}</style>")
page = st.navigation(
    [
        st.Page(HERE / "pages" / file, title=title, icon=icon, url_path=url, default=i == 0)
        for i, (file, title, icon, url) in enumerate(PAGES)
    ],
    position="top",
)
ui.follow(ui.now())
ui.begin()
page.run()
ui.link()
