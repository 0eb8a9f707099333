"""Model versions and project state as files below ECG_HOME: the truth that survives everything.

    projects/<id>/label_config.xml     last labelling configuration seen
    projects/<id>/label_config.fault   why the one that the project has now cannot be used
    projects/<id>/connection.json      Label Studio URL and token (mode 0600)
    projects/<id>/ended                why nothing is computed for it any more
    projects/<id>/models/<version>/    card.json, weights, engine files; complete or absent
    projects/<id>/target               version that shall serve (set by a round or an operator)
    projects/<id>/serving              version that serves (set when the pool is ranked with it)
    projects/<id>/ranking.json         last ranking that imported predictions
    projects/<id>/fingerprint          state and number of the annotations the last round has read
    projects/<id>/decided              newest version whose decision was carried out
    projects/<id>/hold.json            an operator keeps what serves until `ecgal resume`; see `backend.switching`

Every file is written aside and renamed, so that a killed process leaves the old or the new state.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from backend.engine.openvino import INT8_FILES
from backend.errors import BackendError, BadRequest, ModelError, NotFound
from backend.files import read_text, write_atomic
from backend.model_card import ModelCard
from backend.records import Connection, Hold, RankingRecord

RULES_VERSION = "rules-1"
"""The version before any annotation: rules alone. Changing the rules visibly means a new number."""

CARD = "card.json"
MEMORY = "memory.json"
"""Span memory of a version; every version that can serve has one."""

VERSION = re.compile(r"rules-[0-9]+|ecg-r[0-9]{4,}-[0-9a-f]{8}")
"""Names of our versions; predictions under any other name belong to somebody else."""

PROJECT_ID = re.compile(r"[0-9]{1,18}")


class Registry:
    """Reads and writes the files of all projects; safe with many processes on one file system."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()

    # Projects ---------------------------------------------------------------------------------

    def projects(self) -> list[str]:
        """Ids of all projects seen, in numerical order."""
        folder = self.home / "projects"
        ids = [p.name for p in folder.iterdir() if PROJECT_ID.fullmatch(p.name)] if folder.is_dir() else []
        return sorted(ids, key=int)

    def connected(self) -> list[str]:
        """Those of the projects that are connected to a Label Studio."""
        return [project for project in self.projects() if self.connection(project)]

    def folder(self, project: str) -> Path:
        """Folder of the project; raises BadRequest for an id that is not a number (it becomes a path)."""
        if not PROJECT_ID.fullmatch(project):
            raise BadRequest("Not a project id", project, "Label Studio's project ids are numbers")
        return self.home / "projects" / project

    def label_config(self, project: str) -> str | None:
        """The labelling configuration last seen, or None."""
        return read_text(self.folder(project) / "label_config.xml")

    def remember_label_config(self, project: str, xml: str) -> bool:
        """Keep a usable labelling configuration; returns whether it is new."""
        (self.folder(project) / "label_config.fault").unlink(missing_ok=True)
        if self.label_config(project) == xml:
            return False
        write_atomic(self.folder(project) / "label_config.xml", xml)
        return True

    def refuse_label_config(self, project: str, reason: str) -> bool:
        """Keep why the project's present labelling configuration cannot be used; returns whether that is new."""
        if self.label_config_fault(project) == reason:
            return False
        write_atomic(self.folder(project) / "label_config.fault", reason)
        return True

    def label_config_fault(self, project: str) -> str:
        """Why the project's present labelling configuration cannot be used; "" when it can."""
        return read_text(self.folder(project) / "label_config.fault") or ""

    def connection(self, project: str) -> Connection | None:
        """How to reach the project's Label Studio, or None before `ecgal connect`."""
        text = read_text(self.folder(project) / "connection.json")
        return Connection.model_validate_json(text) if text else None

    def save_connection(self, project: str, connection: Connection) -> None:
        """Keep URL and token, readable by the owner only."""
        fields = {**connection.model_dump(), "token": connection.token.get_secret_value()}
        write_atomic(self.folder(project) / "connection.json", json.dumps(fields), mode=0o600)
        (self.folder(project) / "ended").unlink(missing_ok=True)

    def end(self, project: str, reason: str) -> None:
        """Forget the connection and keep why."""
        write_atomic(self.folder(project) / "ended", reason)
        (self.folder(project) / "connection.json").unlink(missing_ok=True)

    def ended(self, project: str) -> str:
        """Why the project was ended; "" while it was not."""
        return (read_text(self.folder(project) / "ended") or "").strip()

    def ranking(self, project: str) -> RankingRecord | None:
        """The last ranking, finished or not, or None."""
        text = read_text(self.folder(project) / "ranking.json")
        return RankingRecord.model_validate_json(text) if text else None

    def save_ranking(self, project: str, record: RankingRecord) -> None:
        """Keep it."""
        write_atomic(self.folder(project) / "ranking.json", record.model_dump_json(indent=1))

    def trained_fingerprint(self, project: str) -> str:
        """Label Studio's fingerprint of the annotations the last round has read; "" before the first."""
        return (read_text(self.folder(project) / "fingerprint") or "").partition(" ")[0].strip()

    def annotated_then(self, project: str) -> int:
        """How many annotated tasks there were when the last round read them; 0 before the first."""
        count = (read_text(self.folder(project) / "fingerprint") or "").partition(" ")[2]
        cards = [] if count else self.versions(project, 1)  # a file of an earlier release holds no number
        return int(count) if count else cards[0].dataset.reports if cards else 0

    def save_trained_fingerprint(self, project: str, fingerprint: str, annotated: int) -> None:
        """Keep the fingerprint of the annotations a finished round has read, and the number of annotated tasks."""
        write_atomic(self.folder(project) / "fingerprint", f"{fingerprint} {annotated}")

    def decided(self, project: str) -> str:
        """The newest version whose decision was carried out; "" before the first, and when it is wanted anew."""
        return (read_text(self.folder(project) / "decided") or "").strip()

    def save_decided(self, project: str, version: str) -> None:
        """The version's decision was carried out: it was aimed at, or it was not promoted."""
        write_atomic(self.folder(project) / "decided", version)

    def hold(self, project: str) -> Hold | None:
        """The operator's hold, or None; a damaged one still holds."""
        try:
            return Hold.parse((self.folder(project) / "hold.json").read_bytes())
        except FileNotFoundError:
            return None

    def save_hold(self, project: str, hold: Hold | None) -> None:
        """Keep the hold, or end it; call it with the project's target lock held."""
        path = self.folder(project) / "hold.json"
        write_atomic(path, hold.model_dump_json(indent=1)) if hold else path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, project: str, name: str) -> Iterator[None]:
        """Only one process at a time does `name` for the project; a dead holder frees it (flock)."""
        self.folder(project).mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder(project) / f"{name}.lock"):
            yield

    # Versions ---------------------------------------------------------------------------------

    def versions(self, project: str, limit: int | None = None) -> list[ModelCard]:
        """Cards of complete versions, newest first, at most `limit`; one that cannot be read is left out."""
        cards = []
        for name in sorted(self._names(project), key=round_of, reverse=True)[:limit]:
            with suppress(ModelError):
                cards.append(self.card(project, name))
        return sorted(cards, key=lambda card: (card.round, card.created), reverse=True)

    def card(self, project: str, version: str) -> ModelCard:
        """The card of a version; raises NotFound, or ModelError when it cannot be read."""
        path = self.model_folder(project, version) / CARD
        try:
            return ModelCard.model_validate_json(path.read_text("utf-8"))
        except FileNotFoundError:
            raise NotFound("No such version", version, "`ecgal models` lists them") from None
        except (OSError, ValidationError) as error:
            raise ModelError("Unreadable model card", version, type(error).__name__) from None

    def exists(self, project: str, version: str) -> bool:
        """Whether the version can serve: the rules, or a complete folder that was not pruned."""
        return version == RULES_VERSION or (self.model_folder(project, version) / MEMORY).is_file()

    def model_folder(self, project: str, version: str) -> Path:
        """Folder of a version; raises NotFound for a name that is none (it becomes a path)."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", version):
            raise NotFound("No such version", version[:64], "`ecgal models` lists them")
        return self.folder(project) / "models" / version

    def last_round(self, project: str) -> int:
        """Number of the newest round that produced a version, readable or not; 0 before the first."""
        return max(map(round_of, self._names(project)), default=0)

    def damage(self, project: str, version: str) -> str:
        """What keeps a version from serving as a sentence; "" when all files it needs have their size."""
        try:
            wrong = [name for name in self._damaged(project, version) if name not in INT8_FILES]
        except BackendError as error:
            return str(error)
        return f"Damaged files of {version}: {', '.join(wrong)}" if wrong else ""

    def int8_damage(self, project: str, version: str) -> str:
        """Why a version that may serve in 8 bits does not as a sentence; "" where nothing is wrong with its files."""
        try:
            wrong = [name for name in self._damaged(project, version) if name in INT8_FILES]
        except BackendError:
            return ""
        return f"Damaged files of {version}: {', '.join(wrong)}; it serves without 8 bits" if wrong else ""

    def _damaged(self, project: str, version: str) -> list[str]:
        """Files of a version that are missing or do not have their size; raises ModelError for a damaged card."""
        if version == RULES_VERSION:
            return []
        files, folder = self.card(project, version).files, self.model_folder(project, version)
        found = {name: (folder / name).stat().st_size for name in files if (folder / name).is_file()}
        return [name for name, size in files.items() if found.get(name) != size]

    def new_folder(self, project: str) -> Path:
        """An empty folder beside the versions, to fill and hand to `publish`."""
        (parent := self.folder(project) / "models").mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=parent))

    def publish(self, card: ModelCard, folder: Path) -> Path:
        """Write the card into `folder` and rename it to its final place; an existing version stays."""
        files = {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
        card = card.model_copy(update={"files": files})
        (folder / CARD).write_text(card.model_dump_json(indent=1), "utf-8")
        if (final := self.model_folder(card.project, card.version)).exists():
            shutil.rmtree(folder)
        else:
            folder.rename(final)
        return final

    def amend(self, card: ModelCard) -> None:
        """Replace the card of a published version: its decision became another one."""
        write_atomic(self.model_folder(card.project, card.version) / CARD, card.model_dump_json(indent=1))

    def sweep(self, project: str) -> None:
        """Remove unfinished folders of killed rounds; call it with the project's round lock held."""
        folder = self.folder(project) / "models"
        for left in folder.glob(".*") if folder.is_dir() else ():
            shutil.rmtree(left, ignore_errors=True)

    def prune(self, project: str, keep: int) -> list[str]:
        """Remove all but the card from versions that neither serve, shall serve, nor are among the newest `keep`.

        The version before the serving one stays for a roll back, and that which waits for the end of a hold. Returns
        the versions that were pruned.
        """
        with self.lock(project, "target"):  # else an operator could aim at one that goes
            return self._prune(project, keep)

    def _prune(self, project: str, keep: int) -> list[str]:
        cards, serving, hold = self.versions(project), self.serving(project), self.hold(project)
        needed = {serving, self.target(project), self.before(project, serving), *(c.version for c in cards[:keep])}
        needed |= {hold.candidate} if hold else set()
        pruned = []
        for version in (c.version for c in cards if c.version not in needed):
            folder = self.model_folder(project, version)
            (folder / MEMORY).unlink(missing_ok=True)  # first: without it the version no longer counts as usable
            left = [path for path in folder.iterdir() if path.name != CARD]
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            pruned += [version] if left else []
        return pruned

    # Pointers ---------------------------------------------------------------------------------

    def serving(self, project: str) -> str:
        """The version that serves; `rules-1` before the first promotion."""
        return self._pointer(project, "serving")

    def target(self, project: str) -> str:
        """The version that shall serve once the pool is ranked with it."""
        return self._pointer(project, "target")

    def aim(self, project: str, version: str) -> None:
        """Set the version that shall serve; raises NotFound."""
        self._point(project, "target", version)

    def promote(self, project: str, version: str) -> None:
        """Set the version that serves; raises NotFound."""
        self._point(project, "serving", version)

    def before(self, project: str, version: str) -> str:
        """The usable promoted version before `version`, for a roll back; `rules-1` when there is none."""
        if version == RULES_VERSION:
            return RULES_VERSION
        current, versions = round_of(version), self.versions(project)
        older = (c.version for c in versions if c.round < current and c.decision.promote)
        return next((v for v in older if self.exists(project, v) and not self.damage(project, v)), RULES_VERSION)

    def _names(self, project: str) -> list[str]:
        """Versions with a card, in no order."""
        folder = self.folder(project) / "models"
        found = folder.iterdir() if folder.is_dir() else ()
        return [p.name for p in found if (p / CARD).is_file() and not p.name.startswith(".")]

    def _pointer(self, project: str, name: str) -> str:
        # Never another version in place of one that is damaged or gone: that is for people to decide.
        return (read_text(self.folder(project) / name) or "").strip() or RULES_VERSION

    def _point(self, project: str, name: str, version: str) -> None:
        if not self.exists(project, version):
            raise NotFound("No such version, or its weights were pruned", version, "`ecgal models` lists them")
        write_atomic(self.folder(project) / name, version)


def round_of(version: str) -> int:
    """The round in a version's name; 0 for the rules.

    >>> round_of("ecg-r0012-0badcafe"), round_of("rules-1")
    (12, 0)
    """
    found = re.match(r"ecg-r([0-9]+)-", version)
    return int(found[1]) if found else 0
