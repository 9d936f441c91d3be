"""Requests that the description of the API allows, and others: answers are as it says, never a 5xx."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.call import TIMEOUT_HEADER
from app.main import create_app
from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

# For each endpoint; a larger number looks longer.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "20"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("schemathesis")
    models = fake_models(folder / "models", ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models, data_dir=folder / "data", max_glossaries=5)) as running:
        yield running


DESCRIBED = schemathesis.openapi.from_dict(create_app(Settings(models_dir=Path("nowhere"))).openapi())
OPERATIONS = {found.ok().label: found.ok() for found in DESCRIBED.get_all_operations() if isinstance(found, Ok)}
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_described(service: RunningService, label: str, mode: GenerationMode) -> None:
    """Not by schemathesis's own decorators, which know only some releases of pytest."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(OPERATIONS[label].as_strategy(generation_mode=mode))
    def is_answered(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=service.url)
        # Who asks for an answer at once may get none.
        is_in_a_hurry = TIMEOUT_HEADER in (case.headers or {})
        assert answer.status_code < 500 or (answer.status_code == 504 and is_in_a_hurry), answer.text
        assert "Traceback" not in (answer.text or "")
        assert "server" not in answer.headers
        case.validate_response(answer, checks=CHECKS)

    with suppress(Unsatisfiable):  # nothing that one could send there is wrong
        is_answered()
