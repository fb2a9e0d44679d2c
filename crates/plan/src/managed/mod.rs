//! What the planners of all kinds with something of their own in AWS decide alike.

pub(crate) mod delete;
pub(crate) mod failed;

use crate::desk::Desk;
use crate::fields::Shared;
use crate::step::Decision;

/// A pass over an object, as far as that goes.
pub(crate) trait Managed: Sized {
    type Status: Shared;
    type Read;
    type Action;
    /// What the thing in AWS is called.
    const WHAT: &'static str;
    /// Operation that changes it.
    const UPDATE: &'static str;
    /// Operation that deletes it.
    const DELETE: &'static str;

    /// Which one it is: the id or the name that AWS knows it by.
    fn named(&self) -> &str;
    fn desk(&self) -> &Desk<Self::Status>;
    fn desk_mut(&mut self) -> &mut Desk<Self::Status>;
    fn into_desk(self) -> Desk<Self::Status>;
    fn remove_finalizer(self) -> Decided<Self>;
}

/// A decision about such an object.
pub(crate) type Decided<P> =
    Decision<<P as Managed>::Status, <P as Managed>::Read, <P as Managed>::Action>;

macro_rules! managed {
    ($status:ty, $what:literal, $identity:ident) => {
        impl crate::managed::Managed for Pass<'_> {
            type Status = $status;
            type Read = Read;
            type Action = Action;
            const WHAT: &'static str = $what;
            const UPDATE: &'static str = UPDATE;
            const DELETE: &'static str = DELETE;

            fn named(&self) -> &str {
                self.desk.status.$identity.as_deref().unwrap_or_default()
            }
            fn desk(&self) -> &Desk<$status> {
                &self.desk
            }
            fn desk_mut(&mut self) -> &mut Desk<$status> {
                &mut self.desk
            }
            fn into_desk(self) -> Desk<$status> {
                self.desk
            }
            fn remove_finalizer(self) -> Decision {
                self.act(Action::RemoveFinalizer)
            }
        }
    };
}
pub(crate) use managed;
