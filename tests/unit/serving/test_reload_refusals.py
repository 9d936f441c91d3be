"""Bundles that cannot be used are refused at a reload, and what was served before stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.bundle.store import Bundle, save_bundle
from app.errors import BundleSignatureError
from app.server.resources import ThreadShare
from app.serving.registry import OpenedGraphs
from app.settings import Settings
from tests.support.engines import until
from tests.support.fakes import fake_contents, fake_manifest
from tests.support.service import FakeGraphs, RunningService, running_service
from tests.unit.serving.conftest import ADMIN_HASH
from tests.unit.serving.test_reload import OLD, answer_of, engine_threads, outcomes, reload, save_anew


def truncated(folder: Path) -> None:
    content = (folder / "encoder.onnx").read_bytes()
    (folder / "encoder.onnx").write_bytes(content[:-1])


def removed(folder: Path) -> None:
    (folder / "decoder_step.onnx").unlink()


def changed(folder: Path) -> None:
    save_anew(folder.parent, "second")
    truncated(folder)


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


@pytest.mark.parametrize("harm", [truncated, removed, changed, no_manifest])
def test_harm_on_disk_disturbs_nobody_and_is_refused(
    service: RunningService, models: Path, harm: Callable[[Path], None]
) -> None:
    harm(models / "en-fr")
    assert answer_of(service) == OLD
    report = reload(service, 409)
    assert outcomes(report) == {"en-fr": "refused"}
    assert "what was loaded before is still served" in report["bundles"][0]["problem"]
    assert answer_of(service) == OLD
    ready = service.client.get("/ready")
    assert ready.status_code == 200
    assert [failed["folder"] for failed in ready.json()["failed"]] == ["en-fr"]
    save_anew(models, "whole again")
    assert outcomes(reload(service)) == {"en-fr": "loaded"}
    assert service.client.get("/ready").json()["failed"] == []


class FaultyGraphs(FakeGraphs):
    """Opens nothing, or what fails at its first step, as it is told."""

    fault = "none"

    def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
        if self.fault == "no graph":
            raise BundleSignatureError("encoder.onnx: is no graph")
        if self.fault == "unforeseen":
            raise ZeroDivisionError("whatever")
        opened = super().__call__(bundle, settings, share)
        if self.fault == "fails":
            self.opened[bundle.folder.name].hooks.fail_encode = RuntimeError("no memory left")
        return opened


@pytest.mark.parametrize(
    ("fault", "said"),
    [("no graph", "is no graph"), ("unforeseen", "ZeroDivisionError"), ("fails", "no memory left")],
)
def test_a_bundle_that_does_not_work_is_refused(models: Path, fault: str, said: str) -> None:
    graphs = FaultyGraphs()
    with running_service(Settings(models_dir=models, admin_key_hash=ADMIN_HASH), graphs) as running:
        graphs.fault = fault
        save_anew(models, "bad")
        for _ in range(2):
            report = reload(running, 409)
            assert outcomes(report) == {"en-fr": "refused"}
            assert said in report["bundles"][0]["problem"]
        assert answer_of(running) == OLD
        until(lambda: engine_threads("bad") == 0)
        graphs.fault = "none"
        assert outcomes(reload(running)) == {"en-fr": "loaded"}


def test_what_is_served_already_is_not_taken_over(service: RunningService, models: Path) -> None:
    save_bundle(models / "an-intruder", fake_manifest("en", "fr"), fake_contents(), verify=lambda _: None)
    report = reload(service, 409)
    assert outcomes(report) == {"an-intruder": "refused", "en-fr": "unchanged"}
    assert "translates en to fr, as" in report["bundles"][0]["problem"]
