"""How fast text benchmarks are asked, against the harness's own model class (lm-eval's HFLM).

Run by hand: `python tests/benchmarks/evaluating.py [--threads 2]`; needs `accelerate`, which HFLM
imports. The same random weights stand in our decoder and in transformers' LlamaForCausalLM; both
are asked the same tasks through lm-eval, and their answers are compared. Tasks: choices of several
words; letters behind a question of its own, or behind five examples that all documents share, as in
MMLU; texts.
Models: of the demo's size, where a step's overhead counts, and a larger one, where arithmetic does.
HFLM is timed at batch 1 and at larger ones, of which its best counts. The least of three passes is
told, taken in turn: with one thread of CPU time, on which other work on the machine has little
bearing, with several of what passed, which means something only on an idle machine. Ratios are
HFLM's over ours, for each task and for the suite of all. Last comes how long a job of a few
questions takes, from `python -m orchestrator.worker` on.
"""

# lm-eval and transformers ship no types that can be checked:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import argparse
import contextlib
import io
import json
import logging
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lm_eval import evaluator
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers import decoders as token_decoders
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from models.architecture.build import build_model
from models.architecture.vlm import VisionLanguageModel
from models.data.shapeworld.world import make
from models.evaluation.meter import Meter
from models.evaluation.respondent import Respondent
from models.evaluation.text import TextExaminer, load_tasks, run_text_suite
from models.evaluation.text_model import TextModel
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.launch import Tracking
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind
from orchestrator.store.attempts import LOCAL, DataFolder, Intent, claim_attempt, write_intent
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import RunRecord, write_done, write_result, write_run
from orchestrator.store.stage import StageResult
from tests.models.evaluation.conftest import SMALL_WORLD

SMALL = ModelConfig(
    width=256, depth=6, heads=4, vocab_size=8192, seq_len=512, norm=Norm.RMS, qk_norm=False
)
DEMO = replace(SMALL, width=64, depth=2, heads=2, vocab_size=2048)
"""Of the demo's largest decoder: width 64, depth 2; longer sequences and a larger vocabulary."""
DOCUMENTS = {"choices": 32, "letters": 64, "examples": 64, "texts": 24}
BATCHES = (1, 8, 32)
PASSES = 3
GOAL_SINGLE, GOAL_BEST = 5.0, 1.0
END = "<|endoftext|>"
SOURCE = DataSource(name="made/benchmarks", version="1")

CHOICES = """
output_type: multiple_choice
test_split: test
doc_to_text: context
doc_to_choice: choices
doc_to_target: answer
target_delimiter: " "
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
metadata: {data_file: %s.jsonl, version: 1}
"""
TEXTS = """
output_type: generate_until
test_split: test
doc_to_text: context
doc_to_target: target
generation_kwargs: {until: ["\\n"], max_gen_toks: 32, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {data_file: texts.jsonl, version: 1}
"""


def write_tasks(folder: Path, words: list[str]) -> None:
    """Write tasks whose contexts have up to 110 words, or 150 of examples and a question."""
    rng = random.Random(5)
    folder.mkdir(parents=True)

    def text(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    def context() -> str:
        return text(min(110, 10 + int(rng.lognormvariate(3.5, 0.8))))

    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in DOCUMENTS}
    for _ in range(DOCUMENTS["choices"]):
        choices = [text(rng.randint(2, 12)) for _ in range(4)]
        rows["choices"].append({"context": context(), "choices": choices, "answer": 1})
    for _ in range(DOCUMENTS["letters"]):
        rows["letters"].append({"context": context(), "choices": list("ABCD"), "answer": 2})
    examples = text(150)
    for _ in range(DOCUMENTS["examples"]):
        question = {"context": f"{examples} {text(20)}", "choices": list("ABCD"), "answer": 0}
        rows["examples"].append(question)
    for _ in range(DOCUMENTS["texts"]):
        rows["texts"].append({"context": context(), "target": "none"})
    for name, documents in rows.items():
        content = TEXTS if name == "texts" else CHOICES % name
        (folder / f"{name}.yaml").write_text(content)
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, documents)))


def words_and_tokenizer(vocab_size: int) -> tuple[list[str], Tokenizer]:
    """Return made-up words, and a byte-level tokenizer trained on them."""
    rng = random.Random(7)
    letters = "etaoinshrdlcumwfgypbvk"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 5))) for _ in range(1500)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = token_decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(words)] * 2, trainer)
    return words, tokenizer


