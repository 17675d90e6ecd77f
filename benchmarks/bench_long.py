"""Are edited excerpts of 5 to 10 seconds found inside a film of two hours, and at the right second?

    python -m benchmarks long --work DIR
    python -m benchmarks long --table FILE.json

`--work` keeps the film, its excerpts, and a library for each pair of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import asking, datasets, environment, film, frame_peers, libraries, report
from benchmarks.copies_tables import number, read_figures
from benchmarks.datasets import Video
from benchmarks.edited_queries import OTHERS, QuerySet, choose_others
from benchmarks.film import FilmClip
from benchmarks.report import BenchmarkError, Goal, Report, Table, say, spread
from benchmarks.score_copies import START_WITHIN_S, CopyAnswer
from vsearch.metrics import percentile

NAME = "long"
QUESTION = "are edited excerpts of 5 to 10 seconds found inside a film of two hours, at the right second?"
OURS = "vsearch"
SHOWN = f"{OURS}, hits shown by default"
LEAST_CLIPS = 400  # of a whole run

MEASURES = {
    "recall_at_1": "recall@1",
    "starts_within_1_s": "starts within 1 s",
    "start_error_median_s": "error of right starts, median, s",
    "start_error_p90_s": "90th percentile, s",
}


def main(argv: Sequence[str]) -> int:
    args = parsed(argv)
    if args.table is not None:
        print(markdown(read_figures(args.table)["figures"]["systems"]))
        return 0
    corpus = datasets.corpus_folder(args.corpus)
    dev, train = datasets.dev_videos(corpus), datasets.train_videos(corpus)
    peers = [name for name in args.peers.split(",") if name]
    frame_peers.check_peers(peers)
    outside = choose_others(train or dev, seed=args.seed, at_most=min(OTHERS, len(train or dev) // 4))
    groups = {video.group for video in outside}
    shown = [[video for video in part if video.group not in groups] for part in (dev, train)]
    clips = film.plan_film(*shown, seconds=args.seconds, seed=args.seed)
    if not args.quick and len(clips) < LEAST_CLIPS:
        raise BenchmarkError(f"the film would be made of {len(clips)} clips, not of {LEAST_CLIPS} or more")
    sources = {video.name: video for video in (*dev, *train)}
    with libraries.work_folder(args.work) as work:
        path = film.write_film(clips, work.absolute())
        asked = film.make_excerpts(clips, dev, outside, work, count=args.excerpts, seed=args.seed)
        whole = Video(path.name, path, clips[-1].at_s + clips[-1].length_s, *film.SIZE, "film", "film", "film")
        ours, models = ask_vsearch(whole, asked, sources, clips, work, args)
        systems = {**ours, **ask_peers(peers, whole, asked, sources, clips, work, args.workers)}
    data = {
        **datasets.described(corpus, (*dev, *train)),
        "film_seconds": whole.duration_s,
        "film_clips": len(clips),
        "film_width": film.SIZE[0],
        "film_height": film.SIZE[1],
    }
    told = {**report.told(args, "seconds", "excerpts", "quick"), **models}
    report.publish(summary(systems, data=data, seed=args.seed, options=told), report.output_path(NAME, args))
    return 0


def parsed(argv: Sequence[str]) -> Any:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--seconds", type=float, help="how long the film is, at least [7200; quick: 300]")
    parser.add_argument("--excerpts", type=int, help="queries [60; quick: 8]")
    parser.add_argument("--peers", default=",".join(frame_peers.PEERS), help="[%(default)s]; '' for none")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the film, the excerpts and libraries here")
    parser.add_argument("--workers", type=int, default=environment.available_cores(), help="processes [%(default)s]")
    parser.add_argument(
        "--table", type=Path, metavar="FILE.json", help="print a finished run as Markdown, nothing else"
    )
    args = parser.parse_args(argv)
    args.seconds = args.seconds or (300.0 if args.quick else 7200.0)
    args.excerpts = args.excerpts or (8 if args.quick else 60)
    return args


def ask_vsearch(
    whole: Video, asked: QuerySet, sources: Mapping[str, Video], clips: Sequence[FilmClip], work: Path, args: Any
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The figures of vsearch as it ranks, and of what it shows by default; and the models' identities."""
    with asking.indexed([whole], work, name=whole.path.stem, codec=args.codec, head=args.head) as library:
        answers, elapsed_s = asking.ask(library, asked, sources, {str(whole.path.absolute()): whole})
        models = libraries.models_of(library)
    default = asking.thresholds(args.head)[0]
    shown = [answer.above(default.passes) for answer in answers]
    return {
        OURS: {**scored(answers, clips), "seconds_a_query": spread(elapsed_s)},
        SHOWN: scored(shown, clips),
    }, models


