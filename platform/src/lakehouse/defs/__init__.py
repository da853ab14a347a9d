"""The Dagster definitions, one folder an integration; logic lives in the libraries beside."""
