//! Measurements of the world and of whole runs; see `benches/`.
