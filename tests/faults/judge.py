"""What must hold after a storm. Every rule yields sentences about what is wrong; none is the aim.

- Each good answer that a client saw whole has a row, or it ended shortly before its process was killed, or while nothing could
  be written until it was killed; then that process's run has a gap.
- Accepted requests and rows differ by what the gaps say was open. No row is there twice.
- A source that refused the region is not asked again, over all restarts.
- A source of a move is not asked after its date, as the gateway's own clock shows it; in the end every move is live.
- No right key is told 401 and no known route 404. Resident memory stays below the bound.
"""

import collections

# A batch of rows waits at most 0.2 s. What a killed process had not written is younger than this.
UNWRITTEN = 3.0
# The longest pause between two attempts to write, and then some.
AFTER_FAULT = 12.0
# Requests that were on their way to a source when it refused.
ON_ITS_WAY = 1.0
# How long a gateway may take to learn of a new move, while strace slows it down. A date that is over already holds from then on.
TAKEN_UP = 10.0
# A kill so soon after a refusal may come before the refusal was read.
READ_WITHIN = 0.5


class Faults:
    """Sentences by the rule that they are of: a broken rule is told with its first cases, however many there are."""

    def __init__(self):
        self.by_rule = collections.defaultdict(list)

    def add(self, rule, sentence):
        self.by_rule[rule].append(sentence)

    def lines(self, shown=3):
        for rule, sentences in self.by_rule.items():
            more = len(sentences) - shown
            yield from [f"{rule}: {sentence}" for sentence in sentences[:shown]]
            if more > 0:
                yield f"{rule}: and {more} more"


def read_answers(outs):
    answers, lost = [], 0
    for out in outs:
        for line in out.read_text().splitlines():
            parts = line.split(" ")
            if parts[0] == "lost":
                lost += int(parts[1])
            elif len(parts) == 6:
                answers.append((float(parts[0]), float(parts[1]), int(parts[2]), *parts[3:]))
    return answers, lost


def judge(storm, wanted, memory_mb):
    """What is wrong, and lines that tell what was seen."""
    gateway, faults = storm.gateway, Faults()
    answers, lost = read_answers(storm.outs)
    if gateway.rows("PRAGMA integrity_check") != [("ok",)]:
        faults.add("database", "the database is damaged")
    unwritten = rows_of(storm, answers, faults)
    books = books_of(gateway, faults)
    asked = storm.asked
    excused = cuts_of(storm, asked, faults)
    moves_of(storm, asked, faults)
    statuses = callers_of(answers, faults)
    if storm.most_resident > memory_mb:
        faults.add("memory", f"{storm.most_resident:.0f} MB resident; the bound is {memory_mb} MB")
    if len(answers) < wanted:
        faults.add("load", f"{len(answers)} answers, fewer than {wanted}: too few to tell")
    kills = sum(life["how"] == "kill" for life in storm.lives)
    codes = dict(collections.Counter(life["code"] for life in storm.lives if life["how"] == "term"))
    return list(faults.lines()), [
        f"{len(answers)} whole answers ({', '.join(f'{count} x {status}' for status, count in sorted(statuses.items()))}), {lost} connections broke off",
        f"{len(storm.lives)} lives, {kills} kills, ends by SIGTERM by exit code {codes}; {len(storm.disks)} faults of the disk, {len(storm.offsets) - 1} steps of the clock",
        f"{books}; {unwritten} good answers without a row, every one in a noted gap",
        f"{len(asked['refused'])} sources refused and were not asked again ({excused} met a kill within {READ_WITHIN} s); {len(storm.deadlines)} moves past their deadline",
        f"{storm.most_resident:.0f} MB resident at most (bound {memory_mb} MB)",
    ]


