//! What the benches share: the table that they print, and what the kernel says about a process.

#![allow(dead_code)] // each bench uses its part

pub mod process;
pub mod table;
