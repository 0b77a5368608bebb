-- How many batches a run has written. A batch counts itself in its own transaction, so that a batch whose commit was reported as
-- failed, and which is in the database all the same, is not added a second time.
ALTER TABLE run ADD COLUMN batches INTEGER NOT NULL DEFAULT 0;
