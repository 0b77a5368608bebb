//! After the date: what parity says of where everybody is now, the way there, the books, and whether all was as it must be.

use super::days::{Days, date};
use super::plot::did;
use super::{ENDS, MOVE, SOURCE_UNTIL, ZONE, say, sealing, stage::moment};
use crate::cli::{Printer, show_parity, table};
use crate::demo::books;
use crate::demo::client::End;
use crate::demo::mix::{Mix, WEEKS};
use anyhow::Context as _;
use banjia_border::country::Lang;
use banjia_cli::{rehearse, verify};
use banjia_control::moves::{self, Loaded, rehearsal};
use banjia_control::report::parity_html;
use banjia_movement::balance::Balance;
use banjia_movement::stage::{LiveBy, What};
use banjia_parity::Report;
use banjia_store::{Period, Store, write_private_file};
use banjia_types::calendar;
use banjia_types::{Stage as At, Tally};
use std::path::PathBuf;
use std::process::ExitCode;

/// What must be so, and is not.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// Tells the end; true when everything was as it must be. The gateway is closed, its database is `store`.
pub(super) async fn tell(days: &Days, store: &Store, printer: &mut Printer) -> anyhow::Result<bool> {
    let mut wrong = Wrong::default();
    closed(days, &mut wrong, printer).await?;
    let sealed = sealing::end(days, store, moment(ENDS)?).await?;
    let loaded = moves::load(store, MOVE).await?;
    let pages = parity(days, store, &loaded, &mut wrong, printer).await?;
    rehearsed(store, &loaded, &mut wrong, printer).await?;
    timeline(days, &loaded, &mut wrong, printer);
    balance(days, store, &mut wrong, printer).await?;
    printer.line("\nThe signed report (banjia verify):\n");
    verify::report(&sealed.verified, true, printer);
    say(
        &format!(
            "The same report with one request more in its books: {}",
            sealed.forged.as_deref().unwrap_or("it holds")
        ),
        printer,
    );
    wrong.must(sealed.forged.is_some(), || "a forged report was not noticed".to_owned());
    wrong.must(sealed.verified.key == sealed.key, || "the report is signed by another key".to_owned());
    let mut files = vec![days.stage.dir.join("plan.html")];
    files.extend(pages);
    files.extend(sealed.files);
    printer.line("\nTo read on:");
    for file in files {
        printer.line(&format!("  {}", file.display()));
    }
    printer.line(&format!("  banjia move show {MOVE} --store {}\n", store.path().display()));
    for line in &wrong.0 {
        printer.line(&format!("NOT AS IT MUST BE: {line}"));
    }
    let is_good = wrong.0.is_empty();
    printer.line(if is_good { "Everything was as it must be." } else { "The demo failed." });
    Ok(is_good)
}

/// The source, as whoever calls it now finds it, and what Banjia sent there since its date.
async fn closed(days: &Days, wrong: &mut Wrong, printer: &mut Printer) -> anyhow::Result<()> {
    let since = days.stage.arrived_at_source() - days.arrived_before.context("the source has closed")?;
    let mut request = Mix::new(0, &WEEKS).next();
    request.account = 0;
    let met = days.stage.direct()?.send(request).await.end;
    let End::Refused(said) = met else { anyhow::bail!("the closed source answered: {met:?}") };
    let source = &days.stage.source;
    printer.line(&format!(
        "\nWhoever calls {source} now, past Banjia, gets: {said}\nRequests that Banjia sent there since its date: {since}."
    ));
    wrong.must(since == 0, || format!("{since} requests were sent to {source} after its date"));
    wrong.must(said.contains("unsupported_country_region_territory"), || format!("{source} said {said}"));
    Ok(())
}

/// The rehearsal that was held while the source still answered.
async fn rehearsed(store: &Store, loaded: &Loaded, wrong: &mut Wrong, printer: &mut Printer) -> anyhow::Result<()> {
    let held = rehearsal::last(store, loaded).await?.context("there was no rehearsal")?;
    printer.line("\nThe rehearsal (banjia rehearse):\n");
    let times = rehearsal::times(store, &held).await?;
    let is_proven = rehearse::report(MOVE, (&held, &times), printer) == ExitCode::SUCCESS;
    wrong.must(is_proven, || "the rehearsal did not prove both ways".to_owned());
    Ok(())
}

