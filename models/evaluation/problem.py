"""What can be wrong with a question or its answer. Nothing is dropped for it; all is counted."""

from enum import StrEnum


class Problem(StrEnum):
    """Names under which cases are counted in a result, and noted beside single answers."""

    MISSING_IMAGE = "missing_images"
    """The image is not there; the question counts as answered wrongly."""
    TRUNCATED_QUESTION = "truncated_questions"
    """The prompt lost its beginning, so that the answer fits into the model's sequence."""
    TRUNCATED_CONTEXT = "truncated_contexts"
    """The same in a text benchmark."""
    TRUNCATED_CAPTION = "truncated_captions"
    """The end of a caption does not fit into the model's sequence behind its image."""
    EMPTY_ANSWER = "empty_answers"
    """The model wrote nothing."""
    UNFINISHED_ANSWER = "unfinished_answers"
    """The model did not end; its answer was cut off."""
    EMPTY_QUESTION = "empty_questions"
    """The row asks nothing; it is asked as it is."""
    FLAT_BOX = "flat_boxes"
    """The right box has no area once its sides are rounded, so that every answer is wrong."""
    UNREADABLE_BOX = "unreadable_boxes"
    """The answer is no box, and wrong."""
    SHORT_ANSWER_LIST = "short_answer_lists"
    """There are fewer annotators than the published ten; the published rule is applied to them."""
