"""Notifications as they arrive: at a real HTTP server in Slack's place, and at a real mail server."""

import json
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default as modern
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.conftest import free_port
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.notify.notification import Kind, Notification, NotifyError
from lakehouse.notify.sinks import configured_sinks, notify
from lakehouse.notify.slack import payload
from lakehouse.settings import Settings

LINK = "http://127.0.0.1:3000/runs/abc"
FAILING = Notification(Kind.FAILING, "run of dbt_incremental", "fct_orders_daily <is> late & wrong", LINK)


class Webhook:
    """Answers with ``answers``, the last of them for ever; keeps what it is sent."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, dict[str, str]]] = [(200, "ok", {})]
        self.received: list[dict[str, Any]] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.append(json.loads(body))
                status, text, headers = webhook.answers.pop(0) if len(webhook.answers) > 1 else webhook.answers[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/B0/secret"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    thread = threading.Thread(target=webhook.server.serve_forever)
    thread.start()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()
    thread.join()


class Mailbox(Message):
    """What the mail server took, one message each."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Any] = []

    def prepare_message(self, session: Any, envelope: Any) -> Any:
        message = message_from_bytes(envelope.content, policy=modern)
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        return message

    def handle_message(self, message: Any) -> None:
        self.messages.append(message)


@pytest.fixture
def mailbox(make: Callable[..., Settings]) -> Iterator[tuple[Mailbox, Settings]]:
    """A mail server that asks for a login, and the settings to reach it."""
    box, port = Mailbox(), free_port()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", b"right")
        return AuthResult(success=right, handled=False)

    controller = Controller(box, "127.0.0.1", port, authenticator=login, auth_required=True, auth_require_tls=False)
    controller.start()
    settings = make(
        notify_email_to="a@example.org, b@example.org",
        notify_smtp_port=port,
        notify_smtp_user="me",
        notify_smtp_password="right",  # noqa: S106
    )
    yield box, settings
    controller.stop()


@pytest.fixture
def make(tmp_path: Path, make_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    return lambda **overrides: make_settings(tmp_path, **overrides)


def test_slack_gets_a_header_the_reason_and_a_link(webhook: Webhook, make: Callable[..., Settings]) -> None:
    notify(configured_sinks(make(notify_slack_webhook=webhook.url)), FAILING)
    (message,) = webhook.received
    assert message["text"] == ":red_circle: Failing: run of dbt_incremental"
    header, section, context = message["blocks"]
    assert header["text"] == {"type": "plain_text", "text": message["text"], "emoji": True}
    assert section["text"] == {"type": "mrkdwn", "text": "fct_orders_daily &lt;is&gt; late &amp; wrong"}
    assert context["elements"] == [{"type": "mrkdwn", "text": f"<{LINK}|Show in Dagster>"}]


def test_slacks_limits_are_kept() -> None:
    blocks = payload(Notification(Kind.RECOVERED, "s" * 500, "&" * 5000, LINK))["blocks"]
    assert len(blocks[0]["text"]["text"]) <= 150
    assert len(blocks[1]["text"]["text"]) <= 3000


def test_a_webhook_that_is_busy_is_asked_again(webhook: Webhook, make: Callable[..., Settings]) -> None:
    webhook.answers = [(429, "slow down", {"Retry-After": "1"}), (200, "ok", {})]
    notify(configured_sinks(make(notify_slack_webhook=webhook.url)), FAILING)
    assert len(webhook.received) == 2


def test_a_webhook_that_is_gone_is_told_without_its_address(webhook: Webhook, make: Callable[..., Settings]) -> None:
    webhook.answers = [(404, "no_service", {})]
    with pytest.raises(NotifyError, match=r"answers 404 'no_service'.*\n.*LAKEHOUSE_NOTIFY_SLACK_WEBHOOK") as raised:
        notify(configured_sinks(make(notify_slack_webhook=webhook.url)), FAILING)
    assert len(webhook.received) == 1
    assert "secret" not in str(raised.value)


def test_an_address_where_nobody_listens_is_not_shown_either(make: Callable[..., Settings]) -> None:
    url = f"http://127.0.0.1:{free_port()}/services/secret"
    with pytest.raises(NotifyError, match=r"cannot be reached") as raised:
        notify(configured_sinks(make(notify_slack_webhook=url)), FAILING)
    assert "secret" not in str(raised.value)


def test_a_mail_goes_to_all_addresses_with_reason_and_link(mailbox: tuple[Mailbox, Settings]) -> None:
    box, settings = mailbox
    notify(configured_sinks(settings), Notification(Kind.RECOVERED, "a check\nof ä table", "", LINK))
    (message,) = box.messages
    assert message["Subject"] == "[lakehouse] Recovered: a check of ä table"
    assert message["X-RcptTo"] == "a@example.org, b@example.org"
    assert LINK in message.get_content()


def test_a_wrong_password_is_told_with_server_and_settings(
    mailbox: tuple[Mailbox, Settings],
) -> None:
    box, settings = mailbox
    wrong = settings.model_copy(update={"notify_smtp_user": "somebody"})
    with pytest.raises(NotifyError, match=rf"127.0.0.1:{settings.notify_smtp_port} .*535(.|\n)*LAKEHOUSE_NOTIFY_SMTP_"):
        notify(configured_sinks(wrong), FAILING)
    assert not box.messages


def test_one_way_that_fails_keeps_no_other_waiting(
    webhook: Webhook, mailbox: tuple[Mailbox, Settings], make: Callable[..., Settings]
) -> None:
    webhook.answers = [(403, "action_prohibited", {})]
    box, settings = mailbox
    both = make(**{**settings.model_dump(exclude={"home", "state_dir"}), "notify_slack_webhook": webhook.url})
    with pytest.raises(NotifyError, match="action_prohibited"):
        notify(configured_sinks(both), FAILING)
    assert len(box.messages) == 1


def test_lakehouse_notify_tries_every_way(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = CliRunner().invoke(app, ["notify"])
    assert nobody.exit_code == 1
    assert "LAKEHOUSE_NOTIFY_SLACK_WEBHOOK" in nobody.output
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_SLACK_WEBHOOK", webhook.url)
    done = CliRunner().invoke(app, ["notify", "hello"])
    assert (done.exit_code, done.output) == (0, "✓ Slack\n")
    assert "hello" in json.dumps(webhook.received)
