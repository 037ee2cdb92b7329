//! Values of options that several commands have.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use strum::{EnumMessage, VariantArray};

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

/// Parses the name of one of the variants of `T`. Help lists all names, each with its documentation.
pub fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray
        + EnumMessage
        + Into<&'static str>
        + FromStr<Err = strum::ParseError>
        + Copy
        + Send
        + Sync
        + 'static,
{
    let values = T::VARIANTS.iter().map(|variant| {
        let name: &'static str = (*variant).into();
        let value = PossibleValue::new(name);
        let text = variant.get_documentation().map(|text| text.strip_suffix('.').unwrap_or(text));
        let value = match text {
            Some(text) => value.help(text),
            None => value,
        };
        value.aliases(variant.get_serializations().iter().copied().filter(|alias| *alias != name))
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<T>())
}

/// Replaces `field` by what an option says, if it is given.
pub fn set<T: Clone>(field: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        field.clone_from(value);
    }
}
