"""E-mail, through an SMTP server."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from lakehouse.invocation import command
from lakehouse.notify.notification import Notification, NotifyError
from lakehouse.settings import Settings

_ANSWER_SECONDS = 20.0


class EmailSink:
    """Sends to the addresses of LAKEHOUSE_NOTIFY_EMAIL_TO."""

    name = "e-mail"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, notification: Notification) -> None:
        settings = self._settings
        message = EmailMessage()
        message["Subject"] = f"[lakehouse] {notification.title}"
        message["From"] = settings.notify_email_from
        message["To"] = settings.notify_email_to
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="lakehouse")
        message.set_content(f"{notification.detail}\n\n{notification.link}\n")
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(notification, str(error)) from error
        if refused:
            raise self._failed(notification, f"refuses {', '.join(refused)}")

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        address = (settings.notify_smtp_host, settings.notify_smtp_port)
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if settings.notify_smtp_security == "tls":
            server = smtplib.SMTP_SSL(*address, timeout=_ANSWER_SECONDS, context=context)
        else:
            server = smtplib.SMTP(*address, timeout=_ANSWER_SECONDS)
            if settings.notify_smtp_security == "starttls":
                server.starttls(context=context)
        if settings.notify_smtp_user:
            server.login(settings.notify_smtp_user, settings.notify_smtp_password.get_secret_value())
        return server

    def _failed(self, notification: Notification, why: str) -> NotifyError:
        settings = self._settings
        return NotifyError(
            f"{notification.title!r} was not told: the mail server {settings.notify_smtp_host}:"
            f"{settings.notify_smtp_port} ({settings.notify_smtp_security}): {why}\n"
            f"Look at LAKEHOUSE_NOTIFY_SMTP_* and LAKEHOUSE_NOTIFY_EMAIL_*, and try: {command('notify')}"
        )
