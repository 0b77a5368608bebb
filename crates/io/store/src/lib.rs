//! What outlives the process: the ledger of requests, the vendors that are cut, policies,
//! exemptions and the audit.
//!
//! Rules: SQL is written here and nowhere else, each text once for both databases where that can be
//! (`$1` placeholders). No request waits for a write: ledger rows go through a bounded queue whose
//! places are taken before a request is accepted. Nothing is decided here. SQLite is the only
//! database for now.

mod accounts;
mod audit;
mod batch;
mod campaigns;
mod captures;
mod cuts;
mod database_file;
mod encryption;
mod error;
mod health;
mod key_file;
mod ledger;
mod moves;
mod policies;
mod pool;
mod private_file;
mod query;
mod rows;
mod state_file;
mod sums;
mod traffic;
mod unreadable;
mod watch;
mod webhooks;
mod write;

pub use accounts::{Appeal, Unsubscribed};
pub use audit::{AuditReader, AuditRow, AuditWriter, NewAudit};
pub use batch::{LedgerWriter, Slot, WriterConfig};
pub use campaigns::{Campaign, Intent, Notice, NoticeRef, Recipient, RunnerLock};
pub use captures::{Capture, CaptureCursor, CaptureFilter, CaptureMark, CapturePage, CaptureSum};
pub use cuts::Cut;
pub use encryption::EncryptionKey;
pub use error::StoreError;
pub use health::{StoreFault, StoreHealth};
pub use key_file::ReportKey;
pub use ledger::{BorderNote, Row};
pub use moves::end::{Seal, SourceCaller};
pub use moves::rehearsal::ReasonCount;
pub use moves::{MoveCreation, MoveEventRow, MoveRow, NewMove};
pub use policies::{Actor, Changed, PolicyRow, PolicyState};
pub use pool::{Location, Store};
pub use private_file::{create_private_folder, write_private_file};
pub use query::{Gap, Latency, LossCount, Period, Spread, TargetSum};
pub use traffic::TrafficRow;
pub use unreadable::unreadable_rows;
pub use watch::TargetStats;
pub use webhooks::event::{EVENTS, new_event_id};
pub use webhooks::{Delivery, DeliveryState, Listener};
