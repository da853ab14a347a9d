"""All the ways that are configured."""

from collections.abc import Sequence

from lakehouse.notify.email import EmailSink
from lakehouse.notify.notification import LogSink, Notification, NotifyError, Sink
from lakehouse.notify.slack import SlackSink
from lakehouse.settings import Settings


def configured_sinks(settings: Settings) -> list[Sink]:
    """The log always, and what has an address in ``settings``."""
    sinks: list[Sink] = [LogSink()]
    if webhook := settings.notify_slack_webhook.get_secret_value():
        sinks.append(SlackSink(webhook))
    if settings.notify_email_to:
        sinks.append(EmailSink(settings))
    return sinks


def notify(sinks: Sequence[Sink], notification: Notification) -> None:
    """Sends to all of ``sinks``. One that fails keeps none of the others waiting: NotifyError comes at the end."""
    problems = []
    for sink in sinks:
        try:
            sink.send(notification)
        except NotifyError as error:
            problems.append(str(error))
    if problems:
        raise NotifyError("\n".join(problems))
