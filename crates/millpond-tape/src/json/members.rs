//! Values of members as files of different makers write them.

use super::scan::{Kind, List, Scan, Scanned};
use super::text::{Text, from_base64};
use crate::Pairs;

impl Scan {
    /// Opens an object; where the value is something else, that is passed over.
    pub fn object(&mut self) -> Scanned<Option<List>> {
        self.opened(Kind::Object, b'{')
    }

    /// Opens an array; where the value is something else, that is passed over.
    pub fn array(&mut self) -> Scanned<Option<List>> {
        self.opened(Kind::Array, b'[')
    }

    fn opened(&mut self, kind: Kind, bracket: u8) -> Scanned<Option<List>> {
        if self.kind()? == kind {
            self.expect(bracket)?;
            return Ok(Some(List::default()));
        }
        self.skip()?;
        Ok(None)
    }

    /// A string, or a number or truth value as its text; `None` for anything else.
    pub fn scalar(&mut self) -> Scanned<Option<String>> {
        Ok(match self.kind()? {
            Kind::String => Some(self.string()?),
            Kind::Number => self.number()?.map(|number| number.to_string()),
            Kind::Bool => Some(self.bool()?.to_string()),
            Kind::Null | Kind::Array | Kind::Object => {
                self.skip()?;
                None
            }
        })
    }

    /// A string or `{"base64": ...}` as bytes, a number or truth value as its text; `None` for anything else.
    pub fn octets(&mut self) -> Scanned<Option<Vec<u8>>> {
        match self.kind()? {
            Kind::String => self.bytes().map(Some),
            Kind::Object => {
                let (mut list, mut found) = (List::default(), None);
                self.expect(b'{')?;
                while let Some(name) = self.member(&mut list)? {
                    if name == "base64" && self.kind()? == Kind::String {
                        found = from_base64(&self.bytes()?);
                    } else {
                        self.skip()?;
                    }
                }
                found
                    .map(Some)
                    .ok_or_else(|| self.malformed("bytes are a string, or an object with `base64`"))
            }
            _ => Ok(self.scalar()?.map(String::into_bytes)),
        }
    }

    /// A finite number, also where it stands in a string; `None` for anything else.
    pub fn float(&mut self) -> Scanned<Option<f64>> {
        Ok(match self.kind()? {
            Kind::Number => self.number()?.and_then(|number| number.as_f64()),
            Kind::String => self.string()?.trim().parse().ok(),
            _ => {
                self.skip()?;
                None
            }
        }
        .filter(|number: &f64| number.is_finite()))
    }

    /// A whole number that is not negative, also where it stands in a string; `None` for anything else.
    pub fn whole(&mut self) -> Scanned<Option<u64>> {
        Ok(match self.kind()? {
            Kind::Number => self.number()?.and_then(|number| {
                number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
            }),
            Kind::String => self.string()?.trim().parse().ok(),
            _ => {
                self.skip()?;
                None
            }
        })
    }

    /// A truth value; anything else is false.
    pub fn truth(&mut self) -> Scanned<bool> {
        if self.kind()? == Kind::Bool {
            return self.bool();
        }
        self.skip()?;
        Ok(false)
    }

    /// A string that may be a body; anything else is passed over.
    pub fn body(&mut self) -> Scanned<Option<Text>> {
        if self.kind()? == Kind::String {
            return self.text().map(Some);
        }
        self.skip()?;
        Ok(None)
    }

    /// Names and values: a list of pairs, a list of objects with `name` and `value`, or an object whose values are
    /// strings or lists of strings.
    pub fn pairs(&mut self) -> Scanned<Pairs> {
        let mut pairs = Pairs::new();
        match self.kind()? {
            Kind::Array => {
                let mut list = List::default();
                self.expect(b'[')?;
                while self.element(&mut list)? {
                    if let Some((name, value)) = self.pair()? {
                        pairs.push(name, value);
                    }
                }
            }
            Kind::Object => {
                let mut list = List::default();
                self.expect(b'{')?;
                while let Some(name) = self.member(&mut list)? {
                    self.values_of(&name, &mut pairs)?;
                }
            }
            _ => self.skip()?,
        }
        Ok(pairs)
    }

    fn values_of(&mut self, name: &str, pairs: &mut Pairs) -> Scanned<()> {
        if self.kind()? != Kind::Array {
            if let Some(value) = self.octets()? {
                pairs.push(name, value);
            }
            return Ok(());
        }
        let mut list = List::default();
        self.expect(b'[')?;
        while self.element(&mut list)? {
            if let Some(value) = self.octets()? {
                pairs.push(name, value);
            }
        }
        Ok(())
    }

    /// A name and its value; `None` where there is no name.
    fn pair(&mut self) -> Scanned<Option<(Vec<u8>, Vec<u8>)>> {
        match self.kind()? {
            Kind::Array => {
                let (mut list, mut both) = (List::default(), [None, None]);
                self.expect(b'[')?;
                let mut places = both.iter_mut();
                while self.element(&mut list)? {
                    match places.next() {
                        Some(place) => *place = self.octets()?,
                        None => self.skip()?,
                    }
                }
                let [name, value] = both;
                Ok(name.map(|name| (name, value.unwrap_or_default())))
            }
            Kind::Object => self.named_pair(),
            _ => {
                self.skip()?;
                Ok(None)
            }
        }
    }

    fn named_pair(&mut self) -> Scanned<Option<(Vec<u8>, Vec<u8>)>> {
        let (mut list, mut name, mut value, mut latin1) = (List::default(), None, None, false);
        self.expect(b'{')?;
        while let Some(member) = self.member(&mut list)? {
            match member.as_str() {
                "name" => name = self.octets()?,
                "value" => value = self.octets()?,
                "_encoding" => latin1 = self.scalar()?.as_deref() == Some("iso-8859-1"),
                _ => self.skip()?,
            }
        }
        let mut value = value.unwrap_or_default();
        if latin1 {
            // Each character stands for the byte of its number: Unicode begins with ISO 8859-1.
            value =
                String::from_utf8_lossy(&value).chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        }
        Ok(name.map(|name| (name, value)))
    }
}
