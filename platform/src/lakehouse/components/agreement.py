"""The check `agreement`: engines that count the same events come to the same windows.

Beside it `late_ratio`, where the comparison is what tells of late events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from lakehouse.agreement import Agreement, Difference, compare, trials
from lakehouse.components.checks.dropped import drops_late_events, judge_dropped
from lakehouse.components.checks.ratios import LATE_RATIO
from lakehouse.components.news import as_result, news_sensor
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command
from lakehouse.storage.catalog import Catalog

AGREEMENT = "agreement"
_DESCRIPTION = (
    "Each closed window is what the table of events makes of it, but for events that came too late: so the engines "
    "agree with one another, too."
)
#: Windows close every minute, and comparing them reads an hour of events.
_EVERY_SECONDS = 300
_SHOWN = 50


@dataclass(frozen=True)
class EngineAgreement:
    """Compares all tables of ``contracts`` that count the same events."""

    contracts: Sequence[Contract]
    catalog: Catalog

    def specs(self) -> list[dg.AssetCheckSpec]:
        """The checks of each table that takes part."""
        parties = [party.contract for trial in trials(self.contracts) for party in trial.parties]
        return [
            *(dg.AssetCheckSpec(AGREEMENT, asset=each.table.split("."), description=_DESCRIPTION) for each in parties),
            *(LATE_RATIO.spec(each) for each in parties if drops_late_events(each)),
        ]

    def evaluate(self) -> Iterator[tuple[dg.AssetCheckEvaluation, str]]:
        """The checks of each table that has a closed window now, with the windows that are wrong as their reason."""
        for trial in trials(self.contracts):
            contracts = {party.table: party.contract for party in trial.parties}
            for agreement in compare(self.catalog, trial):
                # Other windows are compared each time; that one is wrong is news once, however long it is seen.
                wrong = agreement.unexplained
                yield _evaluation(agreement, trial.events.table), f"since {wrong[-1].window_start}" if wrong else ""
                if drops_late_events(contract := contracts[agreement.table]):
                    yield LATE_RATIO.evaluation(contract, judge_dropped(contract, agreement)), ""


def _evaluation(agreement: Agreement, events: str) -> dg.AssetCheckEvaluation:
    wrong, late = agreement.unexplained, len(agreement.differences) - len(agreement.unexplained)
    text = (
        f"{len(wrong)} of {agreement.windows} windows from {_clock(agreement.begin)} to {_clock(agreement.until)} "
        f"differ from what {events} makes of them, expected none; {late} others differ by late events alone"
    )
    if wrong:
        question = f"FROM {agreement.table} WHERE window_start = '{wrong[0].window_start.isoformat()}'"
        text += ". See the first: " + command(f'query "{question}"')
    shown = sorted(agreement.differences, key=lambda difference: difference.explained)[:_SHOWN]
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(agreement.table.split(".")),
        check_name=AGREEMENT,
        passed=not wrong,
        description=text,
        metadata={
            "windows": dg.MetadataValue.int(agreement.windows),
            "windows_wrong": dg.MetadataValue.int(len(wrong)),
            "windows_explained_by_late_events": dg.MetadataValue.int(late),
            "late_events": dg.MetadataValue.int(sum(len(found.late) for found in agreement.differences)),
            **({"differences": dg.MetadataValue.table([_record(found) for found in shown], _SCHEMA)} if shown else {}),
        },
    )


_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("window_start", "timestamp"),
        dg.TableColumn("status", "string"),
        dg.TableColumn("events", "bigint", description="Events of the window, by their own table"),
        dg.TableColumn("counted", "bigint", description="Events that the engine counted"),
        dg.TableColumn("events_cents", "bigint"),
        dg.TableColumn("counted_cents", "bigint"),
        dg.TableColumn("late", "bigint", description="Events that came too late, or may have where `certain` is false"),
        dg.TableColumn("certain", "boolean"),
        dg.TableColumn("explained", "boolean", description="Whether late events are all that is missing"),
    ]
)


def _record(found: Difference) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "window_start": found.window_start.isoformat(),
            "status": found.status,
            "events": found.events,
            "counted": found.counted,
            "events_cents": found.events_cents,
            "counted_cents": found.counted_cents,
            "late": len(found.late),
            "certain": found.certain,
            "explained": found.explained,
        }
    )


def _clock(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def agreement_definitions(agreement: EngineAgreement) -> dg.Definitions:
    """The check, and the sensor that reports what changed of it."""
    if not agreement.specs():
        return dg.Definitions()

    @dg.multi_asset_check(specs=agreement.specs(), can_subset=True)
    def engine_agreement(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        silent = set(context.selected_asset_check_keys)
        for found, _ in agreement.evaluate():
            if found.asset_check_key in silent:
                silent.remove(found.asset_check_key)
                yield as_result(found)
        for key in sorted(silent):
            context.log.warning(
                "%s is not judged: expected a window that all engines have closed and whose events have all had the "
                "time to arrive, found none yet. See whether events flow: %s",
                key.asset_key.to_user_string(),
                command("status"),
            )

    sensor = news_sensor(
        "engine_agreement",
        "Reports when engines that count the same events cease to agree, or agree again.",
        _EVERY_SECONDS,
        agreement.evaluate,
        without="no window closed that every engine counts, or they agree as before",
    )
    return dg.Definitions(asset_checks=[engine_agreement], sensors=[sensor])
