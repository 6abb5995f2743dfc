"""Studies: many runs, one question. Planning and collecting load no Keras; the work is done in processes of its own."""
