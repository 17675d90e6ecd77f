"""Are edited excerpts found, in the right place, and strangers not, beside what compares single frames?

    python -m benchmarks copies --work DIR [--plot FILE.png]
    python -m benchmarks copies --table FILE.json

`--work` keeps the query files, what peers see in them, and a library for each pair of models, so that another head is
measured without making queries again. `--table` prints the figures of a finished run as Markdown and measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import asking, datasets, edited_queries, environment, frame_peers, libraries, report
from benchmarks.copies import LEAST_S, LOOKALIKE, STRANGER, Plan, Split, plan_absent, plan_copies, split_videos
from benchmarks.copies_tables import edits_table, markdown, read_figures, systems_table, thresholds_table
from benchmarks.datasets import Video
from benchmarks.edited_queries import OTHERS_S, QuerySet
from benchmarks.report import Goal, Report, say, spread
from benchmarks.score_copies import (
    TEST_CARDS,
    CopyAnswer,
    Threshold,
    at_threshold,
    findings,
    recall_with_few_false,
)
from vsearch.metrics import percentile

NAME = "copies"
QUESTION = "are edited excerpts found in their place, and strangers not?"
OURS = "vsearch"
SHOWN = f"{OURS}, hits shown by default"
FEW_FALSE = 2.0  # a thousand
QUICK_VIDEOS = 6
FRAME_THRESHOLDS = (Threshold("any frame", "score", 1e-6), Threshold("half of the frames", "score", 0.5))


def main(argv: Sequence[str]) -> int:
    args = parsed(argv)
    if args.table is not None:
        print(markdown(read_figures(args.table)))
        return 0
    corpus = datasets.corpus_folder(args.corpus)
    dev, train = datasets.dev_videos(corpus), datasets.train_videos(corpus)
    peers = [name for name in args.peers.split(",") if name]
    frame_peers.check_peers(peers)
    if args.plot is not None:
        from benchmarks.rate_plot import check_plotting

        check_plotting()
    split = split_videos(dev, train, seed=args.seed)
    split = small(split) if args.quick else split
    plans = planned(split, args.copies, args.strangers, args.lookalikes, args.seed)
    sources = {video.name: video for video in (*dev, *train)}
    with libraries.work_folder(args.work) as work:
        others = edited_queries.choose_others(split.strangers, seed=args.seed)
        asked = edited_queries.make_queries(plans, others, work, workers=args.workers)
        ours, models = ask_vsearch(split, asked, sources, work, args)
        systems = {**ours, **ask_peers(peers, split, asked, sources, work, args.workers)}
    data = {
        **datasets.described(corpus, (*dev, *train)),
        "gallery_videos": len(split.gallery),
        "gallery_seconds": sum(video.duration_s for video in split.gallery),
        "absent_videos": len(split.absent),
    }
    told = report.told(args, "copies", "strangers", "lookalikes", "askers", "quick")
    finished = summary(systems, data=data, seed=args.seed, options={**told, "k": asking.HITS, **models})
    report.publish(finished, report.output_path(NAME, args))
    if args.plot is not None:
        from benchmarks.copies_plot import draw_recall

        draw_recall(systems, output=args.plot)
    return 0


def parsed(argv: Sequence[str]) -> Any:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--copies", type=int, help="queries an edit [40; quick: 1]")
    parser.add_argument("--strangers", type=int, help="queries of footage that is not there [2000; quick: 20]")
    parser.add_argument("--lookalikes", type=int, help="queries of another group of a scene that is [100; quick: 4]")
    parser.add_argument("--peers", default=",".join(frame_peers.PEERS), help="[%(default)s]; '' for none")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep queries, descriptions and libraries here")
    parser.add_argument("--workers", type=int, default=environment.available_cores(), help="processes [%(default)s]")
    parser.add_argument("--askers", type=int, default=1, help="processes that ask vsearch side by side [%(default)s]")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw recall@1 by edit (needs matplotlib)")
    parser.add_argument(
        "--table", type=Path, metavar="FILE.json", help="print a finished run as Markdown, nothing else"
    )
    args = parser.parse_args(argv)
    for name, quick, full in (("copies", 1, 40), ("strangers", 20, 2000), ("lookalikes", 4, 100)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    return args


def planned(split: Split, copies: int, strangers: int, lookalikes: int, seed: int) -> list[Plan]:
    return [
        *plan_copies(split, an_edit=copies, seed=seed),
        *plan_absent(split.strangers, kind=STRANGER, count=strangers, seed=seed),
        *plan_absent(split.lookalikes, kind=LOOKALIKE, count=lookalikes, seed=seed),
    ]


def small(split: Split) -> Split:
    """Copies of a few short videos, each group's all in the gallery with some others; a few short ones are absent."""
    short = sorted((video for video in split.asked if video.duration_s >= LEAST_S), key=lambda one: one.duration_s)
    groups = {video.group for video in short[:QUICK_VIDEOS]}
    asked = tuple(video for video in split.asked if video.group in groups)
    absent = (*_shortest(split.strangers, OTHERS_S), *_shortest(split.lookalikes, 0.0))
    scenes = {video.scene for video in absent}
    alike = (video for video in split.gallery if video.scene in scenes)
    rest = _shortest([video for video in split.gallery if video.group not in groups], 0.0)
    return Split(tuple(dict.fromkeys((*asked, *alike, *rest))), asked, absent)


