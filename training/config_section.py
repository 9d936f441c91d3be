"""What every part of a run's configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the file: fixed once it is read, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
