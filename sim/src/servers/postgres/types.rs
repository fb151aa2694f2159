//! Values: SQLite's five storage classes on one side, PostgreSQL's typed wire values on the other.

use bytes::{BufMut, BytesMut};
use pgwire::api::Type;
use rusqlite::types::ValueRef;

use super::dialect::SqlError;

/// The PostgreSQL types this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Int8,
    Int4,
    Int2,
    Text,
    Bytea,
    Bool,
    Float8,
}

/// How a value is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireFormat {
    Text,
    Binary,
}

/// The formats of a row's values, as a Bind message gives them: none means text, one means all.
#[derive(Clone, Debug, Default)]
pub(super) struct WireFormats(pub(super) Vec<i16>);

impl WireFormats {
    pub(super) fn of(&self, index: usize) -> WireFormat {
        let code = if self.0.len() == 1 { self.0.first() } else { self.0.get(index) };
        if code == Some(&1) { WireFormat::Binary } else { WireFormat::Text }
    }
}

impl ColumnType {
    /// The type of a column declared so, or named so in a `/*cols …*/` hint.
    pub(super) fn from_declaration(declaration: &str) -> Option<ColumnType> {
        Some(match declaration.trim().to_ascii_uppercase().as_str() {
            "BIGINT" | "INT8" | "BIGSERIAL" => ColumnType::Int8,
            "INT" | "INTEGER" | "INT4" | "SERIAL" => ColumnType::Int4,
            "SMALLINT" | "INT2" => ColumnType::Int2,
            "TEXT" | "VARCHAR" => ColumnType::Text,
            "BYTEA" => ColumnType::Bytea,
            "BOOLEAN" | "BOOL" => ColumnType::Bool,
            "DOUBLE PRECISION" | "FLOAT8" => ColumnType::Float8,
            _ => return None,
        })
    }

    /// The type of a parameter announced with this object id.
    pub(super) fn from_oid(oid: u32) -> Option<ColumnType> {
        Some(match Type::from_oid(oid)? {
            Type::INT8 => ColumnType::Int8,
            Type::INT4 => ColumnType::Int4,
            Type::INT2 => ColumnType::Int2,
            Type::TEXT | Type::VARCHAR => ColumnType::Text,
            Type::BYTEA => ColumnType::Bytea,
            Type::BOOL => ColumnType::Bool,
            Type::FLOAT8 => ColumnType::Float8,
            _ => return None,
        })
    }

    /// PostgreSQL's object id and size in bytes of the type, −1 for a variable one.
    pub(super) fn oid_and_size(self) -> (u32, i16) {
        let (kind, size) = match self {
            ColumnType::Int8 => (Type::INT8, 8),
            ColumnType::Int4 => (Type::INT4, 4),
            ColumnType::Int2 => (Type::INT2, 2),
            ColumnType::Text => (Type::TEXT, -1),
            ColumnType::Bytea => (Type::BYTEA, -1),
            ColumnType::Bool => (Type::BOOL, 1),
            ColumnType::Float8 => (Type::FLOAT8, 8),
        };
        (kind.oid(), size)
    }

