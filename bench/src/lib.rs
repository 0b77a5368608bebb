//! The cost of the gateway, as a ratio to the least that any LLM proxy must do, measured in the
//! same run.
//!
//! Parts: [`mock`] a vendor that answers at once, [`bare`] the floor, [`load`] closed-loop clients,
//! [`machine`] processor time and memory of a process, [`rig`] what is started and how, [`cases`]
//! the work, [`report`] the table.
//!
//! Why a ratio: microseconds depend on the machine and on what else it does. The floor and the
//! gateway take turns on the same core within one run, so what disturbs one disturbs the other.

pub mod bare;
pub mod cases;
pub mod load;
pub mod machine;
pub mod mock;
pub mod report;
pub mod rig;
