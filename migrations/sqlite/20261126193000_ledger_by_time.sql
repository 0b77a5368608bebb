-- The ledger in the order of time, as it is written and read: its key begins with the moment of acceptance, so the index of
-- that moment is not needed beside it, and a batch goes to the end of one tree instead of into two.

CREATE TABLE ledger_by_time (
    request_id        TEXT NOT NULL,
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
    reason            TEXT,
    network           TEXT,
    network_differs   TEXT,
    asn               INTEGER,
    address           TEXT,
    verdict           TEXT,
    rule              TEXT,
    policy            TEXT,
    PRIMARY KEY (accepted_at, request_id)
) WITHOUT ROWID;

INSERT INTO ledger_by_time (request_id, accepted_at, ended_at, account, api_key, route, vendor, model, endpoint, stream,
    outcome, class, status, attempts, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros,
    currency, losses, first_content_ms, reason, network, network_differs, asn, address, verdict, rule, policy)
SELECT request_id, accepted_at, ended_at, account, api_key, route, vendor, model, endpoint, stream,
    outcome, class, status, attempts, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros,
    currency, losses, first_content_ms, reason, network, network_differs, asn, address, verdict, rule, policy
FROM ledger ORDER BY accepted_at, request_id;

DROP TABLE ledger;
ALTER TABLE ledger_by_time RENAME TO ledger;
