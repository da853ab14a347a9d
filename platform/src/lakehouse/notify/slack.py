"""Slack, by an incoming webhook.

The payload and the answers are those of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
the blocks' limits those of https://docs.slack.dev/reference/block-kit/blocks.
"""

import time
from dataclasses import dataclass
from typing import Any

import requests

from lakehouse.invocation import command
from lakehouse.notify.notification import Kind, Notification, NotifyError

_ANSWER_SECONDS = 10.0
#: Before it is tried once more, and at most where Slack says for how long: a sensor's tick has a minute in all.
_PAUSES_SECONDS, _LONGEST_PAUSE_SECONDS = (1.0, 3.0), 10.0
_HEADER_LENGTH, _SECTION_LENGTH = 150, 3000
_SIGNS = {Kind.FAILING: ":red_circle:", Kind.RECOVERED: ":large_green_circle:", Kind.TEST: ":white_circle:"}


class SlackSink:
    """Posts to ``webhook``, an address that lets anybody who knows it post: no message names it."""

    name = "Slack"

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook

    def send(self, notification: Notification) -> None:
        message = payload(notification)
        # Not by urllib3's Retry, which logs the address.
        for pause in (*_PAUSES_SECONDS, None):
            answer = self._post(message)
            if answer.problem is None:
                return
            if pause is None or not answer.passing:
                break
            time.sleep(min(answer.pause or pause, _LONGEST_PAUSE_SECONDS))
        raise NotifyError(
            f"{notification.title!r} was not told: the webhook of Slack {answer.problem}. Expected 200 'ok'.\n"
            "Look at the webhook in Slack, put its address into LAKEHOUSE_NOTIFY_SLACK_WEBHOOK, and try: "
            f"{command('notify')}"
        )

    def _post(self, message: dict[str, Any]) -> "_Answer":
        try:
            response = requests.post(self._webhook, json=message, timeout=_ANSWER_SECONDS)
        except requests.RequestException as error:
            return _Answer(f"cannot be reached ({type(error).__name__})", passing=True)
        if response.ok:
            return _Answer(None, passing=False)
        busy = response.status_code == requests.codes.too_many_requests
        asked = response.headers.get("Retry-After", "")
        return _Answer(
            f"answers {response.status_code} {response.text[:100]!r}",
            passing=busy or response.status_code >= 500,
            pause=float(asked) if asked.isdecimal() else None,
        )


@dataclass(frozen=True)
class _Answer:
    """``problem`` is None for a message that was taken; a ``passing`` one may be gone a ``pause`` of seconds later."""

    problem: str | None
    passing: bool
    pause: float | None = None


def payload(notification: Notification) -> dict[str, Any]:
    """The message: a header, why, and a link. ``text`` is what notifications of the operating system show."""
    text = f"{_SIGNS[notification.kind]} {notification.title}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(text, _HEADER_LENGTH), "emoji": True}},
    ]
    if notification.detail:
        section = {"type": "mrkdwn", "text": _cut(_escaped(notification.detail), _SECTION_LENGTH)}
        blocks.append({"type": "section", "text": section})
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{notification.link}|Show in Dagster>"}]}
    )
    return {"text": _escaped(text), "blocks": blocks}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
