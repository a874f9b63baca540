//! Pelago's front door: the commands, the controller process, and the demo.
//!
//! The wings meet here and in `dataplane/node`; this crate decides nothing
//! about trust or traffic. Start with [`cli`] for what a person does and
//! [`controller`] for how a controller is put together.

pub mod admin;
pub mod cli;
pub mod commands;
pub mod config;
pub mod contexts;
pub mod controller;
pub mod demo;
pub mod failure;
pub mod output;
