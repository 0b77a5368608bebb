//! The sandbox over real connections: what each vendor answers, refuses and gets wrong on demand.

mod alibaba;
mod baidu;
mod box_under_test;
mod faults;
mod openai;
mod zhipu;
