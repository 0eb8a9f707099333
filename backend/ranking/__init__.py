"""Which report to ask for next. Pure: the standard library and numpy only."""
