-- Webhooks: who listens, what happened, and who has heard of it.
-- An event is written in the transaction of the change that it speaks of, and only where somebody listens.

CREATE TABLE webhook (
    name     TEXT PRIMARY KEY,
    since_at INTEGER NOT NULL,
    -- Events up to this number were given out.
    reached  INTEGER NOT NULL,
    -- The receiver said that it wants no more.
    gone_at  INTEGER
);

CREATE TABLE webhook_event (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    id   TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at   INTEGER NOT NULL,
    data TEXT NOT NULL
);

CREATE TABLE webhook_delivery (
    webhook    TEXT NOT NULL REFERENCES webhook (name),
    event      INTEGER NOT NULL REFERENCES webhook_event (seq) ON DELETE CASCADE,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    said       TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (webhook, event)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (state, webhook, next_at);
