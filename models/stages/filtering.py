"""The stage `filter`: which captions or documents of a source a trained model finds surprising."""

import numpy as np

from models.data.captions import open_captions
from models.data.documents import Windows, open_documents
from models.data.images import open_images
from models.data.kept import Scores, write_scores
from models.data.kept_text import write_text
from models.data.packing import check_room
from models.perplexity import CaptionItems, kept_count, least_surprising
from models.stages.scoring import score_all, scorer, summary
from models.stages.start import config_of
from models.training.features import open_features
from orchestrator.spec.model import VisionConfig
from orchestrator.spec.run import Filter
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import StageContext, StageResult


def filter_source(context: StageContext) -> StageResult:
    """Score captions or documents by a trained model, and keep the least surprising ones.

    Raises:
        ConfigError: if nothing would be kept, or an image leaves no room for text.
        DataError: if the data are missing or damaged, or the documents kept fill no sequence.
        RecordError: if the model has no undamaged checkpoint, or is another one.
        DivergedError: if a loss is no number.
        StoppedError: if it was asked to stop; what is scored is on disk.
    """
    if not context.world.is_first:
        return StageResult(measures=(), counts={})  # one process does all of it
    config = config_of(context, Filter)
    if config.text is not None:
        return _documents(context, config, config.text)
    assert config.captions is not None, "a filter has one of the two"
    assert config.vision is not None, "captions are scored with their images"
    return _captions(context, config, config.captions, config.vision)


def _captions(
    context: StageContext, config: Filter, source: DataSource, vision: VisionConfig
) -> StageResult:
    check_room(config.model.seq_len, vision.image_tokens)
    captions = open_captions(context.data(source), config.model.vocab_size)
    count = kept_count(len(captions), config.keep, "captions")
    items = CaptionItems(
        captions=captions, seq_len=config.model.seq_len, image_tokens=vision.image_tokens
    )
    features = open_features(context, source, vision, config.tower)
    losses, tokens = score_all(context, scorer(context, config, items, features))
    nats = losses / tokens
    scores = Scores(tokens=tokens, nats=nats, kept=least_surprising(nats, count))
    images = open_images(context.data(source))
    keys = [images.key(number) for number in captions.images.tolist()]
    write_scores(context.folder, source, keys, scores)
    return StageResult(
        measures=(
            *summary("kept_captions", nats[scores.kept]),
            *summary("dropped_captions", nats[~scores.kept]),
        ),
        counts={
            "captions": len(captions),
            "kept_captions": count,
            "dropped_captions": len(captions) - count,
            "skipped_samples": len(captions.bad),
            "scored_tokens": int(tokens.sum()),
            "cut_captions": int(np.count_nonzero(tokens < captions.lengths)),
        },
    )


def _documents(context: StageContext, config: Filter, source: DataSource) -> StageResult:
    seq_len = config.model.seq_len
    documents = open_documents(context.data(source), config.model.vocab_size)
    count = kept_count(len(documents), config.keep, "documents")
    windows = Windows(documents, seq_len)
    losses, tokens = score_all(context, scorer(context, config, windows, None))
    lengths = np.add.reduceat(tokens, windows.firsts)
    nats = np.add.reduceat(losses, windows.firsts) / lengths
    scores = Scores(tokens=lengths, nats=nats, kept=least_surprising(nats, count))
    sequences, left_over = write_text(context.folder, source, documents, scores, seq_len)
    return StageResult(
        measures=(
            *summary("kept_documents", nats[scores.kept]),
            *summary("dropped_documents", nats[~scores.kept]),
        ),
        counts={
            "documents": len(documents),
            "kept_documents": count,
            "dropped_documents": len(documents) - count,
            "scored_tokens": int(lengths.sum()),
            "kept_sequences": sequences,
            "tokens_left_over": left_over,
        },
    )
