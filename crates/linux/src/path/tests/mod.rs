// SPDX-License-Identifier: MIT OR Apache-2.0
//! The senders against a kernel that is played, and the rule tables row by row.

mod families;
mod features;
mod hostile;
mod mailbox;
mod nvme;
mod rules_family;
mod rules_fwctl;
mod rules_memdev;
mod rules_nvme;
mod scripted;

use fwgate_gate::{Belief, SubmitError};
use zeroize::Zeroizing;

use super::{Answer, Cause, Refusal, Sent};

#[test]
fn only_a_rule_before_the_send_is_a_refusal_by_the_kernel() {
    for cause in [Cause::Rule, Cause::Gone, Cause::Transport, Cause::Answer, Cause::Here] {
        for sent in [Sent::No, Sent::MayHave] {
            let refusal = Refusal { errno: 22, rule: "r".to_owned(), sent, cause };
            let expected = if (cause, sent) == (Cause::Rule, Sent::No) {
                SubmitError::Kernel { errno: 22, rule: "r".to_owned() }
            } else {
                let may_have_run = sent == Sent::MayHave;
                SubmitError::Transport { what: "r".to_owned(), may_have_run }
            };
            assert_eq!(SubmitError::from(refusal), expected);
        }
    }
}

#[test]
fn an_unverified_answer_is_unverified_to_the_gate() {
    let mut answer = Answer::cxl(0, Zeroizing::new(vec![1, 2]));
    assert_eq!(answer.clone().into_reply().belief, Belief::Told);
    answer.unverified = true;
    let reply = answer.into_reply();
    assert_eq!((reply.belief, reply.payload.as_slice()), (Belief::Unverified, &[1, 2][..]));
    assert!(Answer::cxl(1, Zeroizing::new(Vec::new())).background);
}

#[test]
fn debug_shows_the_length_of_a_payload_only() {
    let answer = Answer::cxl(0, Zeroizing::new(b"secret".to_vec()));
    assert!(format!("{answer:?}").contains("6 bytes"));
    assert!(!format!("{answer:?}").contains("secret") && !format!("{answer:?}").contains("115"));
}
