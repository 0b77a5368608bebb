//! Orders of people: pause, resume, override, other dates, another destination.

use super::{Loaded, MoveError, load, order};
use banjia_movement::stage::{self, ActiveDestination, Order};
use banjia_store::Store;
use banjia_types::{RouteName, Share, Stage, calendar};

/// What a person orders of a move.
#[derive(Clone, Debug)]
pub enum MoveCommand<'a> {
    /// Pauses automatic advancement. Deadlines, a source block and failing gates still take effect.
    Pause,
    /// Resumes automatic advancement.
    Resume,
    /// Names the stage, in place of gates.
    Override {
        /// The stage that the move gets.
        to: Stage,
        /// In canary, the part of the conversations. `None` takes the first step of the text.
        share: Option<Share>,
    },
    /// Gives the move other dates, as people write them, in the zone of the move.
    Redate {
        /// By when it must be live.
        deadline: &'a str,
        /// From when on the source is not asked. `None` takes the deadline.
        source_until: Option<&'a str>,
    },
    /// Rolls a route to its other destination.
    Switch {
        /// The route that changes its destination.
        route: RouteName,
        /// The destination that answers from now on.
        to: ActiveDestination,
    },
}

/// Does what a person ordered. Returns the move as it is then.
///
/// # Errors
/// The database, no such move, a date that cannot be read, or an order that is refused.
pub async fn execute(store: &Store, id: &str, command: MoveCommand<'_>, by: Order<'_>) -> Result<Loaded, MoveError> {
    match command {
        MoveCommand::Pause => order(store, id, |mv| stage::pause(mv, by)).await?,
        MoveCommand::Resume => order(store, id, |mv| stage::resume(mv, by)).await?,
        MoveCommand::Override { to, share } => order(store, id, |mv| stage::override_to(mv, to, share, by)).await?,
        MoveCommand::Redate { deadline, source_until } => {
            let zone = load(store, id).await?.of.spec().zone;
            let moment =
                |text: &str| calendar::read(text).map(|local| calendar::moment(local, zone)).map_err(MoveError::Date);
            let deadline = moment(deadline)?;
            let until = source_until.map(moment).transpose()?.unwrap_or(deadline);
            order(store, id, |mv| stage::redate(mv, deadline, until, by)).await?
        }
        MoveCommand::Switch { route, to } => order(store, id, |mv| stage::switch(mv, &route, to, by)).await?,
    };
    load(store, id).await
}
