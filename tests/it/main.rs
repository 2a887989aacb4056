//! Everything together: real HTTP, a real PostgreSQL, real files. Folders mirror `src`.

mod crash;
mod db;
mod embedded;
mod jobs;
mod storage;
mod support;
mod web;
