"""What all parts of a contract have in common."""

from pydantic import BaseModel, ConfigDict

Location = tuple[str | int, ...]


class MisplacedError(ValueError):
    """Two parts of a contract disagree; ``location`` says where to mend it, as pydantic's own locations do."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location


class Part(BaseModel):
    """A part of a contract: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
