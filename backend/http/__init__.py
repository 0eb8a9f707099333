"""HTTP: the routes Label Studio calls, the routes operators call, credentials, errors, metrics."""
