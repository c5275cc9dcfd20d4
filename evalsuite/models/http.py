"""JSON over HTTP for a model server: one session per event loop, slots, retries, and what a failure means."""

from __future__ import annotations

import asyncio
import random
import re
import time
import weakref
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evalsuite.errors import EvalsuiteError, RequestError, UnavailableError

if TYPE_CHECKING:
    import aiohttp

_FIRST_WAIT = 0.5  # seconds before the first retry, doubled each time
_LONGEST_WAIT = 30.0
_PATIENCE = 600.0  # a server that asks for a longer pause than this is out of reach for now
_TIMEOUT_RETRIES = 1  # what took a whole timeout will mostly take it again
_LARGEST = 64 << 20  # bytes of a reply; a completion has some kilobytes, a few megabytes with log-probabilities
_ABSENT_RETRIES = 2  # nobody has ever answered at this address


class Rejected(RequestError):
    """HTTP 400 or 422: the server objects to this body. `said` is its message at length."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class _Again(Exception):
    """An attempt that failed in a way that may pass. `wait`: seconds the server asked for; `limited`: it wants fewer requests;
    `retries`: this kind's own bound; `final`: what it becomes when retries are used up."""

    def __init__(
        self,
        message: str,
        *,
        wait: float = 0.0,
        limited: bool = False,
        retries: int | None = None,
        final: type[EvalsuiteError] = RequestError,
    ) -> None:
        super().__init__(message)
        self.wait, self.limited, self.retries, self.final = wait, limited, retries, final


class _Link:
    """What belongs to one event loop: the session, the slots, and until when everybody waits (loop time)."""

    def __init__(self, session: aiohttp.ClientSession, concurrency: int) -> None:
        self.session = session
        self.slots = asyncio.Semaphore(concurrency)
        self.resume_at = 0.0

    async def ready(self) -> None:
        """Wait out a pause that any request ran into. The jitter keeps the others from all coming back at once."""
        loop = asyncio.get_running_loop()
        while (delay := self.resume_at - loop.time()) > 0:
            await asyncio.sleep(delay + random.random() * min(delay, 1.0))