def ask_peers(
    names: Sequence[str],
    whole: Video,
    asked: QuerySet,
    sources: Mapping[str, Video],
    clips: Sequence[FilmClip],
    work: Path,
    workers: int,
) -> dict[str, dict[str, Any]]:
    """The figures of each peer, by its title."""
    if not names:
        return {}
    described = frame_peers.describe_files(
        [whole.path, *(asked.path(query) for query in asked.queries)], names, work / "peers", workers=workers
    )
    found = {}
    for name in names:
        peer = frame_peers.PEERS[name]
        say(f"asking {peer.title}")
        of_film, *of_queries = (one[name] for one in described)
        answers = frame_peers.answer_all(peer, asked, sources, of_queries, [(whole, of_film)], k=1)
        found[peer.title] = scored(answers, clips)
    return found


def scored(answers: Sequence[CopyAnswer], clips: Sequence[FilmClip]) -> dict[str, Any]:
    """The first hit is right when its middle is in the clip that the excerpt was cut from."""
    errors = [start_error_s(answer, clips) for answer in answers]
    right = [abs(error) for error in errors if error is not None]
    return {
        "queries": len(answers),
        "recall_at_1": len(right) / len(answers),
        "starts_within_1_s": sum(error <= START_WITHIN_S for error in right) / len(answers),
        "start_error_median_s": percentile(right, 0.5) if right else None,
        "start_error_p90_s": percentile(right, 0.9) if right else None,
        "answers": [
            {"edit": answer.query.edit, "start_s": answer.query.start_s, "start_error_s": error}
            for answer, error in zip(answers, errors, strict=True)
        ],
    }


def start_error_s(answer: CopyAnswer, clips: Sequence[FilmClip]) -> float | None:
    """How much later than the excerpt the first hit starts; None when it is in another clip, or there is none."""
    if not answer.hits:
        return None
    hit, query = answer.hits[0], answer.query
    found = film.clip_at(clips, (hit.start_s + hit.end_s) / 2)
    if found is None or not found.shows((query.start_s + query.end_s) / 2):
        return None
    return hit.start_s - query.start_s


def summary(systems: dict[str, dict[str, Any]], *, data: dict[str, Any], seed: int, options: dict[str, Any]) -> Report:
    ours = systems[OURS]
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures={"systems": systems},
        goals=(
            Goal.at_least("recall@1", ours["recall_at_1"], 0.95),
            Goal.at_least("recall@1 of what is shown by default", systems[SHOWN]["recall_at_1"], 0.95),
            Goal.at_least("share of starts within 1 s", ours["starts_within_1_s"], 0.9),
        ),
        tables=(systems_table(systems, data), edits_table(ours)),
        notes=("A hit is right when its middle is in the clip that the excerpt was cut from.",),
    )


def systems_table(systems: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any]) -> Table:
    title = f"{systems[OURS]['queries']} excerpts of a film of {data['film_seconds']:.0f} s, {data['film_clips']} clips"
    rows = [(label, *(number(one[measure]) for one in systems.values())) for measure, label in MEASURES.items()]
    return Table(title, ("", *systems), tuple(rows))


def edits_table(ours: Mapping[str, Any]) -> Table:
    """What vsearch did not find, or not within a second."""
    rows = [
        (answer["edit"], f"{answer['start_s']:.1f}", number(answer["start_error_s"], 1))
        for answer in ours["answers"]
        if answer["start_error_s"] is None or abs(answer["start_error_s"]) > START_WITHIN_S
    ]
    return Table("not found (-), or not within a second", ("edit", "at, s", "off by, s"), tuple(rows))


def markdown(systems: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| | {' | '.join(systems)} |", "|---" + "|---:" * len(systems) + "|"]
    for measure, label in MEASURES.items():
        lines.append(f"| {label} | {' | '.join(number(one[measure], 2) for one in systems.values())} |")
    return "\n".join(lines)
