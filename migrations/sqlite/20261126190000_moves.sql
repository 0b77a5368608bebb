-- Moves: the text a person wrote, the log of what happened, and who may act on it at present.
-- Times are milliseconds since 1970 in UTC.

CREATE TABLE move (
    id         TEXT PRIMARY KEY,
    text       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE move_event (
    move  TEXT NOT NULL REFERENCES move (id),
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    actor TEXT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (move, seq)
) WITHOUT ROWID;

-- Gateways look at this number to learn that something above has changed.
CREATE TABLE move_change (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO move_change (id, number) VALUES (1, 0);

-- The past of a move is not rewritten by mistake; who does it on purpose is found by the audit's chain.
CREATE TRIGGER move_event_keeps BEFORE DELETE ON move_event
BEGIN
    SELECT RAISE(ABORT, 'the events of a move are append-only');
END;

CREATE TRIGGER move_event_stays BEFORE UPDATE ON move_event
BEGIN
    SELECT RAISE(ABORT, 'the events of a move are append-only');
END;

-- Work that one process at a time may do, until its time is over.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
);
