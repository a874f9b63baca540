//! tests-mesh
