"""The base class and the number types of every table of a run's configuration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the TOML file. It is immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
