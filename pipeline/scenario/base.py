"""What all models of the scenario file have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.>-]{0,63}$")]


class ScenarioModel(BaseModel):
    """Unknown keys are errors, and what was read never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
