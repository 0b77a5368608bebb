-- Times in which the ledger could not be written and after which everything was written: a line is added in the transaction of the
-- first batch that succeeds. A run that ended before that has a gap, which says since when its writes had failed.
-- Times are milliseconds since 1970 in UTC.

CREATE TABLE write_fault (
    run      TEXT NOT NULL REFERENCES run (id),
    began_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (run, began_at)
);

-- NULL: the run's writes had not failed when it ended, as far as is known.
ALTER TABLE gap ADD COLUMN writes_failed_at INTEGER;
-- Accepted requests that were in memory only, as of the last note that the run could leave.
ALTER TABLE gap ADD COLUMN unwritten_requests INTEGER;
