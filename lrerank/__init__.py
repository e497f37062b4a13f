"""An interactive experimentation workbench for learned reranking."""
