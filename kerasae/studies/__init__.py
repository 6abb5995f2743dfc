"""Studies: many runs, one question.

``plan`` says what to do; ``engines`` have it done in processes of their own, by ``run`` and ``jobs``; ``results`` makes
the record, with ``conclusions``; ``report`` is what a page shows. All but ``jobs`` load no Keras.
"""
