//! Background work.

mod queue;
mod reconcile;
