"""What runs unattended: the schedule, notifications, metrics, the report, logs."""
