"""Says how far an evaluation is, and stops it when asked to."""

from orchestrator.store.stage import Progress, StageContext, StoppedError


class Meter:
    """Counts steps and questions of one evaluation, or of several of one suite."""

    def __init__(self, context: StageContext, rounds: int = 1) -> None:
        self._context = context
        self._rounds = rounds
        self._step = 0
        self._steps = 0
        self._questions = 0

    def expect(self, steps: int) -> None:
        """Set how many steps there will be each time."""
        self._steps = self._rounds * steps

    def resume(self, steps: int, questions: int) -> None:
        """Count what an earlier attempt did, whose reports up to there are kept."""
        if steps:
            self._step, self._questions = steps, questions
            self._context.resumed(steps)

    def tick(self) -> None:
        """Leave here if asked to.

        Raises:
            StoppedError: of the benchmark that is being asked nothing is kept.
        """
        if self._context.stop_requested():
            raise StoppedError("asked to stop; the benchmark starts anew next time")

    def advance(self, questions: int) -> None:
        """Report one more step, of so many questions."""
        self._step += 1
        self._questions += questions
        self._context.report(Progress(step=self._step, steps=self._steps, position=self._questions))
