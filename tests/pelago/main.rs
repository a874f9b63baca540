//! The real binary, as a user runs it: the demo, the example by hand, wrong
//! input. Every process started here ends here, also when a test fails.

#![cfg(test)]

mod cli;
mod demo;
mod example;
mod process;
mod wrong_input;
