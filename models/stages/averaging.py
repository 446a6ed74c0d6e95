"""The stage `average`."""

from collections.abc import Sequence
from functools import lru_cache

from models.architecture.build import build_model
from models.evaluation.meter import Meter
from models.evaluation.respondent import ALONE
from models.evaluation.scores import Score, suite_scores
from models.soup import Tried, WeightSum, empty_sum, greedy_soup
from models.stages.start import config_of, prepare
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.ranks import Ranks, joined
from models.training.weights import weights_folders
from orchestrator.errors import ConfigError
from orchestrator.spec.run import Average, Evaluate
from orchestrator.store.files import write_json
from orchestrator.store.stage import Measure, Progress, StageContext, StageResult, StoppedError

RECIPE = "soup.json"
"""Name of the file that says how the soup came about, among the run's artifacts."""

SUITE = "soup"
"""Under which the scores on the selection suite are recorded: each member's by its `run_id`, and
the soup's as `soup`."""

SELECTION_SEED = 0
"""Permutes the images of a selection suite that asks for it."""


def average(context: StageContext, *, batch_positions: int | None = None) -> StageResult:
    """Average the weights of models of one shape: all of them, or those that help.

    The soup is left as fine-tuning leaves a model. When stopped, it starts anew and finds the same.
    Several processes share the questions that members are chosen by; each holds the sums, and all
    choose the same. The first one writes.

    Args:
        context: the run.
        batch_positions: positions of one batch of questions, which bound memory and never the
            choice; None for what suits the device.

    Raises:
        ConfigError: if the selection suite does not fit the models, or gives no score.
        DataError: if benchmarks or images are missing or damaged.
        RecordError: if a member has no undamaged checkpoint, or is of another shape.
        StoppedError: if it was asked to stop.
    """
    config = config_of(context, Average)
    if config.selection is None:
        if not context.world.is_first:
            return StageResult(measures=(), counts={})  # there is nothing to share
        prepare(context)
        members = _Members(context, config, ALONE)
        tried = _all(context, members, len(config.members))
        return _result(context, config, members, tried, ())
    prepare(context)
    with joined(context.world, context.execution) as ranks:
        members = _Members(context, config, ranks)
        judge = _Judge(context, config, members, batch_positions)
        alone = [judge.score((member,)) for member in range(len(config.members))]
        tried = greedy_soup(alone, judge.score)
        return _result(context, config, members, tried, judge.measures(tried))


def _result(
    context: StageContext,
    config: Average,
    members: "_Members",
    tried: Sequence[Tried],
    measures: tuple[Measure, ...],
) -> StageResult:
    """Leave the soup, and say what it is."""
    taken = tuple(one.member for one in tried if one.is_taken)
    total = members.total(taken)
    if context.world.is_first:
        _leave(context, config, total, tried)
    places = {f"place_{config.members[member]}": n for n, member in enumerate(taken, start=1)}
    return StageResult(
        measures=measures,
        counts={"members": len(config.members), "members_taken": len(taken), **places},
    )


class _Members:
    """The models that may be averaged, read from their runs when they are needed."""

    def __init__(self, context: StageContext, config: Average, ranks: Ranks) -> None:
        self._context, self._config = context, config
        self.ranks = ranks
        self.model = build_model(
            config.model, config.vision, 0, weights_folders(context, config.vision)
        ).eval()
        self.total = lru_cache(2)(self._sum)  # the soup as it stands, and the one that is tried

    def _sum(self, members: tuple[int, ...]) -> WeightSum:
        """Add members up, in the order given."""
        if not members:
            return empty_sum(self.model)
        before = self.total(members[:-1])
        if any(self.ranks.everyones(self._context.stop_requested())):
            raise StoppedError("asked to stop; the average starts anew next time")
        folder = self._context.parent(self._config.members[members[-1]])
        where = str(folder.checkpoints)
        weights = checkpoint.finished(folder).weights
        checkpoint.load_weights(self.model, weights, where=where)  # refuses another shape
        return before.plus(weights, where=where)


class _Judge:
    """Asks averages of members the selection suite."""

    def __init__(
        self, context: StageContext, config: Average, members: _Members, positions: int | None
    ) -> None:
        assert config.selection is not None, "a uniform soup is not chosen"
        self._context, self._config, self._members = context, config, members
        self._batch_positions = positions
        self._meter = Meter(context, rounds=2 * len(config.members) - 1)
        self._scores: dict[tuple[int, ...], Score] = {}
        self._asked = Evaluate(
            model=config.model,
            vision=config.vision,
            suite=config.selection,
            parent=context.folder.run_id,
            tower=config.tower,
            seed=SELECTION_SEED,
        )

    def score(self, members: tuple[int, ...]) -> float:
        """Return the suite's mean score of the average of these members.

        Raises:
            ConfigError: if there is none.
        """
        from models.evaluation.evaluate import Asking, ask  # uniform soups need not wait for it

        model = self._members.model
        weights = self._members.total(members).mean()
        checkpoint.load_weights(model, weights, where=str(self._context.folder.path))
        asking = Asking(
            context=self._context,
            config=self._asked,
            meter=self._meter,
            load=lambda: model,
            ranks=self._members.ranks,
            batch_positions=self._batch_positions,
        )
        outcomes = ask(asking)
        score, _ = suite_scores([outcome.headline for outcome in outcomes])
        if score.value is None:
            raise ConfigError(
                f"the suite {self._asked.suite.name} gives no score ({score.reason})",
                where="selection",
                mend="select by benchmarks whose answers can be scored",
            )
        self._scores[members] = score
        return score.value

    def measures(self, tried: Sequence[Tried]) -> tuple[Measure, ...]:
        """Return the scores of members in the order in which they were tried, then the soup's."""
        names = self._config.members
        taken = tuple(one.member for one in tried if one.is_taken)
        return (
            *(self._scores[(one.member,)].measure(SUITE, names[one.member]) for one in tried),
            self._scores[taken].measure(SUITE, SUITE),
        )


def _all(context: StageContext, members: _Members, count: int) -> tuple[Tried, ...]:
    """Take every member."""
    for step in range(1, count + 1):
        members.total(tuple(range(step)))
        context.report(Progress(step=step, steps=count, position=step))
    return tuple(
        Tried(member=member, score=None, soup_score=None, is_taken=True) for member in range(count)
    )


def _leave(
    context: StageContext, config: Average, total: WeightSum, tried: Sequence[Tried]
) -> None:
    """Write the soup's checkpoint, the only one, and its recipe."""
    checkpoints = context.folder.checkpoints
    soup = Checkpoint(
        step=total.members,
        position=total.members,
        counters={},
        weights=total.mean(),
        optimizer=None,
    )
    checkpoint.save(checkpoints, soup, keep=1, holding=context.holding)
    recipe = [
        {
            "run_id": config.members[one.member],
            "score": one.score,
            "soup_score": one.soup_score,
            "is_taken": one.is_taken,
        }
        for one in tried
    ]
    write_json(context.folder.artifacts / RECIPE, {"soup": config.soup.value, "members": recipe})
