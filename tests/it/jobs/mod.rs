//! Background work.

mod orphans;
mod purge;
mod queue;
mod reconcile;
