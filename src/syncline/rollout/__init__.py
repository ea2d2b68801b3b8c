"""How versions change: what an agent does at a cut, and which step a coordinator takes next. Pure."""
