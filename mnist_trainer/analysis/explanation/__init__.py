"""Why the gradient is p − t: the lecture of task=explain, on one image, every number of it computed.

In comes a configuration; out go a terminal's page, a page to work on and to hand out, and a figure. In reading order:
`subject` trains a little, rounds the logits so that a student can type them, and chooses the image that shows most;
`numbers` computes all: Jacobians, their products, differences, a batch, the log of zero; `lecture` is the document,
Markdown: its sections are `derivation`, `posted` (the mistake, judged entry by entry), `batch` (of images) and
`answers` (to the question, point by point), in the forms of `writing`: numbers with signs and decimals, plain ones,
orders, factors, claims, code, names escaped for Markdown; `handout` renders it, in HTML or on a terminal, and draws.
Of the page, `explanation.html`: `carried` is what it has of data and network; `assembly` puts it together from the
files in `page/`, where `page.html` is what stands on it, and `main.js` how it goes.
"""
