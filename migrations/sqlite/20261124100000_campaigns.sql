-- Campaigns: whom a policy affects, and each notice from its intention to what became of it.
-- A notice is one step to one account in one round (a new date begins a new round); its primary key is what makes it
-- impossible to write to an account twice.

CREATE TABLE campaign (
    id         TEXT PRIMARY KEY,
    policy     TEXT NOT NULL,
    round      INTEGER NOT NULL,
    state      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);

CREATE TABLE recipient (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account  TEXT NOT NULL,
    email    TEXT NOT NULL,
    language TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (campaign, account)
);

CREATE TABLE notice (
    campaign   TEXT NOT NULL REFERENCES campaign (id),
    account    TEXT NOT NULL,
    round      INTEGER NOT NULL,
    step       TEXT NOT NULL,
    state      TEXT NOT NULL,
    runner     TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    attempts   INTEGER NOT NULL,
    retry_at   INTEGER,
    said       TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, account, round, step)
);

CREATE INDEX notice_state ON notice (state);
