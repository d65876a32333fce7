"""Four whole networks on the virtual board: what enters and leaves the device, and that its answers are golden's.

``python -m lstmith.scripts.bench.graphs.demos NAME FOLDER`` writes one of them: model.onnx, calibration.npz, test.npz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import onnx
import typer

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import say
from lstmith.compiler.design import Design
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.pipeline import compile_model
from lstmith.datasets.speech import calibration_audio, tune_audio
from lstmith.host.accelerator import Accelerator
from lstmith.host.board_sim import VirtualBoard
from lstmith.host.graph_run import run_graph
from lstmith.host.request import RunRequest
from lstmith.host.results import EngineRun
from lstmith.host.run import run_engine, summarise
from lstmith.host.runner import checked_policies, read_input, read_request
from lstmith.scripts.bench.blocks import Table
from lstmith.scripts.bench.graphs.bench import wanted_outputs
from lstmith.scripts.bench.graphs.cases import Calls, one_call, silero_calls
from lstmith.scripts.bench.vowels import CountingTransport, padded_batch
from lstmith.spec.codes import Verdict
from lstmith.spec.errors import UserError
from lstmith.vad.silero import THRESHOLD, frames, model_path
from lstmith.workloads import icu_thai, japanese_vowels
from lstmith.workloads.icu_thai_graph import CLASSES, icu_breaks, icu_graph, icu_inputs
from lstmith.workloads.japanese_vowels_graph import X, vowels_graph, vowels_gru_graph

Run = tuple[RunRequest, EngineRun]
#: Seconds after which the link sends a frame again.
PATIENCE = 120.0
#: Frames of Silero's calibration and test.
FRAMES = 300


@dataclass(frozen=True)
class Demo:
    """A network to show.

    Parameters
    ----------
    about, enters, leaves : str
        What it is, and what goes to the device and comes back.
    model : callable
        The ONNX model.
    known, asked : callable
        Calls to calibrate on, and to judge; the latter of every so many.
    right : callable
        Of a design, the calls, the graph's outputs and the stages' runs: decisions that are right, and all.
    decides : str
        What a decision is.
    options : dict
        Of ``compile``, beside ``head``.
    stateful : bool
    last : bool
        Whether the device answers for a sequence's last step alone.
    """

    about: str
    enters: str
    leaves: str
    model: Callable[[], onnx.ModelProto]
    known: Callable[[], Calls]
    asked: Callable[[int], Calls]
    right: Callable[[Design, int, dict[str, npt.NDArray[Any]], list[Run]], tuple[int, int]]
    decides: str
    options: dict[str, Any]
    stateful: bool = False
    last: bool = False


def _vowels(part: str, every: int) -> Calls:
    utterances = japanese_vowels.utterances(part)[0][::every]
    x, lengths = padded_batch(utterances)
    return {X: x, "lengths": lengths}


def _right_speakers(
    design: Design, every: int, outputs: dict[str, npt.NDArray[Any]], runs: list[Run]
) -> tuple[int, int]:
    [(request, run)] = runs
    told, wanted = _verdicts(run), japanese_vowels.utterances("TEST")[1][::every]
    return int((told[np.arange(len(told)), request.lengths - 1] == wanted).sum()), len(wanted)


def _frames(audio: Callable[[], Any], every: int = 1) -> Calls:
    return silero_calls(frames(next(iter(audio())).samples)[100 : 100 + FRAMES // every, None])


def _right_frames(design: Design, every: int, outputs: dict[str, npt.NDArray[Any]], runs: list[Run]) -> tuple[int, int]:
    feeds = read_input(design, _frames(tune_audio, every), stateful=True)
    assert isinstance(feeds, Feeds)
    assert design.graph is not None
    wanted = wanted_outputs(design, design.graph, feeds)["output"]
    return int(((outputs["output"] > THRESHOLD) == (wanted > THRESHOLD)).sum()), wanted.size


def _lines(every: int) -> Calls:
    return one_call(icu_inputs(icu_thai.lines("heldout")[::every]))


def _right_lines(design: Design, every: int, outputs: dict[str, npt.NDArray[Any]], runs: list[Run]) -> tuple[int, int]:
    found = icu_breaks(icu_thai.lines("heldout")[::every], outputs[CLASSES][0])
    wanted = icu_thai.expected_breaks()[::every]
    return sum(mine == theirs for mine, theirs in zip(found, wanted, strict=True)), len(wanted)


_SPEAKERS: dict[str, Any] = {
    "enters": "12 cepstra",
    "known": lambda: _vowels("TRAIN", japanese_vowels.CALIBRATION_EVERY),
    "asked": lambda every: _vowels("TEST", every),
    "right": _right_speakers,
    "decides": "speakers named as they were recorded",
    "leaves": "the speaker, after an utterance",
    "options": {"target": "ulx3s-25f"},
    "last": True,
}
DEMOS = {
    "vowels": Demo(
        about="speaker recognition: LSTM of 32, dense, ArgMax",
        model=lambda: vowels_graph(japanese_vowels.load(), "seed1"), **_SPEAKERS,
    ),
    "gru": Demo(about="the same by a GRU of 32", model=vowels_gru_graph, **_SPEAKERS),
    "silero": Demo(
        about="Silero VAD: LSTM of 128, ReLU, dense, sigmoid",
        enters="128 features", leaves="the probability of speech",
        model=lambda: onnx.load(model_path()), known=lambda: _frames(calibration_audio),
        asked=lambda every: _frames(tune_audio, every), right=_right_frames,
        decides="frames that are speech as float says", options={"target": "ulx3s-85f", "lanes": 16}, stateful=True,
    ),
    "icu_thai": Demo(
        about="ICU's Thai word breaker: embedding, LSTMs of 23 in both directions, dense, ArgMax",
        enters="a symbol, twice, and both h", leaves="both h, and the class",
        model=icu_graph, known=lambda: one_call(icu_inputs(icu_thai.calibration_lines())), asked=_lines,
        right=_right_lines, decides="lines broken as ICU breaks them",
        options={"target": "ulx3s-25f", "lanes": 4, "precision": 16},
    ),
}  # fmt: skip


def run_demo(name: str, every: int = 1) -> dict[str, Any]:
    """A demonstration on the virtual board, as JSON values; of every so many utterances, lines or frames."""
    demo = DEMOS[name]
    design = compile_model(demo.model(), demo.known(), head=True, stateful=demo.stateful, **demo.options)
    outputs, runs = golden_runs(design, demo.asked(every), stateful=demo.stateful)
    right, decisions = demo.right(design, every, outputs, runs)
    sent = received = answers = differ = 0
    with VirtualBoard(design, find_board(demo.options["target"])) as board:
        transport = CountingTransport(board.port)
        # A busy machine must not count as a lossy wire, whose frames are sent again.
        with Accelerator(transport, patience=PATIENCE) as device:
            for request, run in runs:
                device.load(request.design)
                transport.sent = transport.received = 0
                found, wanted = _answers(device, request, run, last=demo.last)
                answers, differ = answers + wanted.size, differ + int(np.count_nonzero(found != wanted))
                sent, received = sent + transport.sent, received + transport.received
    steps = int(runs[0][1].valid.sum())
    return {
        **{key: getattr(demo, key) for key in ("about", "enters", "leaves", "decides")},
        "lanes": design.engine.lanes,
        "target": demo.options["target"],
        "weight_bits": max(layer.precision for program in design.programs for layer in program.network.layers),
        "steps": steps,
        "right": right,
        "decisions": decisions,
        "answers": answers,
        "differ": differ,
        "cycles_per_step": sum(int(run.cycles.sum()) for _, run in runs) / steps,
        "sent_per_step": sent / steps,
        "received_per_step": received / steps,
    }


def golden_runs(design: Design, calls: Calls, *, stateful: bool) -> tuple[dict[str, npt.NDArray[Any]], list[Run]]:
    """The graph's outputs by golden, and what each of its stages was run on and gave, in order."""
    runs: list[Run] = []

    def run_stage(request: RunRequest) -> tuple[RunRequest, EngineRun, dict[str, Any], str]:
        run = run_engine(request, "golden", None)
        runs.append((request, run))
        return request, run, summarise(request, "golden", run), ""

    found = read_input(design, calls, stateful=stateful)
    if isinstance(found, Feeds):
        arrays = run_graph(design, found, "golden", lambda chosen: checked_policies(chosen, None), run_stage).arrays
        return arrays, runs
    run_stage(read_request(design, found))
    return {}, runs


