//! AWS Signature Version 4, written from its documentation and checked against AWS's published vectors.
//!
//! The clients under test sign with other libraries; sharing one with them would hide its mistakes.

pub mod canonical;
pub mod verify;
