//! Everything together: real HTTP, a real PostgreSQL, real files. Folders mirror `src`.

mod crash;
mod embedded;
mod support;
mod web;
