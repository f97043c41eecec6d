"""Studies of the losses alone: at extreme logits, and against the clock."""
