"""Not more submissions a minute than a controller is to be asked for."""

from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class Pace:
    """Lets the first submissions through at once, and the others as the minute goes on."""

    def __init__(
        self, per_minute: int, seconds: Callable[[], float], sleep: Callable[[float], bool]
    ) -> None:
        """Start with nothing submitted.

        Args:
            per_minute: most in any minute. At least 1.
            seconds: tells a time that never goes back.
            sleep: waits for some seconds; returns whether to leave.
        """
        self._per_minute = per_minute
        self._seconds = seconds
        self._sleep = sleep
        self._times: deque[float] = deque()

    def wait(self) -> bool:
        """Wait until one more may go, and count it; return False if told to leave."""
        while True:
            now = self._seconds()
            while self._times and now - self._times[0] >= MINUTE:
                self._times.popleft()
            if len(self._times) < self._per_minute:
                self._times.append(now)
                return True
            if self._sleep(MINUTE - (now - self._times[0])):
                return False
