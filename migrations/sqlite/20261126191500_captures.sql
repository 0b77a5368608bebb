-- Captures: recorded exchanges, one row for each leg of a request. Request and answer are sealed (XChaCha20-Poly1305), each
-- with a nonce of its own in front; what is asked for by queries stands in clear. The sealed columns are the last, so that
-- counting never reads them.
-- Times are milliseconds since 1970 in UTC; money is in millionths of its currency.

CREATE TABLE capture (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT NOT NULL,
    leg               TEXT NOT NULL,
    number            INTEGER NOT NULL,
    accepted_at       INTEGER NOT NULL,
    account           TEXT,
    route             TEXT NOT NULL,
    vendor            TEXT NOT NULL,
    model             TEXT NOT NULL,
    endpoint          TEXT NOT NULL,
    stream            INTEGER NOT NULL,
    client            TEXT,
    outcome           TEXT NOT NULL,
    class             TEXT,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    cached_tokens     INTEGER,
    reasoning_tokens  INTEGER,
    cost_micros       INTEGER,
    currency          TEXT,
    first_content_ms  INTEGER,
    total_ms          INTEGER NOT NULL,
    redactions        INTEGER NOT NULL,
    request_bytes     INTEGER NOT NULL,
    answer_bytes      INTEGER NOT NULL,
    request           BLOB NOT NULL,
    answer            BLOB,
    -- A leg is recorded once, however often it is written. Replays of one request at two targets are two legs.
    UNIQUE (id, leg, number, vendor, model)
);

CREATE INDEX capture_accepted_at ON capture (accepted_at);
CREATE INDEX capture_route ON capture (route, leg, seq);

-- A known text, sealed with the key of this database: another key does not open it.
CREATE TABLE seal_check (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
);
