-- Which targets failed a request, whether or not another one answered it afterwards: without this a destination whose failures
-- are hidden from callers would look well.

CREATE TABLE target_failure (
    accepted_at INTEGER NOT NULL,
    request_id  TEXT NOT NULL,
    place       INTEGER NOT NULL,
    route       TEXT,
    vendor      TEXT NOT NULL,
    model       TEXT NOT NULL,
    class       TEXT NOT NULL,
    PRIMARY KEY (accepted_at, request_id, place)
) WITHOUT ROWID;

-- What repeats, shadows and replays cost and how they end is asked by target and time.
CREATE INDEX capture_target ON capture (route, vendor, model, accepted_at);
