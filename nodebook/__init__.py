"""The machinery of this book: documents, experiments, evidence, figures and the press."""
