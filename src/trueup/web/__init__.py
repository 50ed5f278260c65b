"""The review console: pages for the people who work the queue. Needs the extra `trueup[web]`."""
