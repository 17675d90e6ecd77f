"""Finding: frame neighbours, alignment in time, ranking, clusters. Imports FAISS, SciPy and scikit-learn late."""
