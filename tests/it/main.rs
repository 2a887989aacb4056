//! Everything together: real HTTP, a real PostgreSQL, real files. Folders mirror `src`.

mod architecture;
mod audit;
mod backup;
mod cli;
mod db;
mod demo;
mod docs;
mod embedded;
mod jobs;
mod logs;
mod render;
mod storage;
mod support;
mod web;
