"""Refuse runs that read more text than there is, or less than one sequence. Pure."""

from orchestrator.errors import PlanError
from orchestrator.spec.run import ImageTextPretrain
from orchestrator.spec.source import DataSource
from orchestrator.spec.study import Study


def check_reading(study: Study, text: DataSource, tokens: int, where: str) -> None:
    """Refuse to read beyond the end of a text whose size is stated.

    Args:
        study: declares the collections.
        text: what is read.
        tokens: how far, from its beginning.
        where: the place that asks for it.

    Raises:
        PlanError: naming both sizes.
    """
    for collection in study.data:
        if collection.name != text.collection or collection.tokens is None:
            continue
        if tokens > collection.tokens and not collection.may_repeat:
            raise PlanError(
                f"{tokens:,} tokens of {text.name} are read, but there are {collection.tokens:,}",
                where=where,
                mend=f"shorten the trunk or the branch, or set data.{collection.name}.may_repeat",
            )


def check_mixture(study: Study, branch: ImageTextPretrain) -> None:
    """Refuse a mixture with a part of less than one sequence, or text that the trunk used up.

    Raises:
        PlanError: naming the share and what it would come to.
    """
    sequences = branch.tokens // branch.model.seq_len
    shares = {
        "image_ratio": (branch.image_ratio, sequences),
        "instruction_ratio": (branch.instruction_ratio, sequences * branch.image_ratio),
    }
    for name, (share, of) in shares.items():
        if 0 < share < 1 and min(share, 1 - share) * of < 1:
            raise PlanError(
                f"{name} is {share}: {min(share, 1 - share) * of:.2g} of {of:.4g} sequences, "
                "less than one",
                where=f"stages.image_text_pretrain.{name}",
                mend="train for longer, or choose a share further from 0 and 1",
            )
    text = round((1 - branch.image_ratio) * branch.tokens)
    where = "stages.image_text_pretrain.tokens"
    check_reading(study, branch.text, branch.text_start + text, where)
