"""What every algorithm answers. Only the standard library: it is on the prediction path's cold start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sluicegate.domain.schema import SUPERVISED, Problem, ProblemKind

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule
    from sluicegate.domain.settings import ModelSettings

#: how rows are written for training and for predicting; "raw": the records themselves, not encoded
Format = Literal["csv", "libsvm", "recordio", "raw"]

#: the content type of each format, as the built-in algorithms name them. A raw record is a line of JSON.
CONTENT_TYPES: dict[Format, str] = {
    "csv": "text/csv",
    "libsvm": "text/libsvm",
    "recordio": "application/x-recordio-protobuf",
    "raw": "application/jsonlines",
}


@dataclass(frozen=True)
class Decoded:
    """One prediction: a class name or a number, and the probability of each class where there are classes.

    Of clustering the cluster's number and the ``distance`` to its centre; of decomposition the projection; of anomaly
    detection the score and whether it is above the version's threshold.
    """

    prediction: str | float | list[float]
    probabilities: dict[str, float] | None = None
    distance: float | None = None
    anomaly: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """As the HTTP API answers it."""
        found: dict[str, Any] = {"prediction": self.prediction}
        for key in ("probabilities", "distance", "anomaly"):
            value = getattr(self, key)
            if value is not None:
                found[key] = value
        return found


class Algorithm(ABC):
    """One algorithm. Subclasses say what differs; an instance holds no state but what settings say."""

    name: ClassVar[str]
    version: ClassVar[str]  # of the container
    title: ClassVar[str]  # as people call it, in messages
    problems: ClassVar[tuple[ProblemKind, ...]]
    train_format: Format = "csv"
    infer_format: Format = "csv"
    #: the format of rows that are mostly zeros, such as words; None: the algorithm takes none that is fit for it
    sparse_format: ClassVar[Format | None] = None
    #: the channels of a training job: the rows to learn from, and those that early stopping or a score is read from
    channels: ClassVar[tuple[str, str]] = ("train", "validation")
    #: what a training job is told of rows of CSV in each channel, and how SageMaker hands them to several machines
    csv_types: ClassVar[tuple[str, str]] = ("text/csv", "text/csv")
    distributions: ClassVar[tuple[str, str]] = ("FullyReplicated", "FullyReplicated")
    #: whether a missing value may be an empty field; if not, the encoder fills and scales
    takes_missing: ClassVar[bool] = False
    #: whether each row may carry a weight
    takes_weights: ClassVar[bool] = False
    #: the longest that a managed spot job may run and wait (seconds); None: as long as any job
    longest_spot: ClassVar[int | None] = None
    #: of the answers: what a real-time request and a transform job ask for
    accept: str = "text/csv"
    transform_accept: str = "text/csv"
    #: how a transform job cuts the file into records, and puts the answers together; None: the file as a whole
    split_type: ClassVar[str | None] = "Line"
    assemble_with: ClassVar[str | None] = "Line"
    #: where what is trained comes from: the image, a script of ours, or what lies under models/<model>/code/
    code: ClassVar[Literal["none", "shipped", "own"]] = "none"
    #: of a script: the file that is run
    entry_point: str = "train.py"
    #: the largest request that the server takes, in MB
    max_payload_mb: ClassVar[int] = 6

    @property
    def supervised(self) -> bool:
        """Whether it learns from a target."""
        return any(kind in SUPERVISED for kind in self.problems)

    def reads_validation(self, problem: Problem) -> bool:
        """Whether a training job has use for the validation rows."""
        return True

    def weighing(self, problem: Problem, wire: Format) -> dict[str, str]:
        """The hyperparameters that tell a training job of the rows' weights (``takes_weights``)."""
        return {}

    def balancing(self, kind: ProblemKind) -> dict[str, str] | None:
        """The hyperparameters with which it balances classes by itself; None: it can't. Not for ``takes_weights``."""
        return None

    def job_hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int, wire: Format
    ) -> dict[str, str]:
        """``hyperparameters`` of a job that trains on rows in ``wire``, with what ``weights`` in model.yaml asks for;
        hyperparameters that the user gave win."""
        found: Mapping[str, str] = {}
        if settings.weights is not None:
            found = self.weighing(problem, wire) if self.takes_weights else self.balancing(problem.kind) or {}
        given = settings.algorithm.hyperparameters
        chosen = self.hyperparameters(settings, problem, counts, width)
        return chosen | {name: value for name, value in found.items() if name not in given}

    @abstractmethod
    def rules(self) -> Mapping[str, Rule]:
        """What each hyperparameter accepts."""

    def content_type(self, format: Format) -> str:
        """What a training channel, a transform job or a request says of rows in ``format``."""
        return CONTENT_TYPES[format]

    def channel_types(self, format: Format) -> tuple[str, str]:
        """What a training job is told of the rows in each channel."""
        # raw records are trained on as CSV with a header; only a request or a transform job has them line by line
        return self.csv_types if format in ("csv", "raw") else (self.content_type(format), self.content_type(format))

    @abstractmethod
    def image(self, region: str) -> str:
        """The container's URI. ``SettingsError`` when AWS offers it in no registry of ``region``."""

    def serving_image(self, region: str) -> str:
        """The container that predicts; most images do both."""
        return self.image(region)

    def environment(self, program: str | None) -> dict[str, str]:
        """What a Model's container is told. ``program``: of a script model, the file with its inference functions."""
        return {}

    def configured(self, settings: Any) -> Algorithm:
        """This algorithm as the part ``algorithm`` of model.yaml wants it."""
        return self

    def restored(self, lane: Mapping[str, Any]) -> Algorithm:
        """This algorithm as ``lane()`` kept it."""
        return self

    @abstractmethod
    def hyperparameters(
        self, settings: ModelSettings, problem: Problem, counts: Mapping[str, int], width: int
    ) -> dict[str, str]:
        """All hyperparameters of a training job, as SageMaker takes them: ours under what the user gave.

        ``counts`` are the rows by split (train, validation, holdout), ``width`` the number of encoded features.
        """

    @abstractmethod
    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        """What is wrong with hyperparameters, by name: the text says what is accepted."""

    @abstractmethod
    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        """What of ``given`` doesn't fit a ``kind`` of problem."""

    def alone(self, given: Mapping[str, object]) -> list[str]:
        """The hyperparameters of ``given`` with which it trains on one instance only."""
        return []

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        """What of ``given`` is too much for so many rows and features (see ``hyperparameters``)."""
        return {}

    @abstractmethod
    def rows(self, lines: Iterable[str], problem: Problem) -> Iterator[list[float]]:
        """The numbers that an answer has for each record, in order: ``lines`` are those of the answer.

        binary: the probability of the positive class. multiclass: one of each class. regression: the value.
        clustering: the cluster and the distance to its centre. decomposition: the projection. anomaly: the score.
        ``ValueError`` when it is no answer of this algorithm.
        """

    def table(self, lines: Iterable[str], problem: Problem) -> Iterator[str]:
        """``rows`` of a transform's output as lines of numbers with commas: faster where there are many."""
        return (",".join(map(repr, row)) for row in self.rows(lines, problem))

    def lane(self) -> dict[str, Any]:
        """What ``routing/<model>.json`` keeps, so that ``of_lane`` finds the same again."""
        return {"algorithm": self.name}

    def decode(self, body: bytes, problem: Problem) -> list[Decoded]:
        """The predictions in the answer to a request (``accept``) or in a transform's output (``transform_accept``).
        ``ValueError`` when it is none."""
        return [decoded(row, problem) for row in self.rows(body.decode().splitlines(), problem)]


def decoded(row: Sequence[float], problem: Problem) -> Decoded:
    """What ``row`` (see ``Algorithm.rows``) means."""
    if problem.kind == "regression":
        return Decoded(row[0])
    if problem.kind == "clustering":
        return Decoded(int(row[0]), distance=row[1])
    if problem.kind == "decomposition":
        return Decoded(list(row))
    if problem.kind == "anomaly":
        return Decoded(row[0], anomaly=None if problem.threshold is None else row[0] > problem.threshold)
    classes = problem.classes
    if problem.kind == "binary":
        score = row[0]
        probabilities = {classes[0]: 1.0 - score, classes[1]: score}
        return Decoded(classes[1] if score > 0.5 else classes[0], probabilities)
    best = max(range(len(row)), key=row.__getitem__)
    return Decoded(classes[best], dict(zip(classes, row, strict=True)))


def width_of(problem: Problem) -> int:
    """How many numbers ``Algorithm.rows`` has a record."""
    return len(problem.classes) if problem.kind == "multiclass" else 1
