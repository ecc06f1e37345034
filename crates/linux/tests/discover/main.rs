// SPDX-License-Identifier: MIT OR Apache-2.0
//! Discovery and doctor, on folders that the tests make and on copies of what real kernels show.

mod around;
mod doctor;
mod generation;
mod here;
mod hostile;
mod joining;
mod names;
mod network;
mod real;
mod taint;
mod tree;
