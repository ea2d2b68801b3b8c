"""The fold over a partition: `apply(state, records) -> state`. Pure; promises.md says why it is deterministic."""
