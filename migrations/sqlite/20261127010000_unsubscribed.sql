-- Accounts that want no more notices, and campaigns whose notices the law or the contract demands all the same.

-- Why everybody is told, whatever they wish. NULL: who has unsubscribed is not told.
ALTER TABLE campaign ADD COLUMN mandatory TEXT;

CREATE TABLE unsubscribed (
    account TEXT PRIMARY KEY,
    said    TEXT NOT NULL,
    at      INTEGER NOT NULL
);
