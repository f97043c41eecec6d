"""Why the gradient is p − t: the lecture of task=explain, on one image, every number of it computed.

In comes a configuration; out go a terminal's page, a handout and a figure. In reading order: `subject` trains a little
and chooses the image, `numbers` computes all, `lecture` is the document, Markdown: its sections are `derivation`,
`posted` (the mistake), `batch` and `answers` (to the question), in the forms of `writing`; `handout` renders it, and
draws.
"""
