"""The four screens, each a function of a Desk. Not called `pages`: Streamlit draws a menu of its own from that."""
