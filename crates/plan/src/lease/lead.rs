//! Whether a replica may change AWS, and until when.

use std::time::Duration;

use super::{Moment, Terms};

/// How far a replica leads. The holder of a lease is the last to learn that it lost it, so it does not wait to be told: what it may do
/// ends [`Terms::renew_deadline`] after its last renewal began, before anybody else may take the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lead {
    /// No election: there is one replica only.
    Alone,
    /// Not led yet.
    Standby,
    /// Leads until then, unless it is renewed.
    Until(Moment),
    /// Leads no more, since then, and never will.
    Over(Moment),
}

impl Lead {
    /// How long this replica may go on if nothing is renewed.
    #[must_use]
    pub const fn left(self, now: Moment) -> Duration {
        match self {
            Self::Alone => Duration::MAX,
            Self::Until(end) => end.since(now),
            Self::Standby | Self::Over(_) => Duration::ZERO,
        }
    }

    /// Whether a change of AWS may begin.
    #[must_use]
    pub fn may_begin(self, now: Moment, terms: &Terms) -> bool {
        let left = self.left(now);
        !left.is_zero() && left >= terms.margin
    }

    /// Whether one that began may go on.
    #[must_use]
    pub const fn may_go_on(self, now: Moment) -> bool {
        !self.left(now).is_zero()
    }

    /// For how long a replica that once led has led no more. Its process should have ended.
    #[must_use]
    pub const fn overdue(self, now: Moment) -> Duration {
        match self {
            Self::Until(end) | Self::Over(end) => now.since(end),
            Self::Alone | Self::Standby => Duration::ZERO,
        }
    }

    /// After a write that took or renewed the lease, and began then. What has ended stays so, although its end may not have been noticed.
    pub(super) fn renewed(self, began: Moment, now: Moment, terms: &Terms) -> Self {
        let next = Self::Until(began.after(terms.renew_deadline));
        match self {
            Self::Standby => next,
            Self::Until(_) if self.may_go_on(now) => next,
            Self::Alone | Self::Until(_) | Self::Over(_) => self,
        }
    }

    /// After the lease was lost or is given up.
    pub(super) fn ended(self, now: Moment) -> Self {
        match self {
            Self::Over(_) => self,
            _ => Self::Over(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms::OPERATOR;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    #[test]
    fn nothing_begins_with_less_than_the_margin_left_and_nothing_goes_on_with_nothing_left() {
        let lead = Lead::Standby.renewed(at(100), at(101), &TERMS);
        assert_eq!(lead, Lead::Until(at(110)));
        let table = [
            (101, true, true),
            (107, true, true),
            (108, false, true),
            (110, false, false),
        ];
        for (now, begins, goes_on) in table {
            assert_eq!(lead.may_begin(at(now), &TERMS), begins, "{now}");
            assert_eq!(lead.may_go_on(at(now)), goes_on, "{now}");
        }
        assert!(!Lead::Standby.may_begin(at(0), &TERMS));
        assert!(Lead::Alone.may_begin(at(u64::MAX), &TERMS));
        let none = Terms {
            margin: Duration::ZERO,
            ..TERMS
        };
        assert!(!lead.may_begin(at(110), &none));
    }

    #[test]
    fn what_ran_out_or_ended_is_not_renewed() {
        let lead = Lead::Standby.renewed(at(100), at(100), &TERMS);
        assert_eq!(lead.renewed(at(109), at(109), &TERMS), Lead::Until(at(119)));
        // The answer came too late, although the write began in time.
        assert_eq!(lead.renewed(at(109), at(110), &TERMS), lead);
        assert_eq!(lead.overdue(at(113)), Duration::from_secs(3));
        let over = lead.ended(at(105));
        assert_eq!(over, Lead::Over(at(105)));
        assert_eq!(over.renewed(at(106), at(106), &TERMS), over);
        assert_eq!(over.ended(at(120)), over);
    }
}
