"""What can go wrong with a model. Every message names the model, the values found and the remedy."""

from lakehouse.errors import LakehouseError


class ModelError(LakehouseError):
    """A model cannot be built as it is; its table is unchanged. The base of the errors below."""


class ModelConfigError(ModelError):
    """The model's configuration is incomplete or contradicts itself."""


class BatchError(ModelError):
    """The rows a model computed break one of its promises: a key that is NULL or not unique, a moved partition."""


class SchemaChangeError(ModelError):
    """The columns a model computed do not fit its table."""


class SourceError(ModelError):
    """A source is missing, was replaced, or its history is gone."""


class ModelBusyError(ModelError):
    """Another run is building the same model."""
