"""What ties a Label Studio project to a backend: ML backends, webhooks, views. Used through LabelStudioClient."""

from __future__ import annotations

from backend.labelstudio.session import ONCE, READ_ONLY, Session, plain
from backend.labelstudio.wire import JsonObject


class Wiring:
    """The part of the client that `ecgal connect` and `ecgal doctor` need; the same rules for errors."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def backends(self, project: str) -> list[JsonObject]:
        """ML backends of the project, oldest first; Label Studio calls each one's /health and /setup."""
        with self.session.asking(f"ML backends of project {project}"):
            rows = self.session.sdk.ml.list(project=int(project), request_options=READ_ONLY)
        return sorted(map(plain, rows), key=lambda row: int(row["id"]))

    def backend(self, project: str, url: str) -> JsonObject | None:
        """The ML backend with this URL, None when there is none."""
        rows = self.backends(project)
        return next((row for row in rows if str(row["url"]).rstrip("/") == url.rstrip("/")), None)

    def create_backend(self, project: str, fields: JsonObject) -> JsonObject:
        """Connect an ML backend; Label Studio calls it first and refuses one that does not answer."""
        with self.session.asking("ML backend"):
            return plain(self.session.sdk.ml.create(project=int(project), **fields, request_options=ONCE))

    def update_backend(self, project: str, row: JsonObject, fields: JsonObject) -> JsonObject:
        """Change an ML backend. Label Studio needs URL, project and credentials in each change.

        The password it has stored stays when none is given.
        """
        body: JsonObject = {"url": row["url"], "project": int(project)}
        if row.get("auth_method") == "BASIC_AUTH":
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": row["basic_auth_user"], "basic_auth_pass": ""}
        with self.session.asking("ML backend"):
            return plain(self.session.sdk.ml.update(row["id"], **(body | fields), request_options=ONCE))

    def delete_backend(self, row: JsonObject) -> None:
        """Disconnect an ML backend; its webhook stays."""
        with self.session.asking("ML backend"):
            self.session.sdk.ml.delete(row["id"], request_options=ONCE)

    def webhooks(self, project: str) -> list[JsonObject]:
        """Webhooks of the project, oldest first."""
        with self.session.asking(f"webhooks of project {project}"):
            rows = self.session.sdk.webhooks.list(project=str(project), request_options=READ_ONLY)
        return sorted(map(plain, rows), key=lambda row: int(row["id"]))

    def save_webhook(self, project: str, webhook: int | None, fields: JsonObject) -> None:
        """Create (None) or change a webhook; give all fields, Label Studio resets the actions otherwise."""
        with self.session.asking("webhook"):
            if webhook is None:
                self.session.sdk.webhooks.create(project=int(project), **fields, request_options=ONCE)
            else:
                self.session.sdk.webhooks.update(webhook, **fields, request_options=ONCE)

    def delete_webhook(self, webhook: int) -> None:
        """Delete a webhook."""
        with self.session.asking("webhook"):
            self.session.sdk.webhooks.delete(webhook, request_options=ONCE)

    def views(self, project: str) -> list[JsonObject]:
        """Tabs of the Data Manager."""
        with self.session.asking(f"views of project {project}"):
            return [
                plain(view) for view in self.session.sdk.views.list(project=int(project), request_options=READ_ONLY)
            ]

    def delete_view(self, view: int) -> None:
        """Delete a tab."""
        with self.session.asking("view"):
            self.session.sdk.views.delete(str(view), request_options=ONCE)

    def save_view(self, project: str, view: int | None, data: JsonObject) -> None:
        """Create (None) or change a tab."""
        fields: JsonObject = {"project": int(project), "data": data, "request_options": ONCE}
        with self.session.asking("view"):
            if view is None:
                self.session.sdk.views.create(**fields)
            else:
                self.session.sdk.views.update(str(view), **fields)
