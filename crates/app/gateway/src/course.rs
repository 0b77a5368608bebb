//! A move's course, joined to the targets of its route.
//!
//! Rules: a route without a course costs a request one look at a pointer; a source that may not be asked is left out when the
//! targets are chosen and looked at again before each sending, because a retry may come after the date; whoever serves the
//! source's model behind the source's border under another name or key is the source too. A course whose targets a reload
//! took away still keeps its source from being asked. The source's border is that of its entry in the configuration, whether or not a
//! route still names it: taking it out of a route makes no other key of the same vendor askable.

use crate::legs::Purse;
use crate::live::LiveRoute;
use crate::snapshot::{Problem, Route, Vendor, near};
use banjia_traffic::{Turn, Way};
use banjia_types::{Course, RequestId, RouteName, Stage, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Courses by route.
pub(crate) type Courses = BTreeMap<RouteName, Course>;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct LiveCourse {
    pub(crate) course: Course,
    /// What copies may still cost.
    pub(crate) purse: Arc<Purse>,
    /// What each of the route's targets is to the course.
    parts: Vec<Part>,
}

/// What a target is to a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Source,
    Destination,
    Second,
    None,
}

impl LiveCourse {
    /// Joins a course to its route. `vendors` has one vendor for each target; `source_border` is the source's, by its entry.
    pub(crate) fn join(
        course: Course,
        route: &Route,
        (vendors, source_border): (&[Arc<Vendor>], &VendorName),
        purse: Arc<Purse>,
    ) -> Self {
        let target = |goal: usize| &route.targets[goal].target;
        let is_source =
            |goal: usize| target(goal).model == course.source.model && vendors[goal].border == *source_border;
        let part = |goal: usize| match target(goal) {
            it if *it == course.source => Part::Source,
            it if *it == course.destination => Part::Destination,
            it if course.second.as_ref() == Some(it) => Part::Second,
            _ if is_source(goal) => Part::Source,
            _ => Part::None,
        };
        let parts = (0..vendors.len()).map(part).collect();
        Self { course, purse, parts }
    }

    /// What the course asks of a conversation, or of a request that belongs to none.
    pub(crate) fn way(&self, conversation: Option<u64>, id: RequestId, now: Timestamp) -> Way {
        Way::of(&self.course, conversation.unwrap_or_else(|| seed(id)), now)
    }

    /// What a target of the route is to the course.
    pub(crate) fn part(&self, goal: usize) -> Part {
        self.parts[goal]
    }

    /// The first of the route's targets with this part.
    pub(crate) fn goal(&self, part: Part) -> Option<usize> {
        self.parts.iter().position(|it| *it == part)
    }

    /// Whether a target may be asked at this moment.
    pub(crate) fn may_ask(&self, goal: usize, now: Timestamp) -> bool {
        self.part(goal) != Part::Source || self.course.may_ask_source(now)
    }
}

impl Part {
    /// The turn of a target with this part.
    pub(crate) const fn turn(self, way: &Way) -> Turn {
        match self {
            Self::Source => way.source,
            Self::Destination => way.destination,
            Self::Second => way.second,
            Self::None => Turn::Route,
        }
    }
}

/// What is drawn from for one request: its id's random bits and its time, folded.
pub(crate) const fn seed(id: RequestId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high.rotate_left(32) ^ low
}

/// The courses that these routes can take of those that are wanted, and what is wrong with the rest. A route keeps the course that it
/// has when the new one does not fit; where it has none it takes the new one all the same, so that its source is not asked after its
/// date. What is wrong with one move stops no other.
pub(crate) fn taken(
    wanted: Courses,
    present: &Courses,
    routes: &BTreeMap<RouteName, Arc<LiveRoute>>,
) -> (Courses, Vec<Problem>) {
    let (mut courses, mut problems) = (Courses::new(), Vec::new());
    for (name, course) in wanted {
        let found = check_one(&name, &course, routes);
        let old = if found.is_empty() { None } else { present.get(&name).cloned() };
        courses.insert(name, old.unwrap_or(course));
        problems.extend(found);
    }
    (courses, problems)
}

/// What is wrong with courses for these routes; nothing when they can be taken.
pub(crate) fn check(courses: &Courses, routes: &BTreeMap<RouteName, Arc<LiveRoute>>) -> Vec<Problem> {
    courses.iter().flat_map(|(name, course)| check_one(name, course, routes)).collect()
}

fn check_one(name: &RouteName, course: &Course, routes: &BTreeMap<RouteName, Arc<LiveRoute>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = format!("moves.{}.{name}", course.of);
    if course.route != *name {
        let message = format!("the course is of the route {:?}", course.route.as_str());
        problems.push(Problem::new(&place, message, "give each course under its own route"));
    }
    let Some(live) = routes.get(name.as_str()) else {
        let hint = near(name.as_str(), routes.keys().map(RouteName::as_str))
            .map_or_else(|| "add it under `routes`".to_owned(), |near| format!("did you mean {near}?"));
        problems.push(Problem::new(&place, "there is no such route", hint));
        return problems;
    };
    let targets = &live.route.targets;
    // At its end a move's source leaves the configuration, credential and all. It is then not asked, which is what is wanted.
    let needs_source = course.stage < Stage::Live;
    let named = [
        ("source", Some(&course.source).filter(|_| needs_source)),
        ("destination", Some(&course.destination)),
        ("second", course.second.as_ref()),
    ];
    for (part, target) in named.into_iter().filter_map(|(part, target)| Some((part, target?))) {
        if !targets.iter().any(|it| it.target == *target) {
            let message = format!("the {part} {target} is not among the route's targets");
            let hint = format!("add it to the targets of {name}, where its credential is known and a person sees it");
            problems.push(Problem::new(format!("{place}.{part}"), message, hint));
        }
    }
    if course.source == course.destination || course.second.as_ref().is_some_and(|it| *it == course.source) {
        let message = format!("{} is the source and a destination at once", course.source);
        problems.push(Problem::new(&place, message, "name another destination"));
    }
    problems
}
