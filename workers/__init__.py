"""What follows from facts: background jobs on Redis.  Losing Redis loses no event: what a job does can be found out anew."""
