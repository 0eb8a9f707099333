"""The connection to a Label Studio: label-studio-sdk, imported on first use (2 s), and what its failures mean.

Nothing else imports the SDK. Errors name the address without credentials, and never the token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backend.errors import LabelStudioError
from backend.settings import is_loopback, proxy_variable, proxy_variables

if TYPE_CHECKING:
    from httpx import Client
    from label_studio_sdk.client import LabelStudio

SSRF_VARIABLES = "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false"
SSRF_HINT = (
    "Label Studio refuses private addresses: start it with "
    f"{SSRF_VARIABLES} (or with LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS=false alone)"
)
LEGACY_HINT = (
    "check the token; legacy tokens are off unless Label Studio's database was created with "
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true or an owner allows them under Organization > Access Token Settings; "
    "a personal access token always works"
)
PERSONAL_HINT = "create a new personal access token under Account & Settings > Personal Access Token"
HINTS = {
    403: "the token's owner may not do this",
    404: "check the project's number and that the token's owner may see it",
}
MESSAGE_LIMIT = 300

READ_ONLY: Any = {"max_retries": 2}
ONCE: Any = {"max_retries": 0}
"""For every request that changes something: the SDK would repeat it after an error of the server."""


class Refusal(LabelStudioError):
    """Label Studio answered with an error; `code` is the HTTP status, `reason` what it said."""

    def __init__(self, what: str, code: int, reason: str, hint: str) -> None:
        super().__init__(f"Label Studio refused ({code}): {what}", reason, hint)
        self.code = code
        self.reason = reason


class Unreachable(LabelStudioError):
    """Label Studio did not answer."""


class Session:
    """One Label Studio and one token. Requests that read are tried three times, others once."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self.url = url.strip().rstrip("/")
        self._token = token.strip()
        self._timeout = timeout
        if not self._token or not self._token.isascii() or not self._token.isprintable():
            raise LabelStudioError("The access token is empty or holds characters that no token has")
        if not re.match(r"https?://[^/]", self.url):
            raise LabelStudioError("Not an address of Label Studio", shown(self.url), "for example http://host:8080")

    @property
    def is_personal(self) -> bool:
        """Whether the token is a personal one (a JWT) rather than a legacy one."""
        return self._token.count(".") == 2

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: no proxy is asked for it, whatever the environment says."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @cached_property
    def sdk(self) -> LabelStudio:
        """The SDK's client. Redirects are errors: a POST would arrive as a GET, the token at another host."""
        from label_studio_sdk.client import LabelStudio

        http = self._http()
        # The slash matters: the SDK joins "api/token/refresh/" to the address.
        url = f"{self.url}/"
        return LabelStudio(  # type: ignore[no-untyped-call]
            base_url=url, api_key=self._token, timeout=self._timeout, httpx_client=http
        )

    def _http(self) -> Client:
        """Raises LabelStudioError that names the variables of a proxy that cannot be used."""
        from httpx import Client, InvalidURL

        try:
            return Client(timeout=self._timeout, follow_redirects=False, trust_env=not self.is_local)
        except ImportError:
            what, hint = "SOCKS proxies cannot be used", "set an http:// proxy, or NO_PROXY to go there directly"
        except (ValueError, InvalidURL):
            # httpx looks at all of them, whichever it would use for this address.
            what, hint = (
                "A proxy variable cannot be used",
                "a proxy looks like http://host:3128, NO_PROXY like host,.domain",
            )
        raise LabelStudioError(what, ", ".join(proxy_variables()), hint)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if "sdk" in self.__dict__:
            self.sdk._client_wrapper.httpx_client.httpx_client.close()
            del self.sdk

    def raw(self, method: str, path: str, body: object = None, timeout: float | None = None) -> Any:
        """The JSON that a route answers which the SDK lacks; call it within `asking`."""
        from label_studio_sdk.core.api_error import ApiError

        options = (READ_ONLY if method == "GET" else ONCE) | ({} if timeout is None else {"timeout": timeout})
        http = self.sdk._client_wrapper.httpx_client
        response = http.request(path, method=method, json=body, request_options=options)
        if response.status_code >= 300:
            is_json = "json" in response.headers.get("content-type", "")
            raise ApiError(status_code=response.status_code, body=response.json() if is_json else None)
        return response.json() if response.content else {}

    def release(self) -> str:
        """Release of Label Studio, without the token."""
        with self.asking("its release"), self._http() as http:
            answer = http.get(f"{self.url}/api/version").raise_for_status().json()
        if not isinstance(answer, dict) or "release" not in answer:
            raise self._stranger()
        return str(answer["release"])

    @contextmanager
    def asking(self, what: str, *, quiet: bool = False) -> Iterator[None]:
        """Turn what the SDK raises into LabelStudioError; `quiet` where an answer may repeat report text."""
        from httpx import HTTPError, InvalidURL, TimeoutException
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            raise self._refusal(what, error.status_code or 0, "" if quiet else reason(error.body)) from None
        except TimeoutException:
            hint = f"asked for: {what}{self._through_proxy()}"
            raise Unreachable("Label Studio did not answer in time", shown(self.url), hint) from None
        except (HTTPError, InvalidURL) as error:
            hint = f"is it running, and is this its address? ({type(error).__name__}){self._through_proxy()}"
            raise Unreachable("Label Studio cannot be reached", shown(self.url), hint) from None
        except json.JSONDecodeError:
            raise self._stranger() from None

    def _stranger(self) -> LabelStudioError:
        hint = "is this the address of a Label Studio?"
        return LabelStudioError("The answer is not Label Studio's", shown(self.url), hint)

    def _through_proxy(self) -> str:
        """A sentence that names the variable whose proxy the requests go through; "" when they go there directly."""
        variable = "" if self.is_local else proxy_variable(self.url)
        return (
            f". The request goes through the proxy of {variable}: set NO_PROXY to go there directly" if variable else ""
        )

    def _refusal(self, what: str, code: int, said: str) -> LabelStudioError:
        if 200 <= code < 300:  # the SDK could not read the body
            return self._stranger()
        if "address" in said and ("reserved" in said or "block" in said):
            return Refusal(what, code, said, SSRF_HINT)
        if code == 401:
            return Refusal(what, code, said, PERSONAL_HINT if self.is_personal else LEGACY_HINT)
        if 300 <= code < 400:
            return Refusal(what, code, said, "it redirects: use the address that a browser shows")
        return Refusal(what, code, said, HINTS.get(code, ""))


def shown(text: str) -> str:
    """The text without user and password in addresses.

    >>> shown("http://user:secret@host:9090/x")
    'http://***@host:9090/x'
    """
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


def reason(body: object) -> str:
    """What Label Studio says in an error body: validation messages, else the detail; shortened."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("validation_errors")
    parts = list(_texts(errors)) if errors else []
    text = "; ".join(parts) or str(body.get("detail") or "")
    return shown(re.sub(r"<[^>]*>", "", text))[:MESSAGE_LIMIT].rstrip(". ")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value:
        yield str(value)


def plain(model: Any) -> dict[str, Any]:
    """The JSON object behind an SDK model: only the fields that Label Studio sent, times as text."""
    fields: dict[str, Any] = model.model_dump(mode="json", exclude_unset=True)
    return fields
