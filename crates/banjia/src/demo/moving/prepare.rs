//! Before the move: what is used, where it can go, and the move's text, made of the plan.

use super::stage::Stage;
use super::{SOURCE_UNTIL, ZONE, say, stage};
use crate::cli::{Printer, each_stored, survey_routes, table};
use anyhow::Context as _;
use banjia_control::plan::{self, PlanCommand};
use banjia_control::report::plan::{Lang, html};
use banjia_control::survey::{LossCounter, Surveyor};
use banjia_movement::plan::{Plan, Ranked, Rate, RoutePlan};
use banjia_movement::survey::Survey;
use banjia_store::{CaptureCursor, CaptureFilter, Period, write_private_file};
use banjia_types::calendar;
use banjia_types::{Money, RouteName, Target};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const TEXT: &str = include_str!("move.toml");
/// Captures read at once.
const PAGE: u32 = 500;

/// What is used, from the ledger and the captures, as `banjia survey` counts it.
pub(super) async fn survey(stage: &Stage, printer: &mut Printer) -> anyhow::Result<Survey> {
    let surveyor = std::cell::RefCell::new(Surveyor::default());
    let (store, key) = (&stage.running().store, stage.running().store.path());
    let (mut row, mut capture) = (
        |row: &banjia_store::Row| surveyor.borrow_mut().row(row),
        |capture: &banjia_store::Capture| surveyor.borrow_mut().capture(capture),
    );
    each_stored(store, key, Period::ALWAYS, &mut row, &mut capture).await?;
    let survey = surveyor.into_inner().done();
    printer
        .line("What is used (banjia survey, which tells parameters, tools, languages and what was seen too rarely):\n");
    printer.line(&survey_routes(&survey, printer.width()));
    Ok(survey)
}

/// Where it can go, as `banjia plan` ranks it: shown, and written as a page.
pub(super) async fn plan(stage: &Stage, survey: &Survey, printer: &mut Printer) -> anyhow::Result<Plan> {
    let targets: BTreeMap<RouteName, Vec<Target>> = stage
        .targets
        .iter()
        .map(|(route, targets)| (route.clone(), targets.iter().skip(1).cloned().collect()))
        .collect();
    let mut counter = LossCounter::new(&stage.profiles, &targets);
    let mut next = Some(CaptureCursor::default());
    while let Some(after) = next {
        let page = stage.running().store.captures(&CaptureFilter::default(), after, PAGE, &stage.key).await?;
        page.captures.iter().for_each(|capture| counter.capture(capture));
        next = page.next;
    }
    let plan = plan::make(PlanCommand {
        survey,
        losses: counter.done(),
        targets: &targets,
        profiles: &stage.profiles,
        limits: &[],
        served: &stage.served,
        rate: &Rate::default(),
        deadline: stage::moment(SOURCE_UNTIL)?,
        now: stage.clock.now(),
    });
    let page = stage.dir.join("plan.html");
    write_private_file(&page, html(&plan, ZONE, Lang::En)).with_context(|| format!("writing {}", page.display()))?;
    show(&plan, printer);
    Ok(plan)
}

fn show(plan: &Plan, printer: &mut Printer) {
    printer.line("\nWhere it can go (banjia plan; with losses, capacity and risks in plan.html):\n");
    let rows: Vec<_> = plan
        .routes
        .iter()
        .map(|route| {
            let name = |target: &Option<Target>| target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            vec![
                route.route.to_string(),
                name(&route.destination),
                name(&route.second),
                lost(chosen(route)),
                yuan(route.before.cny),
                yuan(chosen(route).and_then(|ranked| ranked.after.cny)),
            ]
        })
        .collect();
    let header = ["route", "destination", "second", "requests that lose something there", "cost seen>", "there>"];
    printer.line(&table(&header, &rows, printer.width()));
    let steps: Vec<_> = plan
        .timetable
        .steps
        .iter()
        .map(|step| format!("{} {}", step.stage, calendar::local(step.latest_start, ZONE).format("%d %b")))
        .collect();
    let said = format!(
        "\nLatest beginnings, back from the date: {}. There are {} days of slack.",
        steps.join(", "),
        plan.timetable.slack_hours / 24
    );
    say(&said, printer);
}

fn chosen(route: &RoutePlan) -> Option<&Ranked> {
    route.ranked.iter().find(|ranked| Some(&ranked.target) == route.destination.as_ref())
}

fn lost(ranked: Option<&Ranked>) -> String {
    let Some(ranked) = ranked else { return "?".to_owned() };
    let losses = &ranked.losses;
    let lossy: Vec<_> = losses.counts.iter().map(|count| format!("{} {}", count.param, count.requests)).collect();
    let of = losses.tested;
    if lossy.is_empty() { format!("none of {of}") } else { format!("{} (of {of})", lossy.join(", ")) }
}

fn yuan(money: Option<Money>) -> String {
    money.map_or_else(|| "?".to_owned(), |money| format!("{:.3} {}", money.micros as f64 / 1e6, money.currency))
}

/// The text of the move: the routes go where the plan says.
pub(super) fn text(stage: &Stage, plan: &Plan) -> anyhow::Result<String> {
    let mut routes = String::new();
    for route in &plan.routes {
        let said = || format!("the plan found no two places for {}", route.route);
        let (destination, second) =
            (route.destination.as_ref().with_context(said)?, route.second.as_ref().with_context(said)?);
        let source = route.source.as_ref().with_context(|| format!("{} was never answered", route.route))?;
        write!(
            routes,
            "\n[[routes]]\nroute = \"{}\"\nsource = \"{source}\"\ndestination = \"{destination}\"\nsecond = \"{second}\"\n",
            route.route
        )
        .context("writing to a text")?;
    }
    Ok(TEXT.replace("@source@", &stage.source).replace("@routes@", &routes))
}

#[cfg(test)]
mod tests {
    use super::super::{BEGINS, ENDS, LETTER, MOVE, STEP};
    use super::*;
    use banjia_movement::spec::MoveSpec;

    #[test]
    fn the_move_is_the_one_that_the_story_tells() {
        let routes = "[[routes]]\nroute = \"r\"\nsource = \"a/m\"\ndestination = \"b/m\"\nsecond = \"c/m\"\n";
        let spec = MoveSpec::parse(&TEXT.replace("@source@", "a").replace("@routes@", routes)).unwrap();
        assert_eq!((spec.id.as_str(), spec.zone), (MOVE, ZONE));
        let [begins, letter, until, ends] =
            [BEGINS, LETTER, SOURCE_UNTIL, ENDS].map(|text| stage::moment(text).unwrap());
        assert_eq!(spec.source_until, until);
        assert!(begins < letter && letter < spec.deadline && spec.deadline < until && until < ends);
        for at in [letter, ends] {
            assert_eq!(at.since(begins).as_millis() % STEP.as_millis(), 0, "the story stops between two steps");
        }
    }
}
