"""Real flights, from source to model input: what `syncline demo` shows, with the parts that users have."""
