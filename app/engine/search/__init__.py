"""Which token comes next: greedy, beam, sampling and branching search over scores."""
