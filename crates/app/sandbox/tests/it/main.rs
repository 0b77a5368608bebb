//! The sandbox over real connections: what each vendor answers, refuses and gets wrong on demand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod alibaba;
mod baidu;
mod box_under_test;
mod faults;
mod openai;
mod zhipu;
