//! Both sides joined in one process.

mod answers;
mod ending;
mod ends;
mod flow;
mod frames;
mod hostile;
mod streams;
