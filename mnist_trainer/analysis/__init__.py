"""What is said of losses and runs: a package a question, and what all of them use.

In come a checked configuration, built trainers, or a loss alone; out go frozen records, sentences and tables. `modes`
is a loss mode as one function of the logits; `reference`, the mathematics that all is held against, softmax and
cross-entropy in NumPy's plain words; `pictures`, a try to draw one. Then: `gradcheck/` (is a gradient right?),
`explanation/` (why is it p − t?), `studies/` (where do the losses part, what do they cost?), `comparison/` (what does
it come to in training?), `profile/` (where does a step's time go?).
"""
