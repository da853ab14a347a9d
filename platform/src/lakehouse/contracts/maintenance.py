"""How maintenance lays out the files of a table."""

from pydantic import Field

from lakehouse.contracts.part import Part


class Maintenance(Part):
    """When small files of a partition are put together, and to which size."""

    target_file_mib: int = Field(default=128, ge=1, le=4096, description="MiB of a file that was put together")
    small_files: int = Field(
        default=16,
        ge=2,
        description="From so many files below half of that size on, a partition is compacted",
    )
