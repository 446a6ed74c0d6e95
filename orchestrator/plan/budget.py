"""Turn declared token budgets (`28B`, `20x`) into whole numbers of steps. Pure."""

from dataclasses import replace

from orchestrator.plan.cost.count import total_params, training_flops
from orchestrator.plan.memo import Memo
from orchestrator.spec.model import ModelConfig
from orchestrator.spec.quantity import TokenBudget
from orchestrator.spec.settings import (
    ImageTextPretrainSettings,
    Settings,
    StageSettings,
    TextPretrainSettings,
)


def resolved(settings: Settings, model: ModelConfig, memo: Memo) -> Settings:
    """Return a point's settings with every budget in tokens, a whole number of steps.

    Args:
        settings: the point's.
        model: the point's model, whose parameters `20x` is a multiple of.
        memo: lets points that share a declaration share what it means.
    """
    stages = settings.stages
    found = memo.once(lambda: _stages(stages, model, memo), "stages", stages, model)
    return settings if found is stages else replace(settings, stages=found)


def _stages(stages: StageSettings, model: ModelConfig, memo: Memo) -> StageSettings:
    trunk, branch = stages.text_pretrain, stages.image_text_pretrain
    if trunk is not None and trunk.tokens.is_round:
        new_trunk = memo.once(lambda: _trunk(trunk, model), "trunk", trunk, model)
        stages = replace(stages, text_pretrain=new_trunk)
    if branch is not None and branch.tokens.is_round:
        batch = branch.batch_tokens or (trunk.batch_tokens if trunk else 1)
        new_branch = memo.once(
            lambda: _branch(branch, model, batch), "branch", branch, model, batch
        )
        stages = replace(stages, image_text_pretrain=new_branch)
    return stages


def _trunk(trunk: TextPretrainSettings, model: ModelConfig) -> TextPretrainSettings:
    return replace(trunk, tokens=_tokens(trunk.tokens, model, trunk.batch_tokens))


def _branch(
    branch: ImageTextPretrainSettings, model: ModelConfig, batch: int
) -> ImageTextPretrainSettings:
    return replace(branch, tokens=_tokens(branch.tokens, model, batch))


def _tokens(budget: TokenBudget, model: ModelConfig, batch_tokens: int) -> TokenBudget:
    return budget.resolved(
        params=total_params(model),
        flops_per_token=training_flops(model, 1),
        batch_tokens=batch_tokens,
    )
