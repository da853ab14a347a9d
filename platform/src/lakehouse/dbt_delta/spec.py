"""What a model asks for: its dbt configuration, validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from lakehouse.dbt_delta.errors import ModelConfigError

Strategy = Literal["append", "merge", "delete+insert", "insert_overwrite", "microbatch"]
OnSchemaChange = Literal["ignore", "fail", "append_new_columns", "sync_all_columns"]
OnPartitionChange = Literal["fail", "move"]

#: A snapshot is a merge of row versions: each has an id of its own and is closed by an update of its dbt_valid_to.
_SNAPSHOT = {
    "materialized": "incremental",
    "incremental_strategy": "merge",
    "on_schema_change": "append_new_columns",
}


@dataclass(frozen=True)
class ModelSpec:
    """One model. ``name`` is `schema.table`; columns are listed in the order they were configured."""

    name: str
    description: str
    incremental: bool
    strategy: Strategy
    unique_key: tuple[str, ...]
    partition_by: tuple[str, ...]
    cluster_by: tuple[str, ...]
    on_schema_change: OnSchemaChange
    on_partition_change: OnPartitionChange
    merge_update_columns: tuple[str, ...]
    merge_exclude_columns: tuple[str, ...]
    incremental_predicates: tuple[str, ...]
    event_time: str | None

    @classmethod
    def from_node(cls, node: Mapping[str, Any]) -> "ModelSpec":
        """Reads dbt's node of the model. Raises ModelConfigError naming the model, the value and the valid values."""
        name = f"{node['schema']}.{node['alias']}"
        config = node["config"]
        if node.get("resource_type") == "snapshot":
            config = {**config, **_SNAPSHOT, "unique_key": _scd_id(config)}
        unique_key = _names(name, config, "unique_key")
        incremental = config.get("materialized") == "incremental"
        strategy = config.get("incremental_strategy") or ("merge" if unique_key else "append")
        spec = cls(
            name=name,
            description=node.get("description") or "",
            incremental=incremental,
            strategy=cast(Strategy, _choice(name, "incremental_strategy", strategy, get_args(Strategy))),
            unique_key=unique_key,
            partition_by=_names(name, config, "partition_by"),
            cluster_by=_names(name, config, "cluster_by"),
            on_schema_change=cast(
                OnSchemaChange,
                _choice(name, "on_schema_change", config.get("on_schema_change") or "ignore", get_args(OnSchemaChange)),
            ),
            on_partition_change=cast(
                OnPartitionChange,
                _choice(
                    name,
                    "on_partition_change",
                    config.get("on_partition_change") or "fail",
                    get_args(OnPartitionChange),
                ),
            ),
            merge_update_columns=_names(name, config, "merge_update_columns"),
            merge_exclude_columns=_names(name, config, "merge_exclude_columns"),
            incremental_predicates=_names(name, config, "incremental_predicates"),
            event_time=config.get("event_time"),
        )
        if incremental:
            spec._check_strategy()
        return spec

    def _check_strategy(self) -> None:
        if self.strategy in ("merge", "delete+insert") and not self.unique_key:
            raise ModelConfigError(f"{self.name}: strategy {self.strategy!r} needs a unique_key")
        if self.strategy in ("append", "insert_overwrite", "microbatch") and self.unique_key:
            raise ModelConfigError(
                f"{self.name}: strategy {self.strategy!r} does not look at unique_key {list(self.unique_key)}: "
                "remove it, or choose merge or delete+insert"
            )
        if self.strategy == "insert_overwrite" and not self.partition_by:
            raise ModelConfigError(f"{self.name}: strategy 'insert_overwrite' replaces partitions: set partition_by")
        if self.strategy == "microbatch" and not self.event_time:
            raise ModelConfigError(f"{self.name}: strategy 'microbatch' needs event_time")
        if self.merge_update_columns and self.merge_exclude_columns:
            raise ModelConfigError(f"{self.name}: merge_update_columns and merge_exclude_columns exclude each other")


def _scd_id(config: Mapping[str, Any]) -> str:
    renamed = config.get("snapshot_table_column_names") or {}
    return renamed.get("dbt_scd_id") or "dbt_scd_id"


def _names(model: str, config: Mapping[str, Any], option: str) -> tuple[str, ...]:
    value = config.get(option)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ModelConfigError(f"{model}: {option} is {value!r}; expected a name or a list of names")


def _choice(model: str, option: str, value: object, valid: Sequence[str]) -> str:
    if value not in valid:
        raise ModelConfigError(f"{model}: {option} is {value!r}; expected one of {', '.join(valid)}")
    return str(value)