/// Parity of every destination in use, and of those that were turned down, as pages.
async fn parity(
    days: &Days,
    store: &Store,
    loaded: &Loaded,
    wrong: &mut Wrong,
    printer: &mut Printer,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut write = |report: &Report, name: String| -> anyhow::Result<()> {
        let page = days.stage.dir.join(name);
        write_private_file(&page, parity_html(report, Lang::En))
            .with_context(|| format!("writing {}", page.display()))?;
        pages.push(page);
        Ok(())
    };
    let text = "\nParity of where everybody is now (banjia parity). The sandbox's vendors think with one mind, so what is measured \
                here is the wire, the forms and the pace:";
    say(text, printer);
    for moved in &loaded.of.spec().routes {
        let target = loaded.of.target_in_use(moved);
        let report = moves::parity(store, &days.stage.key, loaded, moved, target).await?;
        printer.line(&format!("\n{}", moved.route));
        show_parity(&report, printer);
        write(&report, format!("parity-{}.html", moved.route))?;
        for judged in report.axes.iter().filter(|axis| loaded.of.spec().gates.parity.contains_key(axis.axis.as_str())) {
            wrong.must(judged.verdict.passes(), || format!("{target} on {}: {}", judged.axis, judged.verdict));
        }
    }
    for seen in &days.rejected {
        let (route, vendor) = (&seen.moved.route, &seen.moved.destination.vendor);
        write(&seen.report, format!("parity-{route}-{vendor}-turned-down.html"))?;
    }
    wrong.must(days.replayed > 0, || "no recorded request was asked again".to_owned());
    wrong.must(!days.rejected.is_empty(), || "parity did not find the careless vendor".to_owned());
    Ok(pages)
}

fn timeline(days: &Days, loaded: &Loaded, wrong: &mut Wrong, printer: &mut Printer) {
    let called = days.pages.lock().map(|pages| pages.clone()).unwrap_or_default();
    let events: Vec<_> = (1_u64..).zip(&loaded.events).collect();
    let rows: Vec<_> = events
        .iter()
        .filter(|(_, event)| !matches!(event.what, What::Paged { .. }))
        .map(|(number, event)| {
            let at = calendar::local(event.at, ZONE).format("%a %d %b %H:%M").to_string();
            let told = if called.contains(number) { "yes" } else { "" };
            vec![at, did(&event.what), event.by.clone(), told.to_owned()]
        })
        .collect();
    printer.line("\nTimeline (banjia move show tells why, with every gate's numbers):\n");
    printer.line(&table(&["at", "what", "by", "people called"], &rows, printer.width()));
    let state = loaded.of.state();
    let has = |is: fn(&What) -> bool| events.iter().any(|(_, event)| is(&event.what));
    wrong.must(state.stage == At::Sealed, || format!("the move ends in {}", state.stage));
    wrong.must(state.live_by == Some(LiveBy::Gates), || format!("it is live by {:?}", state.live_by));
    wrong.must(has(|what| matches!(what, What::SteppedBack { .. })), || "no gate broke on the way".to_owned());
    wrong.must(has(|what| matches!(what, What::SourcePassed)), || "the source's date was not seen".to_owned());
    wrong.must(days.plot.is_played(), || "a vendor did not do what was arranged".to_owned());
    let owed: Vec<u64> =
        events.iter().filter(|(_, event)| event.urgency().is_some()).map(|(number, _)| *number).collect();
    wrong.must(called == owed, || format!("people were called for {called:?} and not for {owed:?}"));
}

/// The ledger's book by day, beside what the clients saw.
async fn balance(days: &Days, store: &Store, wrong: &mut Wrong, printer: &mut Printer) -> anyhow::Result<()> {
    let minutes = store.tally(Period::ALWAYS).await?;
    let mut by_day: Vec<(String, Vec<((), Tally)>)> = Vec::new();
    for (minute, tally) in &minutes {
        let name = date(*minute);
        match by_day.last_mut() {
            Some((day, tallies)) if *day == name => tallies.push(((), *tally)),
            _ => by_day.push((name, vec![((), *tally)])),
        }
    }
    let cells = |tally: Tally| {
        let ends = [tally.accepted, tally.answered, tally.refused, tally.failed, tally.abandoned];
        ends.map(|count| count.to_string())
    };
    let closes = date(moment(SOURCE_UNTIL)?);
    let rows: Vec<_> = by_day
        .iter()
        .map(|(day, tallies)| {
            let mark = if *day == closes { format!("<- {} closes", days.stage.source) } else { String::new() };
            [day.clone()].into_iter().chain(cells(books::sum(tallies))).chain([mark]).collect()
        })
        .collect();
    let header = ["day", "accepted>", "answered>", "refused>", "failed>", "abandoned>", ""];
    printer.line("\nBalance by day\n");
    printer.line(&table(&header, &rows, printer.width()));
    let tally = books::sum(&minutes);
    let exact = Balance::new(minutes, Vec::new()).sum().is_exact();
    let agree = books::agree(tally, days.sent, &days.observed);
    let errors = books::seen(&days.observed, books::is_error);
    printer.line(&format!(
        "\n  ledger   {} accepted = {} answered + {} refused + {} failed + {} abandoned: {}\n  \
         clients  {} sent; they saw {} answers, {errors} errors, and left {} by themselves: {}",
        tally.accepted,
        tally.answered,
        tally.refused,
        tally.failed,
        tally.abandoned,
        if exact { "exact in every minute" } else { "NOT exact" },
        days.sent,
        books::seen(&days.observed, |end| *end == End::Answered),
        books::seen(&days.observed, |end| *end == End::Left),
        if agree { "as in the ledger" } else { "NOT as in the ledger" },
    ));
    wrong.must(exact, || "the balance is not exact".to_owned());
    wrong.must(agree, || "the clients' book and the ledger differ".to_owned());
    for (error, count) in books::errors(&days.observed) {
        wrong.must(false, || format!("{count} clients saw: {error}"));
    }
    Ok(())
}
