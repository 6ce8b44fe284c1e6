//! Parameters of the Query protocols: a flat form in which `Filter.1.Value.2` is a list in a list of structures.

use std::collections::BTreeMap;

use crate::model::Refusal;
use crate::model::sources::{MISSING_PARAMETER, PARAMETER_VALUE};

use super::Asked;

/// The form of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    fields: BTreeMap<String, String>,
}

impl Params {
    /// From the query of a GET and the body of a POST.
    pub(super) fn of(asked: &Asked) -> Params {
        let query = form_urlencoded::parse(asked.query.as_bytes());
        let body = form_urlencoded::parse(&asked.body);
        Params {
            fields: query.chain(body).map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        }
    }

    pub(super) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// An optional text; empty is absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::of(&MISSING_PARAMETER, format!("The request must contain the parameter {name}"))
        })
    }

    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let message = format!("Value ({text}) for parameter {name} is invalid. Expected an integer");
            Refusal::of(&PARAMETER_VALUE, message)
        })
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => {
                let message = format!("Value ({other}) for parameter {name} is invalid. Expected a boolean");
                Err(Refusal::of(&PARAMETER_VALUE, message))
            }
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.boolean(name)?.unwrap_or(false))
    }

    /// `name.1`, `name.2`… or `name.member.1`…, in the order of their numbers.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.structs(name).into_iter().filter_map(|one| one.fields.get("").cloned()).collect()
    }

    /// `name.1.Field`…: each element as a form of its own.
    pub(super) fn structs(&self, name: &str) -> Vec<Params> {
        let mut found: BTreeMap<u32, Params> = BTreeMap::new();
        for (key, value) in &self.fields {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let rest = rest.strip_prefix("member.").unwrap_or(rest);
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().fields.insert(field.to_owned(), value.clone());
            }
        }
        found.into_values().collect()
    }

    /// `name.Field`…: one structure as a form of its own.
    pub(super) fn inner(&self, name: &str) -> Params {
        let of_it =
            |key: &String| key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
        let fields = self.fields.iter().filter_map(|(key, value)| Some((of_it(key)?, value.clone())));
        Params { fields: fields.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_numbers_in_both_spellings() {
        let fields = ["A.10", "A.2", "B.member.1", "F.1.Name", "F.1.Value.1"];
        let params = Params { fields: fields.map(|key| (key.to_owned(), key.to_owned())).into() };
        assert_eq!(params.list("A"), ["A.2", "A.10"]);
        assert_eq!(params.list("B"), ["B.member.1"]);
        let filters = params.structs("F");
        assert_eq!(filters[0].get("Name"), Some("F.1.Name"));
        assert_eq!(filters[0].list("Value"), ["F.1.Value.1"]);
    }
}
