"""Programs that answer one question each, with figures measured by the run: `python -m benchmarks NAME`.

Datasets (`datasets`, `excerpts`, `generated`), scorers (`score_*`) and runners (`bench_*`) are apart; `environment`
says where a figure was taken, `report` prints it and writes it to `benchmarks/results/`.
"""
