-- The signed report of a sealed move, written in the transaction of the event that seals it: whoever asks again gets the same one.

CREATE TABLE move_report (
    move TEXT PRIMARY KEY REFERENCES move (id),
    hash TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE TRIGGER move_report_keeps BEFORE DELETE ON move_report
BEGIN
    SELECT RAISE(ABORT, 'the report of a sealed move is kept');
END;

CREATE TRIGGER move_report_stays BEFORE UPDATE ON move_report
BEGIN
    SELECT RAISE(ABORT, 'the report of a sealed move never changes');
END;
