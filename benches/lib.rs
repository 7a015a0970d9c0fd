//! Criterion benches of the harness and of the service: `cargo bench -p workway-benches`. The library is empty.
