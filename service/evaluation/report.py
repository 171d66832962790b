"""The figures as a table for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from service.evaluation.datasets import SPLITS

#: (name, what it says, whether it is a share of something).
_ROWS = (
    ("questions", "questions", False),
    ("answerable", "of them answerable", False),
    ("recall_at_1", "right article first", True),
    ("recall_at_3", "right article among 3", True),
    ("recall_at_5", "right article among 5", True),
    ("mrr_at_10", "mean reciprocal rank", False),
    ("ndcg_at_10", "nDCG at 10", False),
    ("passage_recall_at_1", "right passage first", True),
    ("passage_recall_at_5", "right passage among 5", True),
    ("threshold", "threshold", False),
    ("sent", "answers sent", False),
    ("wrong", "of them wrong", False),
    ("wrong_rate", "wrong, of those sent", True),
    ("answered_rate", "answered right, of the answerable", True),
    ("near_answered_rate", "answered, of the near ones", True),
    ("far_answered_rate", "answered, of the far ones", True),
    ("real_answered_rate", "answered, of the unsorted unanswerable", True),
    ("person_answered_rate", "answered, of those for a person", True),
    ("evidence_said_rate", "evidence in the words sent, of the right", True),
    ("auroc_scope", "AUROC, answerable against not", False),
    ("auroc_right", "AUROC, right against the rest", False),
    ("fpr_at_95_tpr", "unanswerable let in at 95 % of the answerable", True),
    ("aurc", "area under risk and coverage", False),
    ("coverage_at_5pct", "coverage at 5 % wrong, best threshold", True),
    ("coverage_at_2pct", "coverage at 2 % wrong, best threshold", True),
    ("coverage_ideal", "coverage of an ideal order", True),
    ("ece", "calibration error", False),
)


def print_scorecard(result: Mapping[str, Any], console: Console) -> None:
    """Print what `evaluate` gave back."""
    console.print(f"[bold]{result['pack']}[/bold], fitted on {result['fitted_on']}.", highlight=False)
    console.print(str(result["note"]), highlight=False)
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
        table.add_column("95 %", justify="right", style="dim")
    for name, meaning, share in _ROWS:
        if all(result[split].get(name) is None for split in SPLITS):
            continue
        cells: list[str] = []
        for split in SPLITS:
            cells.append(_number(result[split].get(name), share))
            bounds = result[split].get(f"{name}_interval")
            cells.append(f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}" if bounds else "")
        table.add_row(meaning, *cells)
    console.print(table)
    times = result["latency_ms"]
    console.print(
        f"Search and decision, one question at a time: {times['p50']:.0f} ms in the middle, "
        f"{times['p95']:.0f} ms at the 95th percentile.",
        highlight=False,
    )
    if claude := result.get("claude"):
        console.print(_claude(claude), highlight=False)


def _claude(figures: Mapping[str, Any]) -> str:
    written, handed, quoted = (figures["outcomes"].get(name, 0) for name in ("send", "person", "quote"))
    return (
        f"{figures['model']}: {figures['calls']} calls for {figures['messages']} messages, "
        f"{figures['calls_a_message']:.2f} a message; ${figures['cost_usd']:.4f} in all, "
        f"${figures['cost_a_message_usd']:.6f} a message, ${figures['cost_a_call_usd']:.6f} a call. "
        f"{written} answers written ({figures['written_from_another_article']} from an article that does not answer), "
        f"{handed} handed over, {quoted} quoted instead; {figures['sentences_cut']} sentences cut."
    )


def _number(value: float | int | None, share: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"