class Client:
    """POSTs JSON to one URL, at most `concurrency` at a time.

    Messages show neither the query of `url` nor any of `secrets`; `key_hint` says what to do where the key is refused.
    `timeout` is seconds per attempt. A lost connection, HTTP 408, 409, 429, 5xx and a reply that cannot be read are retried `max_retries` times with
    exponential backoff and jitter, a timeout once. A 429 or a Retry-After holds back all calls, and a 429 is not counted
    while other calls get through.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        secrets: tuple[str, ...],
        key_hint: str,
        concurrency: int,
        timeout: float,
        max_retries: int,
    ) -> None:
        self.url, self.shown = url, url.partition("?")[0]
        self.answered = 0  # calls that brought a reply which could be read
        self.reply_headers: Mapping[str, str] = {}
        self._headers, self._secrets, self._key_hint, self._proxy = headers, secrets, key_hint, _proxy(url)
        self._concurrency, self._timeout, self._max_retries = concurrency, timeout, max_retries
        self._links: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Link] = weakref.WeakKeyDictionary()

    async def post(self, body: Mapping[str, Any], read: Callable[[Any], Any], check: Callable[[], None]) -> tuple[Any, float]:
        """What `read` makes of the decoded reply, and the seconds of the attempt that brought it.

        `read` raises ValueError for a reply that is not one; `check` is called before each attempt and may raise. Raises
        Rejected, RequestError for a call that failed for good, UnavailableError where no call can succeed.
        """
        link, failures, data = self._link(), 0, _encode(body)
        while True:
            answered = self.answered
            try:
                async with link.slots:
                    if link.resume_at:
                        await link.ready()
                    check()
                    result = await self._attempt(link, data, read)
                self.answered += 1
                return result
            except _Again as error:
                if not (error.limited and self.answered > answered):
                    failures += 1
                allowed = self._max_retries if error.retries is None else min(error.retries, self._max_retries)
                if failures > allowed:
                    raise error.final(f"{error}" + (f" ({failures} attempts)" if failures > 1 else "")) from None
                wait = max(error.wait, min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** max(0, failures - 1)) * random.uniform(0.75, 1.25))
                if error.limited or error.wait:
                    link.resume_at = max(link.resume_at, asyncio.get_running_loop().time() + wait)
                else:
                    await asyncio.sleep(wait)

    async def close(self) -> None:
        """Close this event loop's connections."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link.session.close()

    async def _attempt(self, link: _Link, data: bytes, read: Callable[[Any], Any]) -> tuple[Any, float]:
        import aiohttp

        start = time.perf_counter()
        try:
            async with link.session.post(self.url, data=data, proxy=self._proxy, allow_redirects=False) as response:
                said = await self._body(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            never = "" if self.answered else "; check --base-url and that the server is up"
            retries = None if self.answered else _ABSENT_RETRIES
            raise _Again(
                f"cannot connect to {self.shown}: {getattr(error, 'os_error', error)}{never}",
                retries=retries,
                final=UnavailableError,
            ) from None
        except TimeoutError:
            hint = "the server hangs, or needs a longer timeout= or a smaller max_tokens"
            raise _Again(f"no answer from {self.shown} within {self._timeout:g} s: {hint}", retries=_TIMEOUT_RETRIES) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Again(f"connection to {self.shown} lost: {type(error).__name__}: {error}") from None
        latency = time.perf_counter() - start
        if response.status != 200:
            self._refuse(response, said)
        try:
            result = read(_decode(said))
        except ValueError as error:
            raise _Again(f"{self.shown} sent no completion: {error}: {self._clean(said)!r}") from None
        self.reply_headers = response.headers
        return result, latency

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The decompressed body. Raises RequestError for one without end, which would fill the memory."""
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > _LARGEST:
                response.close()
                raise RequestError(f"{self.shown} sent a reply of more than {_LARGEST >> 20} MiB")
        return b"".join(parts)

    def _refuse(self, response: aiohttp.ClientResponse, data: bytes) -> None:
        """Raise what an HTTP error status means."""
        status, said = response.status, self._clean(_message(data), 4000)
        message = f"{self.shown}: HTTP {status}" + (f": {said[:300]}" if said else "")
        if status == 401 or (status == 403 and not self.answered):
            raise UnavailableError(f"{message} ({self._key_hint})")
        if status == 402 or (status == 429 and "insufficient_quota" in said):
            raise UnavailableError(f"{message} (no credit left)")
        if status == 404 and not self.answered:
            raise UnavailableError(f"{message} (no such model or path: check the model name and --base-url)")
        wait = _retry_after(response.headers)
        if wait > _PATIENCE:
            raise UnavailableError(f"{message} (asks to wait {wait:.0f} s; run the same command again then)")
        if status in (408, 409, 429) or (status >= 500 and status not in (501, 505)):
            raise _Again(message, wait=wait, limited=status == 429)
        if status in (400, 422):
            raise Rejected(message, said)
        raise RequestError(message)

    def _clean(self, said: bytes | str, limit: int = 200) -> str:
        """The first `limit` characters of what a server said, without secrets."""
        text = said[:8000].decode("utf-8", "replace") if isinstance(said, bytes) else said
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:limit]

    def _link(self) -> _Link:
        """This event loop's session, made on first use."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            import aiohttp

            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency),
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(30.0, self._timeout)),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            link = self._links[loop] = _Link(session, self._concurrency)
        return link


def _proxy(url: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _encode(body: Mapping[str, Any]) -> bytes:
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate, which only JSON escapes can carry
        import json

        return json.dumps(body).encode()


def _decode(data: bytes) -> Any:
    """The JSON value of a body. Raises ValueError for anything else."""
    import orjson

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # lone surrogates and -Infinity: not JSON to the letter, but sent
        import json

        try:
            return json.loads(data)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _message(data: bytes) -> str:
    """The error message inside a server's error body; the whole body where it has another shape."""
    try:
        body = _decode(data)
    except ValueError:
        return data.decode("utf-8", "replace").strip()
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return " ".join(str(error[name]) for name in ("message", "code") if error.get(name))
    return error if isinstance(error, str) else data.decode("utf-8", "replace")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait; 0 where it does not say. RFC 9110 section 10.2.3: seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0
