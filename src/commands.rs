//! The verbs, one room per noun; each talks to a controller's admin API or
//! runs a process. None of them decides.

pub mod node;
pub mod peer;
pub mod reach;
pub mod run;
pub mod status;
pub mod svid;
pub mod trust;
