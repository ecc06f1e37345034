// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices over a kernel that is played.
