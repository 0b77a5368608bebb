-- The ledger of requests, the count of acceptances that it is balanced against, runs and their gaps, and cut vendors.
-- Times are milliseconds since 1970 in UTC; money is in millionths of its currency.

CREATE TABLE ledger (
    request_id        TEXT PRIMARY KEY,
    accepted_at       INTEGER NOT NULL,
    ended_at          INTEGER NOT NULL,
    account           TEXT,
    api_key           TEXT,
    route             TEXT,
    vendor            TEXT,
    model             TEXT,
    endpoint          TEXT NOT NULL,
    stream            INTEGER NOT NULL,
    outcome           TEXT NOT NULL,
    class             TEXT,
    status            INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    cached_tokens     INTEGER,
    reasoning_tokens  INTEGER,
    cost_micros       INTEGER,
    currency          TEXT,
    losses            TEXT,
    first_content_ms  INTEGER,
    reason            TEXT
) WITHOUT ROWID;

CREATE INDEX ledger_accepted_at ON ledger (accepted_at);

-- Acceptances are counted when they happen, rows when they end: two books, so that a missing end can be seen.
CREATE TABLE accepted (
    minute   INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL
);

-- One row per process that wrote here. Without closed_at it is alive or was killed.
CREATE TABLE run (
    id            TEXT PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    last_flush_at INTEGER NOT NULL,
    open_requests INTEGER NOT NULL,
    closed_at     INTEGER
);

CREATE TABLE gap (
    run           TEXT PRIMARY KEY REFERENCES run (id),
    started_at    INTEGER NOT NULL,
    last_flush_at INTEGER NOT NULL,
    open_requests INTEGER NOT NULL,
    found_at      INTEGER NOT NULL
);

CREATE TABLE cut (
    vendor    TEXT NOT NULL,
    cut_at    INTEGER NOT NULL,
    evidence  TEXT NOT NULL,
    lifted_at INTEGER,
    PRIMARY KEY (vendor, cut_at)
);

CREATE UNIQUE INDEX cut_standing ON cut (vendor) WHERE lifted_at IS NULL;
