"""What the registry keeps of a project beside its versions. The formats are files: a new field needs a default."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError


class Connection(BaseModel):
    """How to reach the Label Studio of a project."""

    model_config = ConfigDict(frozen=True)

    url: str
    token: SecretStr
    backend_url: str = ""


class Hold(BaseModel):
    """An operator keeps what shall serve: rounds still train and are judged, but promote nothing.

    `since` is ISO 8601 in UTC; `candidate` is the newest version that its gate wanted to promote meanwhile, or "";
    `damaged`: its file could not be read, so all of that is unknown.
    """

    model_config = ConfigDict(frozen=True)

    by: str
    since: str
    reason: str
    candidate: str = ""
    damaged: bool = False

    @classmethod
    def parse(cls, raw: bytes) -> Hold:
        """The hold in its file; what is damaged must not end it, so that is a hold too."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError:
            return cls(by="unknown", since="unknown", reason="hold.json is damaged", damaged=True)

    def __str__(self) -> str:
        return f"held since {self.since} by {self.by}: {self.reason}"


class RankingRecord(BaseModel):
    """A ranking: how many tasks, how long, the distribution of their uncertainties; `finished` is "" until then.

    `drawn_from` is the number of reports that the distribution was drawn from, `earlier` the distribution of the
    version before; `phases` are seconds by what the last job did. `mixed`: some of its predictions are for labels that
    the project no longer has, and go when nobody annotates.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    labels: tuple[str, ...] = ()
    tasks: int
    seconds: float
    finished: str
    without_text: int = 0
    distribution: tuple[float, ...] = ()
    drawn_from: int = 0
    earlier: dict[str, tuple[float, ...]] = {}
    mixed: bool = False
    order_checked: int = 0
    order_equal: int = 0
    phases: dict[str, float] = {}

    def distribution_of(self, version: str) -> tuple[float, ...]:
        """Where its held-out tasks take their random places from; empty when it is not known."""
        return self.distribution if version == self.version else self.earlier.get(version, ())
