import json

import pytest

from pipeline.config import load_config, split_sweep
from pipeline.consistency import contradictions
from pipeline.errors import UserError
from stages.fetch_base_model.settings import FolderModelSource


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "which language?"),
        (["language="], "which language?"),
        (["language=klingon"], "unknown language 'klingon'"),
        (["language=duch"], "Did you mean 'dutch'?"),
        (["language=dutch", "mapping=men"], "unknown mapping 'men'. Did you mean 'mean'?"),
        (["language=dutch", "maping=mean"], "unknown key 'maping'. Did you mean 'mapping'?"),
        (["language=dutch", "training.sed=3"], "unknown key in training 'sed'. Did you mean 'seed'?"),
        (["language=dutch", "+training.sed=3"], "unknown key in training 'sed'. Did you mean 'seed'?"),
        (["language=dutch", "+trainin.sed=3"], "unknown key 'trainin'. Did you mean 'training'?"),
        (["language=dutch", "training.tokens=many"], "training.tokens='many': input should be a valid integer"),
        (["language=dutch", "training.seed=1,2"], "put -m before it"),
        (["language=dutch", "training.seed"], "cannot read the overrides"),
        (
            ["language=dutch", "training.phases=[{name:", "all,", "share:", "1.0,", "train:", "all}]"],
            """a value with spaces goes in quotes of its own: ARGS="'training.phases=[...]'\"""",
        ),
        (
            ["language=dutch", "+question_answering.sets.own={kind:", "jsonl,", "file:", "{path:", "a.jsonl}}"],
            """a value with spaces goes in quotes of its own: ARGS="'+question_answering.sets.own={...}'\"""",
        ),
        (["language=dutch", "training=null"], "unknown training 'null'. Available: chocollama, default"),
        (["language=dutch", "experiment=null"], "unknown experiment 'null'. Available: chocollama3_dutch,"),
        (["language=dutch", "mapping="], "unknown mapping ''"),
        (["language=dutch", "mapping={a: 1}"], "unknown mapping '{a:1}'"),
        (["language=dutch", "+mapping=mean"], "write mapping=mean without +"),
        (["language=dutch", "++mapping=mean"], "write mapping=mean without +"),
        (["language=dutch", "mapping@other=mean"], "leave @other out"),
        (["language=dutch", "+training.phases.0=3"], "training.phases"),
        (["language=dutch", "training.seed=???"], "training.seed"),
        (["language=dutch", "training.weight_decay=inf"], "training.weight_decay=inf: input should be a finite number"),
        (["language=dutch", "cluster.processes=0"], "cluster.processes=0: input should be greater than 0"),
        (["language=dutch", "cluster.flops_per_second=0"], "cluster.flops_per_second=0: input should be greater"),
        (["language=dutch", "cluster.micro_batch=0"], "cluster.micro_batch=0: input should be greater than 0"),
        (["language=dutch", "cluster.workers=-3"], "cluster.workers=-3: input should be greater than 0"),
        (["language=dutch", "cluster.checkpoint_seconds=-1"], "cluster.checkpoint_seconds=-1: input should be greater"),
        (["language=dutch", "cluster.device=tpu"], "cluster.device='tpu': input should be 'cpu' or 'cuda'"),
        (["language=dutch", "planning.source_token_ratio=0"], "planning.source_token_ratio=0"),
        (["language=dutch", "evaluation.baselines=[source_finetund]"], "input should be 'source_finetuned'"),
        (
            ["language=dutch", "+alignment.foo=3"],
            "unknown key in alignment 'foo'. Available: beam_threshold, cleaning, examples",
        ),
        (
            ["language=dutch", "+base_model.source.foo=3"],
            "unknown key in base_model.source 'foo'. Available: dtype",
        ),
        (
            ["language=dutch", "+training.phases.0.foo=3"],
            "unknown key in training.phases.0 'foo'. Available: embedding_learning_rate, learning_rate, name",
        ),
        (["language=dutch", "alignment.min_count=0"], "alignment.min_count=0: input should be greater than 0"),
        (["language=dutch", "alignment.method=tabel"], "unknown alignment.method 'tabel'. Did you mean 'table'?"),
        (["language=dutch", "alignment=table", "alignment.path=3"], "alignment: path=3 is no path"),
        (["language=dutch", "alignment=table", "alignment.path=/nowhere"], "alignment: path: /nowhere is not a file"),
        (["language=dutch", "alignment=table", "alignment.path=/"], "alignment: path: / is not a file"),
        (["language=dutch", "base_model=tiny_random", "base_model.source.text=no.txt"], "no.txt is not a file"),
        (["language=dutch", "alignment=table"], "alignment: alignment=table needs the table: alignment.path=FILE.tsv"),
        (["language=tatar", "mapping=wechsel"], "init method 'wechsel' needs a dictionary: give dictionary=file"),
        (["language=dutch", "dictionary=file", "dictionary.path=/nowhere"], "/nowhere is not a file"),
        (["language=dutch", "vectors.tokens.ngram_min=7"], "ngram_min=7 is above ngram_max=6"),
        (["language=dutch", "corpus.cards=[]"], "corpus.cards=[]: a corpus needs at least one data card"),
        (["language=dutch", "corpus.cards=[udhr,iso_codes,udhr]"], "named more than once: udhr"),
        (["language=dutch", "bitext.cards=[udhr,udhr]"], "named more than once: udhr"),
        (["language=dutch", "language.source_code=nl"], "language.source_code='nl' is the target language's own"),
        (["language=dutch", "heads=hydra", "+heads.source_languages.nl=Dutch"], "'nl' is the target language itself"),
        (["language=dutch", "translation.prompt='no line'"], "must have {text}"),
        (
            ["language=dutch", "back_translation=seq2seq"],
            "back_translation.model=None: names no model; give one on the hub",
        ),
        (
            ["language=dutch", "heads=hydra", "repair=nfr", "repair.systems=[hydra_backft]"],
            "no such system is tuned with back_translation",
        ),
        (["language=dutch", "repair=nfr"], "repair=nfr: without a Hydra model nothing is translated; give heads=hydra"),
        (["language=dutch", "back_translation=base"], "back_translation=base: without a Hydra model nothing"),
        (
            ["language=dutch", "training.objective=masked"],
            "SmolLM2-135M-Instruct is a decoder; give training.",
        ),
        (["language=dutch", "base_model=tiny_random_encoder"], "tiny-random-encoder is an encoder; give training"),
        (["language=dutch", "base_model=robbert_v2"], "robbert-v2-dutch-base is an encoder; give training.objective"),
        (
            ["language=dutch", "base_model=llama2_7b", "training.objective=masked"],
            "Llama-2-7b is a decoder; give train",
        ),
        (
            ["language=dutch", "base_model=llama2_7b", "training.sequence_length=4097"],
            "training.sequence_length=4097 is more than the 4096 positions of Llama-2-7b; give at most 4096",
        ),
        (
            ["language=dutch", "training=tweety_two_stage", "training.phases.1.train=16x15"],
            "phase 'outer_layers' trains 16x15 layers, and SmolLM2-135M-Instruct has 30; give at most",
        ),
        (
            ["language=dutch", "optimizer=adamw_8bit"],
            "optimizer=adamw_8bit runs on an Nvidia GPU alone: choose cluster=",
        ),
        (
            ["language=dutch", "cluster.attention_kernel=flash_attention_2"],
            "flash_attention_2: it needs cluster.device=cuda; it needs training.precision=bfloat16. Choose",
        ),
        (
            ["language=dutch", "cluster=one_gpu", "cluster.attention_kernel=flash_attention_2"],
            "attention_kernel=flash_attention_2: it needs training.precision=bfloat16. Choose",
        ),
        (["language=dutch", "heads=hydra", "question_answering=files"], "sets: names no questions; name a file: '+"),
        (["language=dutch", "repair=nfr", "repair.match=x"], "must have {match_source} and {match_target}, once each"),
        (["language=dutch", "repair=nfr", "repair.similarity=1"], "repair.similarity=1: input should be less than 1"),
        (["language=dutch", "decoding=bean"], "unknown decoding 'bean'. Did you mean 'beam'?"),
        (["language=dutch", "decoding.method=gready"], "unknown decoding.method 'gready'. Did you mean 'greedy'?"),
        (["language=dutch", "decoding=beam", "decoding.beams=1"], "decoding.beams=1: input should be greater"),
        (["language=dutch", "pivots=packaged"], "pivots.cards=None: the language's file names no pivots"),
        (["language=dutch", "+pivots.cards.en=[udhr]"], "pivots.cards.en: 'en' is the source language itself"),
        (["language=tatar", "+pivots.cards.tt=[udhr]"], "pivots.cards.tt: 'tt' is the target language itself"),
        (["language=tatar", "+pivots.cards.ru=[udhr,udhr]"], "named more than once: udhr"),
        (
            ["language=dutch", "replay.share=0.1", "replay.cards=[]"],
            "a share of the training text needs cards and a language",
        ),
        (["language=english", "replay=packaged"], "replay.language.code='en' is not the base model's language"),
        (["language=dutch", "mapping=keep", "calibration=unigram"], "mapping=keep maps no rows that could be"),
        (["language=dutch", "mapping=keep", "mapping.warmup=distill"], "it takes no options and no warm-up"),
        (["language=dutch", "optimizer=moun"], "unknown optimizer 'moun'. Did you mean 'muon'?"),
        (["language=dutch", "adapter=lora", "+training.adapter.foo=1"], "unknown key in training.adapter 'foo'"),
        (["language=dutch", "adapter=lora", "training.adapter.embeddings=false"], "nothing to train"),
        (["language=dutch", "training.objective=masked", "training.attention=document"], "give attention=causal"),
        (["language=dutch", "language.name=shared"], "language.name='shared' is taken"),
        (["language=dutch", "language.name=Dutch/x"], "language.name='Dutch/x'"),
        (["language=dutch", "machine.artifacts="], "names no folder of its own"),
        (["language=dutch", "machine.artifacts=."], "names no folder of its own"),
    ],
)
def test_a_mistake_is_one_clear_line(overrides, said):
    with pytest.raises(UserError) as caught:
        load_config(overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_machine_and_the_model_have_is_not_refused():
    gpu = ("language=dutch", "cluster=one_gpu", "training.precision=bfloat16")
    load_config([*gpu, "cluster.attention_kernel=flash_attention_2", "optimizer=adamw_8bit"])
    load_config([*gpu, "training=tweety_two_stage", "training.phases.1.train=15x15"])
    load_config([*gpu, "base_model=llama2_7b", "training.sequence_length=4096"])
    load_config([*gpu, "base_model.max_positions=null", "training.sequence_length=9999999"])


def test_a_folder_of_a_model_that_cannot_be_trained_is_refused_before_anything_runs(tmp_path):
    def problems(**values):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma2", **values}))
        source = FolderModelSource(kind="folder", path=tmp_path)
        model = plain.base_model.model_copy(update={"source": source})
        return list(contradictions(plain.model_copy(update={"base_model": model})))

    plain = load_config(["language=dutch"])
    assert problems(final_logit_softcapping=None) == []
    (capped,) = problems(final_logit_softcapping=30.0)
    assert "changes its logits (final_logit_softcapping), which training does not do yet" in capped


def test_all_problems_are_reported_together():
    with pytest.raises(UserError) as caught:
        load_config(["language=dutch", "training.tokens=many", "+training.stepz=3", "tokenizer.vocabulary_size=big"])
    assert len(str(caught.value).splitlines()) == 3


def test_a_sweep_is_every_combination():
    assert split_sweep(["language=dutch", "mapping=mean,random", "training.seed=1,2"]) == [
        ["language=dutch", f"mapping={mapping}", f"training.seed={seed}"]
        for mapping in ("mean", "random")
        for seed in (1, 2)
    ]


def test_a_glob_is_every_file_of_the_group_that_matches():
    assert split_sweep(["language=dutch", "mapping=glob(*mean)"]) == [
        ["language=dutch", "mapping=mean"],
        ["language=dutch", "mapping=subtoken_mean"],
    ]


@pytest.mark.parametrize("sweep", ["mapping=glob(x*)", "training.seed=glob(*)", "training.seed=interval(0,1)"])
def test_a_sweep_that_cannot_be_listed_is_one_clear_line(sweep):
    with pytest.raises(UserError, match=sweep.partition("=")[0]) as caught:
        split_sweep(["language=dutch", sweep])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "peak"),
    [
        (["cluster=one_gpu", "training.precision=bfloat16"], 9.89e14),
        (["cluster=one_gpu", "cluster.gpu=a100", "training.precision=bfloat16"], 3.12e14),
        (["cluster=one_gpu", "cluster.gpu=a100", "training.precision=float32"], 1.95e13),
        (["cluster=slurm", "cluster.gpu=a100", "cluster.peak_flops_per_second=5e14"], 5e14),
        (["cluster=one_gpu", "cluster.gpu=null"], None),
        (["cluster=one_gpu", "cluster.device=cpu"], None),
        (["cluster=local"], None),
    ],
)
def test_the_most_that_a_device_could_do_is_that_of_the_gpu_in_the_trainings_precision(overrides, peak):
    assert load_config(["language=dutch", *overrides]).execution().peak_flops_per_second == peak
