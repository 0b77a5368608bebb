-- The border: what the ledger knows of a caller's place, policies by version, exemptions and appeals, and the audit.
-- Times are milliseconds since 1970 in UTC; hashes are SHA-256 in hexadecimal digits.

ALTER TABLE ledger ADD COLUMN network TEXT;
ALTER TABLE ledger ADD COLUMN network_differs TEXT;
ALTER TABLE ledger ADD COLUMN asn INTEGER;
ALTER TABLE ledger ADD COLUMN address TEXT;
ALTER TABLE ledger ADD COLUMN verdict TEXT;
ALTER TABLE ledger ADD COLUMN rule TEXT;
ALTER TABLE ledger ADD COLUMN policy TEXT;

CREATE TABLE policy (
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    rule_set   TEXT NOT NULL,
    text       TEXT NOT NULL,
    state      TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (id, version)
);

-- Of the versions of one policy at most one is in force.
CREATE UNIQUE INDEX policy_in_force ON policy (id) WHERE state IN ('active', 'paused');

CREATE TABLE exemption (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    owner      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    from_at    INTEGER NOT NULL,
    until_at   INTEGER NOT NULL,
    granted_at INTEGER NOT NULL,
    ended_at   INTEGER
);

CREATE TABLE appeal (
    id          INTEGER PRIMARY KEY,
    account     TEXT NOT NULL,
    said        TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    answer      TEXT,
    granted     INTEGER,
    answered_at INTEGER
);

-- Gateways look at this number to learn that something above has changed.
CREATE TABLE border_change (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO border_change (id, number) VALUES (1, 0);

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    rule_set  TEXT NOT NULL,
    body      TEXT,
    body_hash TEXT NOT NULL,
    hash      TEXT NOT NULL
);

CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- Nobody who goes through the database's own statements changes the past by mistake; who does it on purpose is found by the chain.
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
WHEN NEW.body IS NOT NULL
    OR (OLD.seq, OLD.at, OLD.actor, OLD.kind, OLD.subject, OLD.rule_set, OLD.body_hash, OLD.hash)
    IS NOT (NEW.seq, NEW.at, NEW.actor, NEW.kind, NEW.subject, NEW.rule_set, NEW.body_hash, NEW.hash)
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
