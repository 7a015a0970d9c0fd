//! Criterion benches of the harness: `cargo bench -p workway-benches`. The library is empty.
