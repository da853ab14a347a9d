"""`lakehouse notify`: tries the ways on which people are told of failures."""

from typing import Annotated

import typer

from lakehouse.settings import load_settings


def notify(
    text: Annotated[str, typer.Argument(help="What to say.")] = "Nothing happened: this is a test.",
) -> None:
    """Send a test over every way that is configured: Slack, e-mail.

    Dagster uses them to tell of failed runs and failing checks, and of their recovery. A webhook of Slack goes into
    LAKEHOUSE_NOTIFY_SLACK_WEBHOOK, addresses into LAKEHOUSE_NOTIFY_EMAIL_TO with the mail server in
    LAKEHOUSE_NOTIFY_SMTP_*. What Dagster sends is in its log, too.

    \b
    Examples:
      LAKEHOUSE_NOTIFY_EMAIL_TO=me@example.org lakehouse notify
    """
    from lakehouse.notify.notification import Kind, Notification, NotifyError
    from lakehouse.notify.sinks import configured_sinks

    settings = load_settings()
    notification = Notification(Kind.TEST, "lakehouse notify", text, settings.dagster_url)
    sinks = [sink for sink in configured_sinks(settings) if sink.name != "log"]
    if not sinks:
        raise NotifyError(
            "Nobody is told of failures: set LAKEHOUSE_NOTIFY_SLACK_WEBHOOK or LAKEHOUSE_NOTIFY_EMAIL_TO, then try "
            "again. Their settings: docs/reference/settings.md"
        )
    failed = False
    for sink in sinks:
        try:
            sink.send(notification)
            typer.echo(f"✓ {sink.name}")
        except NotifyError as error:
            failed = True
            typer.secho(f"✗ {sink.name}: {error}", fg=typer.colors.RED, err=True)
    if failed:
        raise typer.Exit(1)
