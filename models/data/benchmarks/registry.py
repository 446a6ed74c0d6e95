"""The data sets that can be prepared."""

from collections.abc import Mapping

from models.data.benchmarks.ai2d import AI2D
from models.data.benchmarks.coco_captions import COCO_CAPTIONS
from models.data.benchmarks.gqa import GQA
from models.data.benchmarks.nocaps import NOCAPS
from models.data.benchmarks.ocid_ref import OCID_REF
from models.data.benchmarks.pope import POPE
from models.data.benchmarks.published import Published
from models.data.benchmarks.refcoco import REFCOCO
from models.data.benchmarks.tally_qa import TALLY_QA
from models.data.benchmarks.text_vqa import TEXT_VQA
from models.data.benchmarks.vizwiz import VIZWIZ
from models.data.benchmarks.vqa_v2 import VQA_V2
from models.data.benchmarks.vsr import VSR
from orchestrator.errors import ConfigError

DATA_SETS: Mapping[str, Published] = {
    one.name: one
    for one in (
        *(VQA_V2, GQA, VIZWIZ, TEXT_VQA, REFCOCO),
        *(OCID_REF, POPE, VSR, TALLY_QA, AI2D),
        *(NOCAPS, COCO_CAPTIONS),
    )
}
"""By their names."""


def data_set(name: str) -> Published:
    """Return a data set.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in DATA_SETS:
        raise ConfigError(
            f"there is no data set {name!r}", "NAME", f"choose from {', '.join(DATA_SETS)}"
        )
    return DATA_SETS[name]
