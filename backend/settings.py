"""Settings from the environment, read once in an entry point and passed down.

An unknown `ECG_*` name is an error, so that a typing slip does not pass unseen. Secrets print as
stars. `docs/settings.md` lists every name; a test holds it against this class.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit
from urllib.request import proxy_bypass

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from backend.errors import SettingsError

UNIX_SOCKET_LIMIT = 100
"""Bytes; Linux allows 107, macOS 103."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine: localhost, 127.0.0.0/8, ::1.

    >>> is_loopback("127.8.0.1"), is_loopback("localhost"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def proxy_variable(url: str) -> str:
    """The environment variable whose proxy httpx uses for the URL; "" for none."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    names = (f"{parts.scheme}_proxy", "all_proxy")
    return next((name for n in names for name in (n, n.upper()) if os.environ.get(name)), "")


def proxy_variables() -> list[str]:
    """The environment variables that name proxies, or hosts without one, and are set."""
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return [name for n in names for name in (n, n.upper()) if os.environ.get(name)]


def inherited(**more: str) -> dict[str, str]:
    """The environment for a process that is started here: this one's with `more`, and NO_PROXY for this machine."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    # Beside other names urllib no longer takes a star for all hosts.
    direct = "*" if "*" in names else ",".join(dict.fromkeys([*names, "localhost", "127.0.0.1", "127.0.0.0/8", "::1"]))
    return {**os.environ, "NO_PROXY": direct, "no_proxy": direct, **more}


class Settings(BaseModel):
    """All settings; every field is the environment variable in its alias, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    home: Path = Field(default=Path(".ecg"), alias="ECG_HOME", description="Folder of models, state and logs.")
    redis_url_setting: str = Field(
        default="", alias="REDIS_URL", description="Redis or Valkey to use; empty: the embedded Valkey of `ecgal up`."
    )
    host: str = Field(default="127.0.0.1", alias="ECG_HOST", description="Address the web process listens on.")
    port: int = Field(default=9090, alias="ECG_PORT", ge=0, le=65535, description="Port the web process listens on.")
    console_port: int = Field(
        default=8501, alias="ECG_CONSOLE_PORT", ge=0, le=65535, description="Port of the web console; 0: no console."
    )
    public_url: str = Field(
        default="", alias="ECG_PUBLIC_URL", description="URL under which Label Studio reaches the web process."
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), alias="ECG_API_KEY", description="Bearer key for operator routes; empty: none asked."
    )
    basic_auth: SecretStr = Field(
        default=SecretStr(""), alias="ECG_BASIC_AUTH", description="`user:password` Label Studio sends on ML calls."
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), alias="ECG_WEBHOOK_SECRET", description="Value of X-Webhook-Secret on webhooks."
    )
    label_studio_url: str = Field(
        default="", alias="LABEL_STUDIO_URL", description="Label Studio; set by `ecgal connect` when empty."
    )
    label_studio_token: SecretStr = Field(
        default=SecretStr(""),
        alias="LABEL_STUDIO_API_KEY",
        description="Legacy or personal access token; set by `ecgal connect` when empty.",
    )
    base_model: str = Field(
        default="",
        alias="ECG_BASE_MODEL",
        description="Hugging Face id or folder; empty: what `ecgal base-model` chose.",
    )
    engine: Literal["openvino", "torch"] = Field(
        default="openvino", alias="ECG_ENGINE", description="Inference engine."
    )
    precision: Literal["auto", "bf16", "f32"] = Field(
        default="auto",
        alias="ECG_PRECISION",
        description="Inference precision; auto: int8 if it passed its gate, else bf16 if the CPU has it, else f32.",
    )
    int8_loss: float = Field(
        default=0.005,
        alias="ECG_INT8_LOSS",
        ge=0,
        le=1,
        description="F1 that 8-bit inference may lose and still serve.",
    )
    int8_spearman: float = Field(
        default=0.995,
        alias="ECG_INT8_SPEARMAN",
        ge=-1,
        le=1,
        description="Rank correlation of its uncertainties with those in 32 bits that 8-bit inference must reach.",
    )
    int8_speedup: float = Field(
        default=1.1,
        alias="ECG_INT8_SPEEDUP",
        ge=0,
        description="How many times as fast 8-bit inference must be as what serves without it.",
    )
    threads: int = Field(
        default=min(2, os.cpu_count() or 1), alias="ECG_THREADS", ge=1, le=256, description="Threads of one process."
    )
    deep: Literal["off", "always"] = Field(
        default="off",
        alias="ECG_DEEP",
        description="Whether rounds also fine-tune an encoder, which takes minutes; it serves where it is better.",
    )
    retrain_min: int = Field(
        default=1, alias="ECG_RETRAIN_MIN", ge=1, description="New annotations before a round starts."
    )
    retrain_quiet: float = Field(
        default=2.0, alias="ECG_RETRAIN_QUIET", ge=0, description="A round waits for this long without annotations."
    )
    retrain_max_wait: float = Field(
        default=120.0, alias="ECG_RETRAIN_MAX_WAIT", ge=0, description="... but never longer than this."
    )
    train_min: int = Field(
        default=10, alias="ECG_TRAIN_MIN", ge=2, description="Annotated reports before the network is trained."
    )
    train_steps: int = Field(
        default=0, alias="ECG_TRAIN_STEPS", ge=0, description="Optimiser steps of a round; 0: by number of reports."
    )
    train_options: str = Field(
        default="", alias="ECG_TRAIN_OPTIONS", description="Changes of the recipe, as `epochs=3 layers=4`."
    )
    augment: int = Field(
        default=0, alias="ECG_AUGMENT", ge=0, le=100, description="Variants of each report made for training."
    )
    pretrain: bool = Field(
        default=False, alias="ECG_PRETRAIN", description="Let the base model read the project's texts first, once."
    )
    self_training: float = Field(
        default=0.0,
        alias="ECG_SELF_TRAINING",
        ge=0,
        le=10,
        description="What texts labelled by rules and memory count in training, annotated reports being 1.",
    )
    warm_start: bool = Field(
        default=False, alias="ECG_WARM_START", description="Start from the serving version, not from the base model."
    )
    train_minutes: float = Field(
        default=60.0, alias="ECG_TRAIN_MINUTES", gt=0, description="A fine-tuning stops after this many minutes."
    )
    holdout_share: float = Field(
        default=0.2, alias="ECG_HOLDOUT_SHARE", gt=0, lt=0.9, description="Share of tasks held out."
    )
    holdout_min: int = Field(
        default=10,
        alias="ECG_HOLDOUT_MIN",
        ge=1,
        description="Annotated holdout reports below which rounds are judged by cross-validation.",
    )
    keep_versions: int = Field(
        default=5, alias="ECG_KEEP_VERSIONS", ge=1, description="Newest versions whose weights are kept for a switch."
    )
    shard: int = Field(
        default=20_000,
        alias="ECG_SHARD",
        ge=1,
        description="Reports of a pool above which its ranking is cut into jobs of this size, for all workers.",
    )
    rank_first: int = Field(
        default=0,
        alias="ECG_RANK_FIRST",
        ge=0,
        description="Reports ranked first (the old head, a random part), for an order within a minute; 0: all at once.",
    )
    reconcile_seconds: float = Field(
        default=15.0, alias="ECG_RECONCILE_SECONDS", gt=0, description="How often Label Studio is asked for changes."
    )
    seed: int = Field(default=13, alias="ECG_SEED", ge=0, description="Seed of every random choice.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", alias="ECG_LOG_LEVEL", description="Log level of all processes."
    )

    @classmethod
    def from_env(cls) -> Settings:
        """Read the environment; raises SettingsError naming variable and value."""
        known = {field.alias for field in cls.model_fields.values()}
        for name in sorted(os.environ):
            if name.startswith("ECG_") and name not in known:
                raise SettingsError("Unknown setting", name, "docs/settings.md lists all names")
        given = {name: os.environ[name] for name in known if name and os.environ.get(name)}
        try:
            return cls.model_validate(given)._at_home()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            secret = name in {"ECG_API_KEY", "ECG_BASIC_AUTH", "ECG_WEBHOOK_SECRET", "LABEL_STUDIO_API_KEY"}
            value = "***" if secret else first["input"] if first["loc"] else ""
            raise SettingsError(f"{name} cannot be used ({first['msg']})", value, "see docs/settings.md") from None

    def _at_home(self) -> Settings:
        """The settings; raises SettingsError when ECG_HOME is, or lies in, what is no folder, or cannot be read."""
        try:
            any(self.home.iterdir())
        except FileNotFoundError:
            pass  # it is made when something is kept
        except OSError as error:
            hint = "set it to a folder that you may read and write"
            raise SettingsError(f"ECG_HOME cannot be used ({error.strerror})", self.home, hint) from None
        return self

    @model_validator(mode="after")
    def _cross_checks(self) -> Settings:
        if self.basic_auth.get_secret_value() and ":" not in self.basic_auth.get_secret_value():
            raise ValueError("ECG_BASIC_AUTH must be user:password")
        if self.basic_auth.get_secret_value() and not self.webhook_secret.get_secret_value():
            raise ValueError("ECG_BASIC_AUTH needs ECG_WEBHOOK_SECRET: Label Studio sends no basic auth on webhooks")
        if self.retrain_max_wait < self.retrain_quiet:
            raise ValueError(
                f"ECG_RETRAIN_MAX_WAIT ({self.retrain_max_wait}) is below ECG_RETRAIN_QUIET ({self.retrain_quiet})"
            )
        return self

    def require_credentials(self) -> None:
        """Refuse an address that others can reach while anything is unprotected; raises SettingsError."""
        if is_loopback(self.host):
            return
        secrets = {
            "ECG_API_KEY": self.api_key,
            "ECG_BASIC_AUTH": self.basic_auth,
            "ECG_WEBHOOK_SECRET": self.webhook_secret,
        }
        missing = [name for name, secret in secrets.items() if not secret.get_secret_value()]
        if missing:
            raise SettingsError(
                "The web process would be reachable without credentials on", self.host, f"set {', '.join(missing)}"
            )

    @property
    def url(self) -> str:
        """The URL given to Label Studio: ECG_PUBLIC_URL, or host and port."""
        return self.public_url.rstrip("/") or self.listening

    @property
    def listening(self) -> str:
        """Host and port of the web process, as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def console_url(self) -> str:
        """Where the web console is on this machine."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)
        return f"http://[{host}]:{self.console_port}" if ":" in host else f"http://{host}:{self.console_port}"

    @property
    def socket_path(self) -> Path:
        """Unix socket of the embedded Valkey; moves to the temporary folder when ECG_HOME is too deep."""
        home = self.home.resolve()
        path = home / "valkey" / "v.sock"
        if len(os.fsencode(path)) <= UNIX_SOCKET_LIMIT:
            return path
        return Path(tempfile.gettempdir()) / f"ecg-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}" / "v.sock"

    @property
    def redis_url(self) -> str:
        """REDIS_URL, or the embedded Valkey's socket in redis-py's notation."""
        return self.redis_url_setting or f"unix://{quote(str(self.socket_path))}"
