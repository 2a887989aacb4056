mod crash;
mod embedded;
