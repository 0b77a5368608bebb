//! `banjia region`: the registry of supported countries and territories.

use super::border::{Affected, affected};
use super::database::Database;
use super::{Printer, table};
use anyhow::bail;
use banjia_border::country::{Lang, countries, name};
use banjia_border::facts::Agreement;
use banjia_border::geo::{GeoTable, look_up, placeless};
use banjia_border::registry::{List, Served, diff, embedded, find};
use banjia_types::Place;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `banjia region`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The lists that are known, and where each was read; or the places of one.
    List {
        /// A list: show its places.
        id: Option<String>,
    },
    /// What changed between two lists, excepted parts included.
    Diff {
        /// The older list.
        from: String,
        /// The newer list.
        to: String,
    },
    /// The accounts whose recorded traffic a list does not serve, with the evidence.
    Affected {
        #[command(flatten)]
        what: Affected,
        #[command(flatten)]
        database: Database,
    },
    /// What is known of an address or a place, and which lists serve it.
    Lookup {
        /// An address such as 47.75.0.1, or a place such as HK or UA-43.
        what: String,
    },
}

pub(super) fn run(args: Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { id: None } => lists(printer),
        Command::List { id: Some(id) } => places(&*list(&id)?, printer),
        Command::Diff { from, to } => show_diff(&*list(&from)?, &*list(&to)?, printer),
        Command::Affected { what, database } => return affected(&database, &what, printer),
        Command::Lookup { what } => return lookup(&what, printer),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(id: &str) -> anyhow::Result<Arc<List>> {
    if let Some(list) = find(embedded(), id) {
        return Ok(list.clone());
    }
    let known: Vec<_> = embedded().iter().flat_map(|registry| &registry.lists).map(|list| list.id.as_str()).collect();
    bail!("there is no list {id:?}; known are: {}", known.join(", "))
}

fn lists(printer: &mut Printer) {
    let mut rows = Vec::new();
    for list in embedded().iter().flat_map(|registry| &registry.lists) {
        let whole = if list.is_complete { "whole" } else { "not whole" };
        let entries = list.places.len().to_string();
        let (as_of, source) = (list.as_of.to_string(), list.source.clone());
        rows.push(vec![list.id.clone(), as_of, entries, whole.to_owned(), list.confidence.clone(), source]);
    }
    let header = ["list", "as of", "places>", "is", "confidence", "source"];
    printer.line(&table(&header, &rows, printer.width()));
    for registry in embedded() {
        for said in &registry.reported {
            printer.line(&format!(
                "{}: {} places were reported on {} ({}): {}.",
                registry.provider, said.count, said.date, said.source, said.note
            ));
        }
    }
}

fn places(list: &List, printer: &mut Printer) {
    let rows: Vec<_> = countries()
        .filter(|row| list.serves(row.code.into()) == Served::Yes)
        .map(|row| {
            let except: Vec<_> =
                list.except.iter().filter(|part| part.country == row.code).map(|part| name(*part, Lang::En)).collect();
            let disputed = if list.disputed.contains(&row.code) { "disputed".to_owned() } else { String::new() };
            let note = if except.is_empty() { disputed } else { format!("except {}", except.join(", ")) };
            vec![row.code.to_string(), row.en.to_owned(), row.zh.to_owned(), note]
        })
        .collect();
    printer.line(&table(&["code", "name", "名称", "note"], &rows, printer.width()));
    printer.line(&format!("{} places. {}", rows.len(), list.note));
}

fn show_diff(from: &List, to: &List, printer: &mut Printer) {
    let diff = diff(from, to);
    let names = |places: &[Place]| {
        places.iter().map(|place| format!("{place} {}", name(*place, Lang::En))).collect::<Vec<_>>().join(", ")
    };
    printer.line(&format!("{} -> {}", from.id, to.id));
    printer.line(&format!("gain service ({}): {}", diff.added.len(), names(&diff.added)));
    printer.line(&format!("lose service ({}): {}", diff.removed.len(), names(&diff.removed)));
    if diff.is_steep() {
        printer.line("So many at once deserve a second look: is the newer list whole?");
    }
    for list in [from, to].iter().filter(|list| !list.is_complete) {
        printer.line(&format!("{} is not whole: what it does not show is not known.", list.id));
    }
}

fn lookup(what: &str, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let place = match (what.parse::<IpAddr>(), what.parse::<Place>()) {
        (Ok(address), _) => {
            let table = GeoTable::embedded();
            let Some(fact) = look_up(table, None, address) else {
                let why = placeless(address).map_or("the table does not know it", |why| why.as_str());
                printer.line(&format!("{address} has no country: {why}"));
                return Ok(ExitCode::FAILURE);
            };
            printer.line(&format!(
                "{address} is in {} {} says {} of {}; {}",
                fact.place,
                name(fact.place, Lang::En),
                fact.source,
                fact.as_of.date(),
                match fact.agreement {
                    Agreement::Alone => "no registry knows the block".to_owned(),
                    Agreement::Agree => "the block is registered there too".to_owned(),
                    Agreement::Differ(country) => format!("the block is registered in {country}, which is no location"),
                },
            ));
            printer.line("IP Geolocation by DB-IP, https://db-ip.com");
            fact.place
        }
        (_, Ok(place)) if banjia_border::country::is_known(place) => {
            printer.line(&format!("{place} {} {}", name(place, Lang::En), name(place, Lang::Zh)));
            place
        }
        (_, Ok(place)) => bail!("there is no country or territory {place}"),
        (_, Err(said)) => bail!("{what:?} is neither an address nor a place: {said}"),
    };
    let rows: Vec<_> = embedded()
        .iter()
        .flat_map(|registry| &registry.lists)
        .map(|list| vec![list.id.clone(), list.as_of.to_string(), list.serves(place).to_string()])
        .collect();
    printer.line(&table(&["list", "as of", "says"], &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}
