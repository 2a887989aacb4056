//! Everything together: real HTTP, a real PostgreSQL, real files. Folders mirror `src`.

mod audit;
mod crash;
mod db;
mod embedded;
mod jobs;
mod support;
mod web;
