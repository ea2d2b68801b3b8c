"""The coordinator: folds catalog and reports, decides which step comes next, appends it, and writes markers."""
