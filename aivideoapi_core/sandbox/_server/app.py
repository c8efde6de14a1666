"""The sandbox's handling of one HTTP request: authenticate, validate, answer, charge. No sockets here."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aivideoapi_core.sandbox._answers.rules import rule_made_reply
from aivideoapi_core.sandbox._judge.requests import validate
from aivideoapi_core.sandbox._platform.catalog import ModelRules, is_native
from aivideoapi_core.sandbox._platform.errors import SandboxError, bad_request, error_body
from aivideoapi_core.sandbox._script.headers import scripted_by_headers
from aivideoapi_core.sandbox._script.replies import Fault, Reply, Scripted
from aivideoapi_core.sandbox._server.books import MICRO, Ledger, LedgerEntry
from aivideoapi_core.sandbox._server.compose import blocks_of, finish, limited, scripted_stop
from aivideoapi_core.sandbox._server.config import Config
from aivideoapi_core.sandbox._server.entries import entry_of, refusal_entry
from aivideoapi_core.sandbox._server.keys import good_key
from aivideoapi_core.sandbox._server.plan import (
    Plan,
    answer_plan,
    answerless_plan,
    broken_plan,
    json_plan,
    paced,
)
from aivideoapi_core.sandbox._server.render import Answer
from aivideoapi_core.sandbox._server.requests import HttpRequest, NotJson, RecordedRequest, parsed, streams
from aivideoapi_core.sandbox._server.tokens import (
    Cache,
    CacheEntry,
    InputUsage,
    cached_usage,
    input_tokens,
    plain_usage,
    prompt_segments,
    remember,
)


class App:
    """State of one sandbox: script, records, ledger, prompt cache."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._tag = config.seed if config.seed is not None else secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._clear()

    def _clear(self) -> None:
        self._script: deque[Scripted] = deque()
        self._requests: list[RecordedRequest] = []
        self._cache: Cache = {}
        self._header_uses: dict[str, int] = {}
        self._thought: dict[str, bool] = {}  # tool use ids given out: did thinking come before them?
        self.ledger = Ledger(self.config.balance_credits * MICRO)

    def reset(self) -> None:
        """Forget script, records, charges and the prompt cache; ids go on counting."""
        with self._lock:
            self._clear()

    def enqueue(self, items: tuple[Scripted, ...]) -> None:
        """Script the next ``/v1/messages`` requests."""
        for item in items:
            if not isinstance(item, Reply | Fault):
                raise TypeError(
                    f"enqueue takes Reply and Fault objects of aivideoapi_core.sandbox, not {_name_of(item)}"
                )
        with self._lock:
            self._script.extend(items)

    @property
    def unused(self) -> list[Scripted]:
        """What was scripted and not asked for yet, in order."""
        with self._lock:
            return list(self._script)

    @property
    def requests(self) -> list[RecordedRequest]:
        """A copy of the records so far."""
        with self._lock:
            return list(self._requests)

    def new_id(self, kind: str) -> str:
        """``req``, ``msg`` or ``toolu`` id, unique in this process and, without a seed, beyond it."""
        return f"{kind}_sandbox_{self._tag}{next(self._numbers):08d}"

    def handle(self, request: HttpRequest) -> tuple[Plan, str]:
        """The plan for one request, and its request id. Charges and books before returning."""
        request_id = self.new_id("req")
        path = request.path.partition("?")[0]
        body = parsed(request.body)
        self._record(request, path, body)
        try:
            return self._routed(request, path, body, request_id), request_id
        except SandboxError as error:
            if path == "/v1/messages":
                self._book(refusal_entry(error, body, request_id=request_id), key="")
            value = error_body(error.code, message=error.message)
            return json_plan(
                error.http_status, value, headers=error.headers, outcome=f"error:{error.code}"
            ), request_id

    def client_left(self, request_id: str) -> None:
        """The client closed the connection before the answer was complete."""
        self.ledger.amend(request_id, outcome="abandoned")

    def _record(self, request: HttpRequest, path: str, body: Any) -> None:
        headers = dict(request.headers)
        sent = "authorization" in headers
        if sent:
            headers["authorization"] = "Bearer ***"
        if "x-api-key" in headers:
            headers["x-api-key"] = "***"
        record = RecordedRequest(
            method=request.method,
            path=path,
            headers=headers,
            body=None if isinstance(body, NotJson) else body,
            key_was_sent=sent,
            connection_id=request.connection_id,
        )
        with self._lock:
            self._requests.append(record)
            if self.config.record_limit is not None:
                del self._requests[: -self.config.record_limit or None]

    def _routed(self, request: HttpRequest, path: str, body: Any, request_id: str) -> Plan:
        allowed = {"/v1/messages": ("POST",), "/v1/credits": ("GET", "HEAD"), "/healthz": ("GET", "HEAD")}
        if path not in allowed:
            raise SandboxError("invalid_request", f"no such path: {path}", 404)
        if request.method not in allowed[path]:
            names = ", ".join(allowed[path])
            raise SandboxError(
                "invalid_request", f"{request.method} is not allowed on {path}", 405, {"allow": names}
            )
        if path == "/healthz":
            return json_plan(200, {"status": "ok", "server": "aivideoapi-sandbox"})
        key = good_key(request.headers, self.config.keys, spent_by=self.ledger.spent_by)
        if path == "/v1/credits":
            return json_plan(200, {"code": 200, "msg": "success", "data": self.ledger.balance_object()})
        return self._message(request, body, key=key, request_id=request_id)

    def _message(self, request: HttpRequest, body: Any, *, key: str, request_id: str) -> Plan:
        if isinstance(body, NotJson):
            raise bad_request(f"body: not valid JSON ({body.reason})")
        if not isinstance(body, dict):
            raise bad_request("body: a JSON object is required")
        rules = self._rules_of(body)
        if self.config.validate:
            version = request.headers.get("anthropic-version")
            validate(body, rules, version=version, thought=self._thought)
        if self.ledger.balance_micro <= 0:
            raise SandboxError("insufficient_credits", "the balance is too low, please top up")
        scripted = self._next_scripted(request.headers)
        wait_s, scripted = _without_delay(scripted)
        plan: Plan | None = None
        answer: Answer | None = None
        charge: int | None = 0
        if isinstance(scripted, Fault):
            plan = answerless_plan(scripted, request_id=request_id, key=key)
        if plan is None:
            plan, answer, charge = self._answered(body, rules, scripted, key=key, request_id=request_id)
        if answer is not None and not isinstance(scripted, Fault):
            plan = paced(
                plan,
                int(answer.usage.get("output_tokens") or 0),
                tokens_per_s=self.config.tokens_per_s,
                first_token_s=self.config.first_token_s,
            )
        if wait_s:
            plan = _delayed(plan, wait_s)
        self._book(entry_of(plan, answer, charge, body=body, request_id=request_id), key=key)
        return plan

    def _rules_of(self, body: Mapping[str, Any]) -> ModelRules:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise bad_request("model: field required, a non-empty string")
        if model not in self.config.models:
            raise SandboxError("model_not_found", f"model: {model} is unknown or inactive")
        return self.config.models[model]

    def _next_scripted(self, headers: Mapping[str, str]) -> Scripted | None:
        with self._lock:
            by_header = scripted_by_headers(headers, self._header_uses)
            if by_header is not None:
                return by_header
            return self._script.popleft() if self._script else None

    def _answered(
        self,
        body: Mapping[str, Any],
        rules: ModelRules,
        scripted: Scripted | None,
        *,
        key: str,
        request_id: str,
    ) -> tuple[Plan, Answer, int | None]:
        model, stream = str(body["model"]), streams(body)
        fault = scripted if isinstance(scripted, Fault) else None
        reply = fault.reply if fault is not None else scripted
        counted = self._count_input(body, rules, key=key)
        total = sum(value for value in counted.usage.values() if isinstance(value, int))
        if total > rules.context_tokens:
            raise bad_request(f"prompt is too long: {total} tokens > {rules.context_tokens} maximum")
        if isinstance(reply, Reply):
            blocks = blocks_of(reply, new_id=self.new_id)
            stop = scripted_stop(reply, blocks)
        else:
            reply = rule_made_reply(body)
            blocks = blocks_of(reply, new_id=self.new_id, hide_thinking=_hides_thinking(body))
            blocks, reason, sequence = limited(blocks, body)
            stop = (reason, sequence)
        answer, charge = finish(
            reply,
            blocks,
            stop=stop,
            input_usage=counted.usage,
            requested=model,
            rules=rules,
            message_id=self.new_id("msg"),
        )
        if fault is None:
            plan = answer_plan(answer, stream=stream)
        else:
            plan = broken_plan(answer, fault, stream=stream, request_id=request_id)
        thinks = any(block.get("type") in ("thinking", "redacted_thinking") for block in blocks)
        with self._lock:
            for block in blocks:
                if block.get("type") == "tool_use":
                    self._thought[str(block.get("id"))] = thinks
            if plan.charged:
                remember(self._cache, counted.touched, now=self.config.clock())
        return plan, answer, charge

    def _count_input(self, body: Mapping[str, Any], rules: ModelRules, *, key: str) -> InputUsage:
        if rules.prices is None or not rules.prices.has_caching or is_native(str(body["model"])):
            return InputUsage(plain_usage(input_tokens(body)), {})
        scope = f"{key}\x00{body['model']}\x00".encode("utf-8", "backslashreplace")
        with self._lock:
            cache: Mapping[bytes, CacheEntry] = self._cache
            return cached_usage(
                prompt_segments(body),
                cache,
                scope=scope,
                now=self.config.clock(),
                minimum=self.config.cache_min_tokens,
            )

    def _book(self, entry: LedgerEntry, *, key: str) -> None:
        self.ledger.add(entry, key=key)
        if self.config.on_answer is not None:
            self.config.on_answer(entry)


def _hides_thinking(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("display") == "omitted"


def _without_delay(scripted: Scripted | None) -> tuple[float, Scripted | None]:
    """Add up the delays in front of what is scripted."""
    wait_s = 0.0
    while isinstance(scripted, Fault) and scripted.kind == "delay":
        wait_s += scripted.seconds
        scripted = scripted.then
    return wait_s, scripted


def _delayed(plan: Plan, wait_s: float) -> Plan:
    return replace(plan, wait_s=wait_s)


def _name_of(item: object) -> str:
    """The class of ``item``, with its module where it has one: clients have a ``Reply`` too."""
    kind = type(item)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
