"""The functions that the worker calls, one for each stage: a run in, its result out.

Each writes checkpoints and artifacts below `context.folder` and nothing else. Counts in a result
are of the whole run from position 0, however often it was stopped: `steps`, `tokens`,
`text_tokens` and `image_tokens` (positions of sequences of text, and of captioned images or
instructions), `filled_tokens` (positions that are not padding), `supervised_tokens`, `images`, and
`text_passes`, `caption_passes` and `instruction_passes`, the passes over a source that were begun,
`skipped_samples` (bad ones of the sources, left out), and `truncated_captions` and `truncated_rows`
of the sources, which do not fit into a sequence.
"""

from models.stages.averaging import average
from models.stages.evaluation import evaluate, warm_up
from models.stages.filtering import filter_source as filter  # noqa: A004  (the stage's name)
from models.stages.finetuning import finetune
from models.stages.pretraining import image_text_pretrain, text_pretrain
from models.stages.tower import tower_pretrain

__all__ = [
    "average",
    "evaluate",
    "filter",
    "finetune",
    "image_text_pretrain",
    "text_pretrain",
    "tower_pretrain",
    "warm_up",
]
