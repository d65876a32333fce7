"""Which words of the result ring to ask for, while answers to earlier requests are still on their way.

An answer holds what is in the ring when it is made. Were the next request to ask for the same words, they would come
twice; were it to ask for words beyond them that come too early, they would be useless. So a request asks for a full
answer that is certain to come, or for nothing; when nothing is certain any more, for all that is hoped for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lstmith.spec.link_map import ANSWER_WORDS


@dataclass(eq=False)
class RingRead:
    """What one request asks for.

    Parameters
    ----------
    place : int
        Where its answer begins.
    end : int
        Where the next one may begin; ``place``, if nothing is expected of this one.
    """

    place: int
    end: int


class RingReads:
    """Asks on their way, oldest first.

    Parameters
    ----------
    ring_words : int
        Size of the device's ring.
    """

    def __init__(self, ring_words: int):
        self._ring_words = ring_words
        self._asks: deque[RingRead] = deque()

    def end(self, taken: int) -> int:
        """Where what was asked for ends, if words up to ``taken`` have come."""
        place = taken
        for ask in self._asks:
            if ask.place <= place < ask.end:
                place = ask.end
        return place

    def expects(self, taken: int) -> bool:
        """Whether an answer on its way may bring more."""
        return any(taken < ask.end for ask in self._asks)

    def with_input(self, taken: int, sure: int) -> RingRead:
        """For a request that is sent anyway.

        Parameters
        ----------
        taken : int
            Words that have come.
        sure : int
            Words that the ring will surely have got when the request is executed.
        """
        place = self.end(taken)
        if sure - place >= ANSWER_WORDS:
            return self._add(place, place + ANSWER_WORDS)
        # With a word in the ring, nothing lies one ring behind what has been released.
        return self._add(taken + self._ring_words if sure > taken else place, 0)

    def alone(self, taken: int) -> RingRead:
        """For a request that does nothing but ask."""
        place = self.end(taken)
        return self._add(place, place + ANSWER_WORDS)

    def _add(self, place: int, end: int) -> RingRead:
        ask = RingRead(place, end)
        self._asks.append(ask)
        return ask

    def answered(self, ask: RingRead) -> None:
        """Answers come in order, so what was asked before this one is answered or lost."""
        while self._asks and self._asks.popleft() is not ask:
            pass

    def clear(self) -> None:
        """Nothing is on its way."""
        self._asks.clear()
