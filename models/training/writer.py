"""Write a checkpoint beside training, so that a step waits for no longer than a copy takes."""

import threading
from collections.abc import Callable


class Writer:
    """Does one piece of work at a time in a thread; what fails there is raised here."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, work: Callable[[], object]) -> None:
        """Begin a piece of work, once the one before it is done.

        Raises:
            BaseException: what the one before it raised.
        """
        self.wait()
        self._thread = threading.Thread(target=self._do, args=(work,), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being written.

        Raises:
            BaseException: what the work raised.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def check(self) -> None:
        """See that nothing has failed so far.

        Raises:
            BaseException: what the work raised.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            self._error = error
