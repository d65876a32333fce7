"""Policies that are refused: one line that names file, field, value and fix, exit code 2, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmith.cli.main import execute

WIDTH, UNITS = 3, 4
#: Designs by name, and how they are compiled.
DESIGNS: dict[str, tuple[str, ...]] = {
    "two": (),
    "one": ("--planes", "1"),
    "four": ("--precision", "4"),
    "small": ("--target", "icebreaker"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Designs of engines with two planes, with one, with 4-bit weights, and inputs for them."""
    path, rng = tmp_path_factory.mktemp("policies"), np.random.default_rng(1)
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    arrays = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    model, data = path / "model.npz", path / "x.npz"
    np.savez(model, **arrays)  # type: ignore[arg-type]
    np.savez(data, x=rng.normal(0, 1, (40, WIDTH)).astype(np.float32))
    for name, options in DESIGNS.items():
        assert execute(["compile", str(model), "--calibration", str(data), *options, "-o", str(path / name)]) == 0
    return path


def _refused(folder: Path, design: str, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run says of a policy, behind the name of its file."""
    policy = folder / "policy.json"
    policy.write_text(text)
    before = sorted(folder.rglob("*"))
    arguments = ["run", folder / design, "--input", folder / "x.npz", "--engine", "golden", "--policy", policy]
    capsys.readouterr()
    code = execute([str(argument) for argument in [*arguments, "-o", folder / "y.npz", "--json", folder / "r.json"]])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert code == 2, line
    assert sorted(folder.rglob("*")) == before
    assert line.startswith(f"lstmith: {policy}")
    assert "; " in line, "a fix is named after a semicolon"
    return line.removeprefix(f"lstmith: {policy}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", ": cannot be read as JSON"),
        ("[]", ": holds a list"),
        ('{"mode": "fast"}', " field mode: is 'fast'; use dense, skip, delta or auto"),
        ('{"theta_x": -1}', " field theta_x: is -1; use an integer between 0 and 65535"),
        ('{"theta_x": 65536}', " field theta_x: is 65536; use an integer between 0 and 65535"),
        ('{"low_theta_h": 65536}', " field low_theta_h: is 65536; use an integer between 0 and 65535"),
        ('{"low_theta_x": -2}', " field low_theta_x: is -2; use an integer between 0 and 65535"),
        ('{"low_theta_x": 1.5}', " field low_theta_x: is 1.5; use an integer between 0 and 65535"),
        ('{"threshold": 1}', ": has unknown key 'threshold'"),
        ('{"layers": []}', " field layers: has 0 entries"),
        ('{"layers": [{}, {}]}', " field layers: has 2 entries"),
        ('{"active": 2}', ": Layer 0 policy field active is 2"),
        ('{"skip": {"predictor": true}}', ": Layer 0 policy field skip.predictor is true"),
        ('{"skip": {"limit": 0}}', " field skip field limit: is 0; use an integer between 1 and 15"),
        ('{"skip": {"hints": 1}}', " field skip field hints: is 1; use true or false"),
        ('{"monitor": {"rule": "ratio", "scop": "fold"}}', " field monitor: has unknown key 'scop'"),
        ('{"monitor": {"rule": "ratio", "low": 1024}}', " field monitor field low: is 1024; use an integer"),
        (
            '{"mode": "dense", "monitor": {"rule": "ratio", "low": 9}}',
            ": Layer 0 policy field monitor is ratio, which defers changes",
        ),
    ],
)
def test_a_bad_policy(folder: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _refused(folder, "two", text, capsys).startswith(told)


@pytest.mark.parametrize(
    ("text", "field", "fix"),
    [
        ('{"tau_x": 4}', "field tau_x: is 4", "use theta_x and low_theta_x; docs/policies.md"),
        ('{"tau_h": 4, "theta_h": 1}', "field tau_h: is 4", "use theta_h and low_theta_h; docs/policies.md"),
        ('{"restart_tau_x": 0}', "field restart_tau_x: is 0", "use theta_x and low_theta_x; docs/policies.md"),
        ('{"restart_tau_h": 9}', "field restart_tau_h: is 9", "use theta_h and low_theta_h; docs/policies.md"),
        ('{"refresh": 8}', "field refresh: is 8", "use theta_h and low_theta_h"),
        ('{"monitor": {"middle": 3}}', "field monitor field middle: is 3", "use low alone"),
        ('{"monitor": {"restart_above": 3}}', "field monitor field restart_above: is 3", "use mode auto"),
        ('{"layers": [{"refresh": 8}]}', "field layers[0] field refresh: is 8", "use theta_h and low_theta_h"),
    ],
)
def test_a_policy_from_before_digit_planes(
    folder: Path, text: str, field: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = _refused(folder, "two", text, capsys)
    assert f" {field}, of policies before digit planes; leave it out and {fix}" in line


@pytest.mark.parametrize("design", ["one", "small"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"mode": "auto"}', "mode is auto, which needs both lists, and this engine was built with one; use delta"),
        ('{"low_theta_x": 3}', "low_theta_x is 3, but the layer's weights have one plane"),
        ('{"low_theta_h": 0}', "low_theta_h is 0, but the layer's weights have one plane"),
        ('{"monitor": {"rule": "count", "low": 9}}', "monitor is count, this engine was built without one"),
    ],
)
def test_what_an_engine_of_one_plane_has_not(
    folder: Path, design: str, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _refused(folder, design, text, capsys).startswith(f": Layer 0 policy field {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"low_theta_h": 3}', "low_theta_h is 3, but the layer's weights have one plane"),
        ('{"monitor": {"rule": "ratio", "low": 9}}', "monitor is ratio, this engine was built without one"),
    ],
)
def test_what_four_bit_weights_have_not(folder: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Their engine has both lists, so the mode may be auto."""
    assert _refused(folder, "four", text, capsys).startswith(f": Layer 0 policy field {told}")
    policy = folder / "auto.json"
    policy.write_text('{"mode": "auto", "theta_h": 2}')
    arguments = ["run", folder / "four", "--input", folder / "x.npz", "--engine", "golden", "--policy", policy]
    assert execute([str(argument) for argument in [*arguments, "-o", folder / "y.npz"]]) == 0
    (folder / "y.npz").unlink()
    policy.unlink()
