"""Finding: frame neighbours, alignment in time, ranking, clusters. Imports neither FAISS nor scikit-learn by itself."""