def rows_of(storm, answers, faults):
    gateway = storm.gateway
    ledger = gateway.ledger()
    gaps = {row[0]: row[1] for row in gateway.rows("SELECT run, writes_failed_at FROM gap")}
    missing = [answer for answer in answers if answer[2] == 200 and answer[3] not in ledger]
    for began, ended, _, request, route, kind in missing:
        life = next((one for one in storm.lives if one["from"] - 1 <= ended <= one["until"] + 1 and began <= one["until"]), None)
        if life is None or life["run"] not in gaps:
            faults.add("unaccounted", f"{request} ({kind} on {route}) was answered and is in no row and in no gap")
            continue
        since = unwritten_since(storm, life, gaps[life["run"]] is not None)
        if ended < since:
            faults.add("unaccounted", f"{request} was answered {life['until'] - ended:.1f} s before the end of its process by {life['how']}, when rows could be written, and has no row")
    for life in storm.lives:
        if life["how"] == "kill" and life["run"] not in gaps:
            faults.add("gaps", f"the kill of run {life['run']} is no gap")
        if life["how"] == "term" and life["code"] == 0 and life["run"] in gaps:
            faults.add("gaps", f"run {life['run']} ended with 0 and is a gap")
    return len(missing)


def unwritten_since(storm, life, had_failing_writes):
    """From when on this life may have left answers without a row. Only a gap that says that writes had failed explains more
    than the last batch."""
    since = life["until"] - UNWRITTEN
    for disk in storm.disks:
        if had_failing_writes and disk["from"] < life["until"] and disk["until"] > life["until"] - AFTER_FAULT and disk["from"] > life["from"] - 1:
            since = min(since, disk["from"] - UNWRITTEN)
    return since


def books_of(gateway, faults):
    accepted, rows, in_gaps = gateway.books()
    if accepted - rows != in_gaps:
        faults.add("books", f"{accepted} accepted, {rows} rows, and gaps that explain {in_gaps} of the {accepted - rows} that differ")
    (different,) = gateway.rows("SELECT COUNT(DISTINCT request_id) FROM ledger")[0]
    if different != rows:
        faults.add("books", f"{rows - different} rows are there twice")
    (gaps,) = gateway.rows("SELECT COUNT(*) FROM gap")[0]
    return f"{accepted} accepted = {rows} rows + {in_gaps} open in {gaps} gaps"


def cuts_of(storm, asked, faults):
    excused = 0
    for name, refused in asked["refused"].items():
        times = sorted(asked["asked"][name])
        while True:
            later = [at for at in times if at > refused + ON_ITS_WAY]
            if not later:
                break
            if any(life["how"] == "kill" and -0.05 <= life["until"] - refused <= READ_WITHIN for life in storm.lives):
                refused, excused = later[0], excused + 1
                continue
            faults.add("cuts", f"{name} refused and was asked {len(later)} times more, first {later[0] - refused:.1f} s later")
            break
    return excused


def moves_of(storm, asked, faults):
    listed = storm.gateway.command("move", "list")
    for number, (deadline, made) in storm.deadlines.items():
        line = next((line for line in listed.splitlines() if line.split()[:1] == [f"leave-{number}"]), "")
        if " live " not in line:
            faults.add("moves", f"leave-{number} is past its deadline and not live: {line.strip() or listed}")
        late = [at for at in asked["asked"].get(f"leaving-{number}", []) if at > made + TAKEN_UP and is_late(storm, at, deadline)]
        if late:
            faults.add("moves", f"leaving-{number} was asked {len(late)} times after its date, first {late[0] - deadline:.1f} s after it")


def is_late(storm, at, deadline):
    """Whether the gateway's clock was past the date, and had not just been moved."""
    offset = 0
    for since, seconds in storm.offsets:
        if abs(at - since) < 2.0:
            return False
        if since <= at:
            offset = seconds
    return at + offset > deadline + 2.0


def callers_of(answers, faults):
    statuses = collections.Counter()
    wrong = collections.Counter()
    for _, _, status, _, _, kind in answers:
        statuses[status] += 1
        expected = {401, 429, 503} if kind == "wrong-key" else {200, 503}
        if status not in expected:
            wrong[(kind, status)] += 1
    for (kind, status), count in wrong.items():
        faults.add("callers", f"{count} requests of kind {kind} got {status}")
    return statuses
