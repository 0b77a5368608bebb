-- What many requests have in common is written once: who asks by which route, which target answered and how it ended. An entry of
-- the ledger names its kind and holds only what is its own, so that it is less than half as long. Whoever reads the ledger sees
-- one table as before.

CREATE TABLE ledger_kind (
    id              INTEGER PRIMARY KEY,
    account         TEXT,
    api_key         TEXT,
    route           TEXT,
    vendor          TEXT,
    model           TEXT,
    endpoint        TEXT NOT NULL,
    stream          INTEGER NOT NULL,
    outcome         TEXT NOT NULL,
    class           TEXT,
    status          INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    currency        TEXT,
    reason          TEXT,
    network         TEXT,
    network_differs TEXT,
    verdict         TEXT,
    rule            TEXT,
    policy          TEXT
);

CREATE TABLE ledger_entry (
    accepted_at       INTEGER NOT NULL,
    request_id        TEXT NOT NULL,
    ended_at          INTEGER NOT NULL,
    kind              INTEGER NOT NULL REFERENCES ledger_kind (id),
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    cached_tokens     INTEGER,
    reasoning_tokens  INTEGER,
    cost_micros       INTEGER,
    losses            TEXT,
    first_content_ms  INTEGER,
    asn               INTEGER,
    address           TEXT,
    PRIMARY KEY (accepted_at, request_id)
) WITHOUT ROWID;

INSERT INTO ledger_kind (account, api_key, route, vendor, model, endpoint, stream, outcome, class, status, attempts, currency,
    reason, network, network_differs, verdict, rule, policy)
SELECT DISTINCT account, api_key, route, vendor, model, endpoint, stream, outcome, class, status, attempts, currency,
    reason, network, network_differs, verdict, rule, policy
FROM ledger;

-- `IS`, because a value that is not there equals another one that is not there.
INSERT INTO ledger_entry (accepted_at, request_id, ended_at, kind, prompt_tokens, completion_tokens, cached_tokens,
    reasoning_tokens, cost_micros, losses, first_content_ms, asn, address)
SELECT accepted_at, request_id, ended_at, ledger_kind.id, prompt_tokens, completion_tokens, cached_tokens,
    reasoning_tokens, cost_micros, losses, first_content_ms, asn, address
FROM ledger JOIN ledger_kind ON ledger_kind.account IS ledger.account AND ledger_kind.api_key IS ledger.api_key
    AND ledger_kind.route IS ledger.route AND ledger_kind.vendor IS ledger.vendor AND ledger_kind.model IS ledger.model
    AND ledger_kind.endpoint = ledger.endpoint AND ledger_kind.stream = ledger.stream
    AND ledger_kind.outcome = ledger.outcome AND ledger_kind.class IS ledger.class AND ledger_kind.status = ledger.status
    AND ledger_kind.attempts = ledger.attempts AND ledger_kind.currency IS ledger.currency
    AND ledger_kind.reason IS ledger.reason
    AND ledger_kind.network IS ledger.network AND ledger_kind.network_differs IS ledger.network_differs
    AND ledger_kind.verdict IS ledger.verdict AND ledger_kind.rule IS ledger.rule AND ledger_kind.policy IS ledger.policy
ORDER BY accepted_at, request_id;

DROP TABLE ledger;

-- CROSS JOIN: in SQLite it fixes the order, entries first, so that a period is read by the key's order and never by kinds.
CREATE VIEW ledger AS
SELECT e.request_id, e.accepted_at, e.ended_at, k.account, k.api_key, k.route, k.vendor, k.model, k.endpoint, k.stream, k.outcome,
    k.class, k.status, k.attempts, e.prompt_tokens, e.completion_tokens, e.cached_tokens, e.reasoning_tokens, e.cost_micros,
    k.currency, e.losses, e.first_content_ms, k.reason, k.network, k.network_differs, e.asn, e.address, k.verdict, k.rule, k.policy
FROM ledger_entry AS e CROSS JOIN ledger_kind AS k ON k.id = e.kind;