def _answers(
    device: Accelerator, request: RunRequest, run: EngineRun, *, last: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """What the device says of a stage's sequences, and what golden does."""
    x, lengths = request.sequences.x, request.lengths
    if request.design.network.layers[-1].verdict is Verdict.NONE:
        return device.infer(x, lengths), np.where(run.valid[..., None], run.h, 0).astype(np.float32)
    told = np.where(run.valid, _verdicts(run), 0)
    if last:
        return device.judge(x, lengths), told[np.arange(len(told)), lengths - 1]
    return device.judge(x, lengths, every=1), told


def _verdicts(run: EngineRun) -> npt.NDArray[np.int64]:
    found = run.layers[-1].verdict
    assert found is not None
    return found


def demo_table(result: dict[str, Any]) -> Table:
    """A row for each demonstration."""
    columns = [
        *("network", "board, lanes, bits", "to the device", "from it", "right", "answers unlike golden's"),
        *("cycles per step", "bytes sent per step", "received"),
    ]
    rows: list[list[object]] = [
        [
            f"`{name}`: {found['about']}", f"{found['target']}, {found['lanes']}, {found['weight_bits']}",
            found["enters"], found["leaves"], f"{found['right']} of {found['decisions']} {found['decides']}",
            f"{found['differ']} of {found['answers']:,}", f"{found['cycles_per_step']:,.0f}",
            f"{found['sent_per_step']:.1f}", f"{found['received_per_step']:.1f}",
        ]
        for name, found in result.items()
    ]  # fmt: skip
    return columns, rows


def write(name: str, folder: Path) -> None:
    """Write a network, and its calibration and test data, into a new folder."""
    if name not in DEMOS:
        raise UserError(f"network {name!r}", "is unknown", f"choose one of {', '.join(DEMOS)}")
    demo = DEMOS[name]
    folder.mkdir(parents=True)
    onnx.save(demo.model(), folder / "model.onnx")
    for role, calls in (("calibration", demo.known()), ("test", demo.asked(1))):
        np.savez(folder / f"{role}.npz", allow_pickle=False, **calls)
    say(f"model.onnx, calibration.npz and test.npz in {folder}")


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(DEMOS)}.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """Write one of the networks that docs/networks.md shows."""
    if folder.exists():
        raise UserError(str(folder), "is already there", "name a new folder")
    write(name, folder)


if __name__ == "__main__":
    typer.run(main)