def _shortest(videos: Sequence[Video], least_s: float) -> list[Video]:
    return sorted((video for video in videos if video.duration_s >= least_s), key=lambda one: one.duration_s)[
        :QUICK_VIDEOS
    ]


def ask_vsearch(
    split: Split, asked: QuerySet, sources: dict[str, Video], work: Path, args: Any
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The figures of vsearch as it ranks, and of what it shows by default; and the models' identities."""
    known = {str(video.path): video for video in split.gallery}
    with asking.indexed(split.gallery, work, name=gallery_name(split), codec=args.codec, head=args.head) as library:
        models, folder = libraries.models_of(library), library.folder
    answers, elapsed_s = asking.ask_side_by_side(folder, asked, sources, known, processes=args.askers)
    asking.keep_answers(work / f"answers-{models['head'][:12]}.jsonl", answers)
    limits = asking.thresholds(args.head)
    shown = [answer.above(limits[0].passes) for answer in answers]
    times = {**spread(elapsed_s), "p95": percentile(elapsed_s, 0.95)}
    ours = {
        OURS: {**scored(answers, limits), "seconds_a_query": times},
        SHOWN: scored(shown, ()),
    }
    return ours, models


def gallery_name(split: Split) -> str:
    return f"gallery-{libraries.names_hash(split.gallery)}"


def ask_peers(
    names: Sequence[str], split: Split, asked: QuerySet, sources: dict[str, Video], work: Path, workers: int
) -> dict[str, dict[str, Any]]:
    """The figures of each peer, by its title."""
    if not names:
        return {}
    kept = work / "peers"
    queries = frame_peers.describe_files([asked.path(q) for q in asked.queries], names, kept, workers=workers)
    gallery = frame_peers.describe_files([video.path for video in split.gallery], names, kept, workers=workers)
    found = {}
    for name in names:
        peer = frame_peers.PEERS[name]
        say(f"asking {peer.title}")
        there = [(video, one[name]) for video, one in zip(split.gallery, gallery, strict=True)]
        answers = frame_peers.answer_all(peer, asked, sources, [one[name] for one in queries], there, k=asking.HITS)
        limits = FRAME_THRESHOLDS if peer.least_cosine is not None else ()
        found[peer.title] = scored(answers, limits)
    return found


def scored(answers: Sequence[CopyAnswer], limits: Sequence[Threshold]) -> dict[str, Any]:
    """What JSON holds of one system. Queries of test cards count nowhere."""
    asked, answers = answers, [answer for answer in answers if answer.source.name not in TEST_CARDS]
    whole, edits = findings(answers)
    recall, score = recall_with_few_false(answers, per_1000=FEW_FALSE)
    return {
        "test_cards_left_out": len(asked) - len(answers),
        "all": whole.as_json(),
        "edits": {name: finding.as_json() for name, finding in edits.items()},
        "thresholds": [at_threshold(answers, limit) for limit in limits],
        "with_few_false_hits": {"per_1000": FEW_FALSE, "recall": recall, "score": score if recall else None},
    }


def summary(systems: dict[str, dict[str, Any]], *, data: dict[str, Any], seed: int, options: dict[str, Any]) -> Report:
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures={"systems": systems},
        goals=goals(systems[OURS], systems[SHOWN]),
        tables=(systems_table(systems), edits_table(systems), thresholds_table(systems)),
        notes=(
            "A hit in another group of the query's scene counts neither way. IoU and F1: no pictures, no self-similar "
            "footage; F1 is 0 where rank 1 is wrong.",
        ),
    )


def goals(ours: dict[str, Any], shown: dict[str, Any]) -> tuple[Goal, ...]:
    """recall@1 and uAP as ranked, as these measures are known, and once more of what is shown by default."""
    worst = min(edit["recall_at_1"] for edit in ours["edits"].values())
    found = [
        Goal.at_least("recall@1 over all edits", ours["all"]["recall_at_1"], 0.97),
        Goal.at_least("recall@1 of what is shown by default", shown["all"]["recall_at_1"], 0.97),
        Goal.at_least("uAP over all edits", ours["all"]["uap"], 0.95),
        Goal.at_least("recall@1 of the worst edit", worst, 0.85),
        Goal.at_least("mean temporal IoU of right hits", ours["all"]["temporal_iou"] or 0.0, 0.8),
    ]
    for row in ours["thresholds"]:
        if row["threshold"] == "duplicate":
            found += [
                Goal.at_least("precision at `duplicate`", row["precision"] or 0.0, 0.99),
                Goal.at_least("recall at `duplicate`", row["recall"], 0.8),
                Goal.at_most("false hits a thousand at `duplicate`", row["false_hits_per_1000"] or 0.0, 2.0),
            ]
    return tuple(found)