    /// Reads a parameter without copying it.
    pub(super) fn decode(self, format: WireFormat, bytes: &[u8]) -> Result<ValueRef<'_>, SqlError> {
        match (self, format) {
            (ColumnType::Text, _) => text(bytes),
            (_, WireFormat::Text) => {
                Err(SqlError::new("0A000", "text parameters are taken for text only, send the others in binary format"))
            }
            (ColumnType::Bytea, _) => Ok(ValueRef::Blob(bytes)),
            (ColumnType::Int8, _) => Ok(ValueRef::Integer(i64::from_be_bytes(fixed(bytes)?))),
            (ColumnType::Int4, _) => Ok(ValueRef::Integer(i64::from(i32::from_be_bytes(fixed(bytes)?)))),
            (ColumnType::Int2, _) => Ok(ValueRef::Integer(i64::from(i16::from_be_bytes(fixed(bytes)?)))),
            (ColumnType::Bool, _) => Ok(ValueRef::Integer(i64::from(fixed::<1>(bytes)? != [0]))),
            (ColumnType::Float8, _) => Ok(ValueRef::Real(f64::from_be_bytes(fixed(bytes)?))),
        }
    }

    /// Appends the length and the bytes of one value of a row.
    pub(super) fn encode(self, format: WireFormat, value: ValueRef<'_>, out: &mut BytesMut) -> Result<(), SqlError> {
        match (self, value) {
            (_, ValueRef::Null) => out.put_i32(-1),
            (ColumnType::Text, ValueRef::Text(text)) => sized(out, text),
            (ColumnType::Bytea, ValueRef::Blob(blob)) => match format {
                WireFormat::Binary => sized(out, blob),
                WireFormat::Text => sized(out, hexadecimal(blob).as_bytes()),
            },
            (_, ValueRef::Integer(number)) => self.encode_integer(format, number, out)?,
            (ColumnType::Float8, ValueRef::Real(number)) => match format {
                WireFormat::Binary => sized(out, &number.to_be_bytes()),
                WireFormat::Text => sized(out, number.to_string().as_bytes()),
            },
            // SQLite turns an integer that overflows into a float; PostgreSQL refuses.
            (ColumnType::Int8, ValueRef::Real(_)) => {
                return Err(SqlError::new("22003", "bigint out of range"));
            }
            (_, value) => return Err(self.mismatch(value)),
        }
        Ok(())
    }

    fn encode_integer(self, format: WireFormat, number: i64, out: &mut BytesMut) -> Result<(), SqlError> {
        let out_of_range = |_| SqlError::new("22003", format!("{number} is out of range for {self:?}"));
        match self {
            ColumnType::Bool if format == WireFormat::Text => {
                sized(out, if number == 0 { b"f" } else { b"t" });
            }
            ColumnType::Bool => sized(out, &[u8::from(number != 0)]),
            ColumnType::Float8 => {
                // An integral value in an untyped expression is stored as an integer.
                #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL's own cast does")]
                let number = number as f64;
                match format {
                    WireFormat::Binary => sized(out, &number.to_be_bytes()),
                    WireFormat::Text => sized(out, number.to_string().as_bytes()),
                }
            }
            ColumnType::Text | ColumnType::Bytea => {
                return Err(self.mismatch(ValueRef::Integer(number)));
            }
            _ if format == WireFormat::Text => sized(out, number.to_string().as_bytes()),
            ColumnType::Int8 => sized(out, &number.to_be_bytes()),
            ColumnType::Int4 => {
                sized(out, &i32::try_from(number).map_err(out_of_range)?.to_be_bytes());
            }
            ColumnType::Int2 => {
                sized(out, &i16::try_from(number).map_err(out_of_range)?.to_be_bytes());
            }
        }
        Ok(())
    }

    fn mismatch(self, value: ValueRef<'_>) -> SqlError {
        let held = value.data_type();
        SqlError::new("42804", format!("a column of type {self:?} holds a {held}, write a /*cols …*/ hint or a CAST"))
    }
}

fn text(bytes: &[u8]) -> Result<ValueRef<'_>, SqlError> {
    if std::str::from_utf8(bytes).is_err() || memchr::memchr(0, bytes).is_some() {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding UTF8, send bytea"));
    }
    Ok(ValueRef::Text(bytes))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], SqlError> {
    bytes.try_into().map_err(|_| SqlError::new("22P03", "incorrect binary data format in a parameter"))
}

fn sized(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).expect("SQLite holds no value above 2 GiB"));
    out.put_slice(bytes);
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::from("\\x");
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(kind: ColumnType, format: WireFormat, value: ValueRef<'_>) -> Result<Vec<u8>, SqlError> {
        let mut out = BytesMut::new();
        kind.encode(format, value, &mut out)?;
        Ok(out.split_off(4).to_vec())
    }

    proptest! {
        #[test]
        fn a_bigint_survives_the_round_trip(number: i64) {
            let bytes = encoded(ColumnType::Int8, WireFormat::Binary, ValueRef::Integer(number)).unwrap();
            prop_assert_eq!(ColumnType::Int8.decode(WireFormat::Binary, &bytes).unwrap(), ValueRef::Integer(number));
        }

        #[test]
        fn a_blob_survives_the_round_trip(blob: Vec<u8>) {
            let bytes = encoded(ColumnType::Bytea, WireFormat::Binary, ValueRef::Blob(&blob)).unwrap();
            prop_assert_eq!(ColumnType::Bytea.decode(WireFormat::Binary, &bytes).unwrap(), ValueRef::Blob(&blob));
        }
    }

    #[test]
    fn text_format_is_what_psql_would_show() {
        let shown = |kind, value| String::from_utf8(encoded(kind, WireFormat::Text, value).unwrap()).unwrap();
        assert_eq!(shown(ColumnType::Bytea, ValueRef::Blob(b"\x00\xff")), "\\x00ff");
        assert_eq!(shown(ColumnType::Bool, ValueRef::Integer(1)), "t");
        assert_eq!(shown(ColumnType::Int4, ValueRef::Integer(-7)), "-7");
    }

    #[test]
    fn what_postgresql_refuses_is_refused() {
        let code = |result: Result<Vec<u8>, SqlError>| result.unwrap_err().code;
        assert_eq!(code(encoded(ColumnType::Int4, WireFormat::Binary, ValueRef::Integer(1 << 40))), "22003");
        assert_eq!(code(encoded(ColumnType::Int8, WireFormat::Binary, ValueRef::Real(1e19))), "22003");
        assert_eq!(code(encoded(ColumnType::Int8, WireFormat::Binary, ValueRef::Text(b"x"))), "42804");
        assert_eq!(ColumnType::Text.decode(WireFormat::Binary, b"a\0b").unwrap_err().code, "22021");
        assert_eq!(ColumnType::Int8.decode(WireFormat::Binary, b"abc").unwrap_err().code, "22P03");
    }
}
