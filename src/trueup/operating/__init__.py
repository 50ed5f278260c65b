"""What runs unattended: the schedule, notifications, metrics, the report, logs."""

import logging

# who runs this decides where events go; without anybody deciding, nowhere
logging.getLogger("trueup").addHandler(logging.NullHandler())
