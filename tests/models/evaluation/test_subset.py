"""A stable choice of questions."""

from models.evaluation.subset import subset

IDS = [str(number) for number in range(50)]


def test_the_choice_is_pinned() -> None:
    # Scores on disk were taken on these questions: another choice is another benchmark.
    assert subset(IDS, 4) == [9, 39, 46, 49]


def test_all_are_taken_without_a_limit_or_with_a_large_one() -> None:
    assert subset(IDS, None) == subset(IDS, 50) == subset(IDS, 99) == list(range(50))


def test_a_larger_limit_adds_to_a_smaller_one() -> None:
    assert set(subset(IDS, 10)) < set(subset(IDS, 20))


def test_the_choice_follows_the_ids_and_not_their_order() -> None:
    chosen = {IDS[i] for i in subset(IDS, 7)}
    reverse = IDS[::-1]
    assert {reverse[i] for i in subset(reverse, 7)} == chosen