def as_llama(model: VisionLanguageModel, shape: ModelConfig) -> LlamaForCausalLM:
    """Put our weights into transformers' model."""
    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.ffn_width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.seq_len,
        rms_norm_eps=1e-5,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    llama, ours = LlamaForCausalLM(config), model.decoder.state_dict()
    own: dict[str, Tensor] = {
        "model.embed_tokens.weight": ours["tok_embeddings.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["output.weight"],
    }
    for i in range(shape.depth):
        theirs, here = f"model.layers.{i}.", f"layers.{i}."
        own[theirs + "input_layernorm.weight"] = ours[here + "attention_norm.weight"]
        own[theirs + "post_attention_layernorm.weight"] = ours[here + "ffn_norm.weight"]
        parts = ours[here + "attention.in_proj.weight"].chunk(3)
        for name, part in zip("qkv", parts, strict=True):
            own[f"{theirs}self_attn.{name}_proj.weight"] = part
        own[theirs + "self_attn.o_proj.weight"] = ours[here + "attention.out_proj.weight"]
        gate, up = ours[here + "feed_forward.w12.weight"].chunk(2)
        own[theirs + "mlp.gate_proj.weight"], own[theirs + "mlp.up_proj.weight"] = gate, up
        own[theirs + "mlp.down_proj.weight"] = ours[here + "feed_forward.w3.weight"]
    llama.load_state_dict(own)
    return llama.eval()


class Quiet:
    """A stage's context, of which a meter needs only this."""

    def stop_requested(self) -> bool:
        return False

    def report(self, progress: object) -> None: ...

    def resumed(self, step: int) -> None: ...


Found = list[tuple[str | None, float | None]]
"""Of each document, what was written or chosen and the likelihood of the right choice."""


def by_us(respondent: Respondent, tokenizer: Tokenizer, folder: Path, name: str) -> Found:
    suite = SuiteConfig(name="text", kind=SuiteKind.TEXT, data=SOURCE, benchmarks=(name,))
    meter = Meter(cast(Any, Quiet()))
    examiner = TextExaminer(TextModel(respondent, tokenizer), folder, suite, meter)
    (outcome,) = run_text_suite(examiner)
    return [(answer.prediction, answer.loglikelihood) for answer in outcome.answers]


def by_hflm(lm: HFLM, folder: Path, name: str) -> Found:
    (task,) = load_tasks(folder / "tasks", name)
    results: Any = evaluator.evaluate(lm=lm, task_dict={"tasks": {name: task}}, bootstrap_iters=0)
    found: Found = []
    for sample in results["samples"][name]:
        answered = sample["filtered_resps"]
        if name == "texts":
            found.append((answered[0], None))
        else:
            nats = [value for value, _ in answered]
            choices = task.doc_to_choice(sample["doc"])
            found.append((choices[nats.index(max(nats))], nats[sample["target"]]))
    return found


def now() -> float:
    """Return CPU seconds with one thread, and the time with several."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def timed(work: Callable[[], Found]) -> tuple[float, Found]:
    with contextlib.redirect_stderr(io.StringIO()):  # the harness's bars
        began = now()
        found = work()
        return now() - began, found


def check(name: str, ours: Found, theirs: Found) -> None:
    """See that both did the same work, but for rounding."""
    for (answer, nats), (other, expected) in zip(ours, theirs, strict=True):
        if nats is not None and expected is not None and abs(nats - expected) > 1e-3:
            raise SystemExit(f"{name}: {nats} is not {expected}")
        if answer != other:
            raise SystemExit(f"{name}: {answer!r} is not {other!r}")


def compare(folder: Path, label: str, shape: ModelConfig) -> None:
    words, tokenizer = words_and_tokenizer(shape.vocab_size)
    write_tasks(folder / "tasks", words)
    model = build_model(shape, None, seed=0).eval()
    llama = as_llama(model, shape)
    execution = Execution(threads=torch.get_num_threads())
    respondent = Respondent(model=model, seq_len=shape.seq_len, execution=execution)
    with_start = Tokenizer.from_str(tokenizer.to_str())
    with_start.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=with_start, bos_token=END, eos_token=END, pad_token="<|padding|>"
    )
    works: dict[int, Callable[[str], Found]] = {
        0: lambda name: by_us(respondent, tokenizer, folder, name)
    }
    for size in BATCHES:
        lm: HFLM = cast(Any, HFLM)(  # its decorator hides what it takes
            pretrained=llama,
            tokenizer=fast,
            batch_size=size,
            max_length=shape.seq_len,
            add_bos_token=True,
        )
        works[size] = lambda name, lm=lm: by_hflm(lm, folder, name)
    whole = dict.fromkeys(works, 0.0)
    for name, count in DOCUMENTS.items():
        least = dict.fromkeys(works, math.inf)
        answers: dict[int, Found] = {}
        for _ in range(PASSES):
            for size, work in works.items():
                taken, answers[size] = timed(lambda work=work, name=name: work(name))
                least[size] = min(least[size], taken)
        check(name, answers[0], answers[1])
        show(f"{label}, {name}", count, least)
        for size in works:
            whole[size] += least[size]
    show(f"{label}, suite of all", sum(DOCUMENTS.values()), whole)


def show(what: str, count: int, least: dict[int, float]) -> None:
    """Print how long each took, ours under 0, and the ratios."""
    best = min(BATCHES, key=lambda size: least[size])
    single, highest = least[1] / least[0], least[best] / least[0]
    print(
        f"{what}: {count} documents, ours {least[0]:.2f} s; HFLM at batch 1 {least[1]:.2f} s, "
        f"{single:.1f} x ({'met' if single >= GOAL_SINGLE else 'missed'}); at its best, {best}, "
        f"{least[best]:.2f} s, {highest:.1f} x ({'met' if highest >= GOAL_BEST else 'missed'})"
    )


def evaluation(root: Path, kind: SuiteKind, benchmark: str) -> RunFolder:
    """Write a run that asks a finished model eight questions of a tiny world, and its attempt."""
    shape = replace(DEMO, vocab_size=512, seq_len=96)
    source = DataSource(name="shapeworld/benchmarks", version="world")
    suite = SuiteConfig(
        name="suite",
        kind=kind,
        data=source,
        benchmarks=(benchmark,),
        images=Images.BLIND if kind is SuiteKind.VISION else Images.GIVEN,
        limit=8,
    )
    parent = RunFolder(root / "runs" / ("a" * 12))
    config = Evaluate(
        model=shape, vision=None, suite=suite, parent=parent.run_id, tower=None, seed=0
    )
    function = "models.stages:evaluate"
    folder = RunFolder(root / "runs" / run_id(config, function))
    if not parent.path.exists():
        weights = build_model(shape, None, seed=0).state_dict()
        whole = Checkpoint(step=1, position=1, counters={}, weights=weights, optimizer=None)
        checkpoint.save(parent.checkpoints, whole, keep=1)
        write_result(parent, StageResult(measures=(), counts={}))
        write_done(parent)
    record = RunRecord(
        study="made",
        run_id=folder.run_id,
        stage=Stage.EVALUATE,
        function=function,
        config=config,
        needs=(parent.run_id,),
        previous=None,
        arms=(),
        axes=(),
        title="evaluate",
    )
    write_run(folder, record)
    part = root / "shapeworld-world" / "benchmarks"
    intent = Intent(
        attempt=1,
        token="made",
        execution=Execution(threads=torch.get_num_threads()),
        data=(DataFolder(name=source.name, version=source.version, folder=str(part)),),
        tracking=Tracking.OFF,
        backend=LOCAL,
        slot=None,
        host="here",
        time="2026-01-02T03:04:05.000+00:00",
    )
    write_intent(claim_attempt(folder), intent)
    return folder


def start(root: Path) -> None:
    """Print what jobs of eight questions take, over a process that imports torch alone."""
    make(SMALL_WORLD, root / "shapeworld-world", lambda _: None)
    bare = least_of([sys.executable, "-c", "import torch"])
    print(f"start: python that imports torch {bare:.2f} s")
    for kind, benchmark in (
        (SuiteKind.VISION, "shapeworld_vqa"),
        (SuiteKind.TEXT, "shapeworld_facts"),
    ):
        folder = evaluation(root, kind, benchmark)
        worker = [sys.executable, "-m", "orchestrator.worker", str(folder.path), "--attempt", "1"]
        seconds = least_of(worker, lambda folder=folder: folder.done.unlink(missing_ok=True))
        print(
            f"start: a job of eight {kind.value} questions {seconds:.2f} s, {seconds / bare:.1f} x"
        )


def least_of(command: list[str], before: Callable[[], None] = lambda: None) -> float:
    """Return the least seconds of three calls of a command."""
    least = math.inf
    for _ in range(3):
        before()
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        least = min(least, time.perf_counter() - began)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    torch.set_num_threads(parser.parse_args().threads)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        for label, shape in (("demo", DEMO), ("small", SMALL)):
            compare(Path(name) / label, label, shape)
        start(Path(name) / "start")


if __name__ == "__main__":
    main()
