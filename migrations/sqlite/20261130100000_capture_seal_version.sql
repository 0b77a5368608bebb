-- How a capture's texts are sealed. 1: request, leg, number, target and column are bound to them. 2: every plain column is.
-- Rows that are there already stay in form 1: without their key they cannot be sealed again.

ALTER TABLE capture ADD COLUMN seal_version INTEGER NOT NULL DEFAULT 1;
