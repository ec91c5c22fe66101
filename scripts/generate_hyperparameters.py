"""Write ``sluicegate/domain/algorithms/hyperparameter_table.py`` from the SageMaker developer guide's own tables.

    git clone https://github.com/awsdocs/amazon-sagemaker-developer-guide guide
    git -C guide checkout b01b6e4b0b5ceafa1a7c70fe670f0737342f85c2
    python scripts/generate_hyperparameters.py guide/doc_source
    ruff format layers/core/src/sluicegate/domain/algorithms/hyperparameter_table.py

That commit is the last that has the guide's sources. Of each row the name, the valid values and the default are taken.
A phrase that this program doesn't know ends it: a rule is never guessed. What the sources leave out (they say "see the
website") is in ``CORRECTIONS`` with where it was read.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "layers/core/src/sluicegate/domain/algorithms/hyperparameter_table.py"
COMMIT = "b01b6e4b0b5ceafa1a7c70fe670f0737342f85c2"
PAGES = {
    "linear-learner": "ll_hyperparameters",
    "knn": "kNN_hyperparameters",
    "kmeans": "k-means-api-config",
    "pca": "PCA-reference",
    "randomcutforest": "rcf_hyperparameters",
    "factorization-machines": "fact-machines-hyperparameters",
}
#: rules that the Markdown has lost or says in words that hold no range
CORRECTIONS = {
    # the website's list; also sagemaker/amazon/linear_learner.py of the Python SDK 2, "optimizer"
    ("linear-learner", "optimizer"): 'OneOf(("auto", "adam", "rmsprop", "sgd"))',
    # the website's list for multiclass has softmax_loss; likewise the SDK's "loss"
    ("linear-learner", "loss"): (
        'OneOf(("auto", "logistic", "squared_loss", "absolute_loss", "hinge_loss", "softmax_loss", '
        '"eps_insensitive_squared_loss", "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss"))'
    ),
    # "between 0 and 1": the SDK's validation says which ends are meant
    **{
        ("linear-learner", name): 'Number(0, 1, high_open=True, words=("auto",))'
        for name in ("beta_1", "beta_2", "momentum")
    },
    ("linear-learner", "lr_scheduler_factor"): 'Number(0, 1, low_open=True, high_open=True, words=("auto",))',
    **{
        ("linear-learner", name): "Number(0, 1, low_open=True, high_open=True)"
        for name in ("quantile", "target_precision", "target_recall")
    },
    # "float": [-clip_gradient, +clip_gradient] is no interval, and rescale_grad would turn round, if they were negative
    ("factorization-machines", "clip_gradient"): "Number(0, low_open=True)",
    ("factorization-machines", "rescale_grad"): "Number(0, low_open=True)",
    ("factorization-machines", "eps"): "Number(0)",
    # "between 0 and feature_dim, exclusive": the upper bound is checked where the number of features is known
    ("knn", "dimension_reduction_target"): "Number(1, whole=True)",
    # "auto" stands only beside the default
    ("knn", "faiss_index_ivf_nlists"): 'Number(1, whole=True, words=("auto",))',
    # one value is set as code, the other is not
    ("factorization-machines", "predictor_type"): 'OneOf(("binary_classifier", "regressor"))',
    # lists, as JSON: sagemaker/amazon/kmeans.py and randomcutforest.py of the Python SDK 2, "eval_metrics"
    ("kmeans", "eval_metrics"): 'ListOf(("msd", "ssd"), json=True)',
    ("randomcutforest", "eval_metrics"): 'ListOf(("accuracy", "precision_recall_fscore"), json=True)',
}


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, valid values and default ("" where there is none) of each row of the page's table."""
    for line in text.replace("\\", "").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 2 or cells[0] in ("Parameter Name", "---"):
            continue
        name, described = cells
        valid = re.search(r"Valid values:\s*(.*?)\s*(?:\*\*Optional\*\*|Default values?:|$)", described)
        default = re.search(r"Default values?:\s*(\S*)", described)
        if valid is None:
            raise SystemExit(f"{name}: no valid values in {described!r}")
        found = default[1].strip("*`.,").replace(",000", "000") if default else ""
        yield name, valid[1], "" if found in ("-", "No", "None", "Both") else found


def rule(said: str) -> str:
    """The rule that the guide's words mean, as Python."""
    said = re.sub(r"Suggested value.*", "", said).strip(" .")
    beside = [word for word in ("balanced", "auto") if re.search(rf"\b{word}\b", said)]
    words = f", words=({', '.join(json.dumps(word) for word in beside)},)" if beside else ""
    lower = said.lower()
    limits = re.search(r"\(min: (\d+), max: (\d+)\)", said) or re.search(r"integers from (\d+) to ([\d,]+)", lower)
    if limits:
        return f"Number({int(limits[1])}, {int(limits[2].replace(',', '')):_}, whole=True)"
    if "following positive integers" in lower:
        listed = ", ".join(f'"{number}"' for number in re.findall(r"\d+", said))
        return f"OneOf(({listed}))"
    if "non-negative integer or -1" in lower:
        return "Number(-1, whole=True)"
    if re.search(r"between 0 and 1|range in \[0, 1\]", lower):
        return f"Number(0, 1{words})"
    if re.search(r"positive float|positive floating", lower):
        return f"Number(0, low_open=True{words})"
    if re.search(r"non-negative float", lower):
        return f"Number(0{words})"
    if re.search(r"non-negative integer", lower):
        return f"Number(0, whole=True{words})"
    if re.search(r"positive integers?", lower):
        return f"Number(1, whole=True{words})"
    if re.fullmatch(r"float|floating-point integer", lower.strip("/ ")):
        return "Number()"
    choices = re.findall(r"[`*]([A-Za-z_][\w.+]*)[`*]", said)
    if len(choices) >= 2:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        return f"OneOf(({listed}))"
    raise SystemExit(f"no rule for {said!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guide", type=Path, help="doc_source of the developer guide")
    guide: Path = parser.parse_args().guide
    lines = [
        '"""Hyperparameters of SageMaker\'s built-in algorithms: what each accepts, and its default.',
        "",
        "Generated by scripts/generate_hyperparameters.py from the SageMaker developer guide, awsdocs/",
        f"amazon-sagemaker-developer-guide at {COMMIT}. Don't edit.",
    ]
    lines += [f"{name}: doc_source/{page}.md" for name, page in PAGES.items()]
    lines += ['"""', "", "from __future__ import annotations", ""]
    lines += ["from sluicegate.domain.algorithms.rules import ListOf, Number, OneOf, Rule", ""]
    rules, defaults = ["RULES: dict[str, dict[str, Rule]] = {"], ["DEFAULTS: dict[str, dict[str, str]] = {"]
    for name, page in PAGES.items():
        found = list(rows((guide / f"{page}.md").read_text(encoding="utf-8")))
        rules.append(f'    "{name}": {{')
        defaults.append(f'    "{name}": {{')
        for hyperparameter, said, default in found:
            made = CORRECTIONS.get((name, hyperparameter)) or rule(said)
            rules.append(f'        "{hyperparameter}": {made},')
            if default:
                defaults.append(f"        {json.dumps(hyperparameter)}: {json.dumps(default)},")
        rules.append("    },")
        defaults.append("    },")
    lines += [*rules, "}", "", *defaults, "}", ""]
    TARGET.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
