//! Reads typed values out of parsed TOML, and collects everything that is wrong instead of stopping at the first.

use super::duration;
use super::error::Problem;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text and what there is to tell about it so far.
pub(super) struct Document<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

/// What was found in a document.
pub(super) struct Findings {
    /// Why it cannot be used.
    pub(super) problems: Vec<Problem>,
    /// What it says was understood, but ought to be written differently.
    pub(super) warnings: Vec<Problem>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let problem = Problem::new(self.text, span, message.into(), help);
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn into_findings(self) -> Findings {
        Findings { problems: self.problems.into_inner(), warnings: self.warnings.into_inner() }
    }
}

/// "did you mean …" for the candidate nearest to `given`, if one is near.
pub(super) fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let (similarity, candidate) = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(given, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (similarity > 0.75).then(|| format!("did you mean `{candidate}`?"))
}

/// One table. Keys that are asked for are known; [`finish`](Self::finish) complains about the others.
pub(super) struct Table<'d, 't> {
    pub(super) document: &'d Document<'t>,
    /// The table's own name with dots, for messages; empty at the top.
    path: String,
    /// Where a missing key is reported.
    pub(super) span: Range<usize>,
    values: Option<&'d DeTable<'t>>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'d, 't> Table<'d, 't> {
    pub(super) fn top(document: &'d Document<'t>, values: &'d DeTable<'t>) -> Self {
        Self::new(document, String::new(), 0..0, Some(values))
    }

    fn new(document: &'d Document<'t>, path: String, span: Range<usize>, values: Option<&'d DeTable<'t>>) -> Self {
        Self { document, path, span, values, known: RefCell::default() }
    }

    fn named(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.known.borrow_mut().insert(key);
        self.values?.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = value.get_ref().type_str();
        self.document.problem(
            value.span(),
            format!("`{}` is not valid: found {found}", self.named(key)),
            Some(format!("expected {expected}")),
        );
    }

    /// Complains about the value of `key`, which was read and understood.
    pub(super) fn refuse(&self, key: &'static str, message: &str, help: &str) {
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        let message = format!("`{}` {message}", self.named(key));
        self.document.problem(span, message, Some(help.to_owned()));
    }

    /// Complains about a part of the text of `key`, in bytes; `None` is all of it.
    #[cfg(feature = "zenoh")]
    pub(super) fn refuse_within(&self, key: &'static str, part: Option<Range<usize>>, message: &str, help: &str) {
        let (span, message) = self.within(key, part, message);
        self.document.problem(span, message, Some(help.to_owned()));
    }

    /// Like [`refuse_within`](Self::refuse_within), of a text that was understood all the same.
    #[cfg(feature = "zenoh")]
    pub(super) fn warn_within(&self, key: &'static str, part: Option<Range<usize>>, message: &str, help: &str) {
        let (span, message) = self.within(key, part, message);
        let warning = Problem::new(self.document.text, span, message, Some(help.to_owned()));
        self.document.warnings.borrow_mut().push(warning);
    }

    /// Where a part of the text of `key` stands in the file. Where the file writes the text with escapes, that is all of it, and
    /// the message says where in the text.
    #[cfg(feature = "zenoh")]
    fn within(&self, key: &'static str, part: Option<Range<usize>>, message: &str) -> (Range<usize>, String) {
        let whole = self.get(key).map_or(self.span.clone(), Spanned::span);
        let message = format!("`{}` {message}", self.named(key));
        let text = self.get(key).and_then(|value| value.get_ref().as_str()).unwrap_or_default();
        let Some(part) = part else { return (whole, message) };
        match self.document.text.get(whole.clone()).and_then(|raw| raw.find(text)) {
            Some(start) => (whole.start + start + part.start..whole.start + start + part.end, message),
            None => {
                let Problem { line, column, .. } = Problem::new(text, part, String::new(), None);
                (whole, format!("{message} (line {line}, column {column} of the text)"))
            }
        }
    }

    fn read<T>(
        &self,
        key: &'static str,
        expected: &str,
        convert: impl FnOnce(&'d DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let converted = convert(value.get_ref());
        if converted.is_none() {
            self.wrong(key, value, expected);
        }
        converted
    }

    /// A table within; absent is the same as empty.
    pub(super) fn table(&self, key: &'static str) -> Table<'d, 't> {
        let values = self.read(key, "a table", |value| value.as_table());
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        Table::new(self.document, self.named(key), span, values)
    }

    /// All tables within, by their free names.
    pub(super) fn tables(&self) -> Vec<(&'d str, Table<'d, 't>)> {
        let mut tables = Vec::new();
        for (key, value) in self.values.into_iter().flatten() {
            let key = key.get_ref().as_ref();
            match value.get_ref().as_table() {
                Some(values) => {
                    tables.push((key, Table::new(self.document, self.named(key), value.span(), Some(values))))
                }
                None => self.wrong(key, value, "a table"),
            }
        }
        tables
    }

    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        self.read(key, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn required(&self, key: &'static str) -> String {
        self.missing(key);
        self.string(key).unwrap_or_default()
    }

    /// Complains if `key` is absent.
    pub(super) fn missing(&self, key: &'static str) {
        if self.get(key).is_none() {
            self.document.problem(
                self.span.clone(),
                format!("`{}` is missing", self.named(key)),
                Some(format!("add `{key}` to this table; it has no default")),
            );
        }
    }

    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        self.read(key, "true or false", DeValue::as_bool).unwrap_or(default)
    }

    pub(super) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = expected_integer(&range);
        self.read(key, &expected, |value| integer(value, &range))
    }

    pub(super) fn duration(&self, key: &'static str, default: Duration) -> Duration {
        self.read(key, duration::EXPECTED, |value| duration::parse(value.as_str()?)).unwrap_or(default)
    }

    /// A duration that must not be zero.
    pub(super) fn positive(&self, key: &'static str, default: Duration) -> Duration {
        let duration = self.duration(key, default);
        if duration.is_zero() {
            self.refuse(key, "is zero", "give a duration above zero");
            return default;
        }
        duration
    }

    /// A list of texts; a single one is a list of one.
    pub(super) fn strings(&self, key: &'static str) -> Vec<String> {
        self.items(key, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn integers(&self, key: &'static str, range: RangeInclusive<u64>) -> Vec<u64> {
        let expected = expected_integer(&range);
        self.items(key, &expected, |value| integer(value, &range))
    }

    /// A list of what `convert` understands; a single value is a list of one.
    pub(super) fn items<T>(
        &self,
        key: &'static str,
        expected: &str,
        convert: impl Fn(&'d DeValue<'t>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let mut items = Vec::new();
        let single = std::slice::from_ref(value);
        for item in value.get_ref().as_array().map_or(single, |list| &list[..]) {
            match convert(item.get_ref()) {
                Some(converted) => items.push(converted),
                None => self.wrong(key, item, expected),
            }
        }
        items
    }

    /// Complains about every key that nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for key in self.values.into_iter().flatten().map(|(key, _)| key) {
            let name = key.get_ref().as_ref();
            if !known.contains(name) {
                let candidates = known.iter().copied().collect::<Vec<_>>();
                let help = nearest(name, candidates.iter().copied())
                    .unwrap_or_else(|| format!("known keys here: {}", candidates.join(", ")));
                let message = format!("unknown key `{}`", self.named(name));
                self.document.problem(key.span(), message, Some(help));
            }
        }
    }
}

fn expected_integer(range: &RangeInclusive<u64>) -> String {
    match *range.end() {
        u64::MAX => format!("a whole number from {}", range.start()),
        end => format!("a whole number from {} to {end}", range.start()),
    }
}

fn integer(value: &DeValue<'_>, range: &RangeInclusive<u64>) -> Option<u64> {
    let integer = value.as_integer()?;
    let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
    range.contains(&number).then_some(number)
}
