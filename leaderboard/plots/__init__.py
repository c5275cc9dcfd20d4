"""Figures from data frames, without Streamlit. `style` has the colours and the layout that all share."""
