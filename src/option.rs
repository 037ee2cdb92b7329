//! Values of options that several commands have.

/// A value of an option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

/// Replaces `field` by what an option says, if it is given.
pub fn set<T: Clone>(field: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        field.clone_from(value);
    }
}
