"""The web console: what a doctor or a project lead sees in a browser, drawn by Streamlit.

    __main__    starts Streamlit with all that it must not do turned off
    app         the script that Streamlit runs for each visit: one call of shell
    shell       key, language, project, and the four screens
    screens     parse, queue, training, errors
    api         the backend's HTTP API, the only thing the console talks to
    desk        what a screen is given, and how it says that something does not work
    texts       every word of the interface, in both languages
    highlight   report text and spans as safe HTML
    tables      answers of the backend as rows, CSV and key figures
    charts      Altair charts

highlight, tables, charts and texts are pure. Nothing here logs a report or loads anything from outside the machine.
"""
