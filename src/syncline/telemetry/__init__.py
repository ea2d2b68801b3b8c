"""What Syncline says of itself: logs and reports. One event is announced once, here is what it becomes."""
