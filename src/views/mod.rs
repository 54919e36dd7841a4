//! Templates and the structs that fill them.
